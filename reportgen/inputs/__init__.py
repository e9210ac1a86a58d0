"""The outside world, made safe: checkpoints, models, class names, image sets, preprocessing."""

from __future__ import annotations

from reportgen.inputs.images.loading import ImageFile, stream, survey
from reportgen.inputs.models.subject import Subject, load_subject

__all__ = ["ImageFile", "Subject", "load_subject", "stream", "survey"]
