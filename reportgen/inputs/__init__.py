"""The outside world, made safe: checkpoints, models, class names, image sets, preprocessing."""

from __future__ import annotations

from reportgen.inputs.images import ImageFile, stream, survey
from reportgen.inputs.models import Subject, load_subject

__all__ = ["ImageFile", "Subject", "load_subject", "stream", "survey"]
