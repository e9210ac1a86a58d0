"""A finding, or a way to draw one, that the report does not know is not left out in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from reportgen.audit.findings import numbers
from reportgen.findings import Picture
from reportgen.report.cards.blocks import of_model
from reportgen.report.pictures.figures import sprite

UNKNOWN: Any = "of a later version"
SHOWN = {"name": "p", "title": "P", "summary": "what it is"}


@dataclass(frozen=True)
class Unknown:
    """A kind of finding that nobody has taught the report."""

    name: str = "n"
    title: str = "N"
    quantity: str = ""


def test_a_kind_of_finding_that_is_not_known() -> None:
    found: Any = (Unknown(),)
    with pytest.raises(AssertionError, match="Unknown"):
        of_model(SHOWN, found)
    with pytest.raises(AssertionError, match="Unknown"):
        numbers(found)


def test_an_encoding_and_a_scale_that_are_not_known() -> None:
    values = np.random.default_rng(0).random((3, 4, 4), dtype=np.float32)
    with pytest.raises(AssertionError, match=UNKNOWN):
        of_model(SHOWN, (Picture("p", "P", values, "", UNKNOWN),))
    with pytest.raises(AssertionError, match=UNKNOWN):
        sprite(values, False, UNKNOWN, 3)
