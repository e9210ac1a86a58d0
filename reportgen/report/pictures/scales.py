"""How raw values become colours: the scale of a map, which the report states.

inferno is for amounts from zero, viridis for values without a natural zero, coolwarm (Moreland
2009) for signed values, diverging around zero. All are perceptually uniform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.findings import Array
from reportgen.findings.printed import MANY, PERCENTILE
from reportgen.report.wording import number

AMOUNT_BELOW = 0.3  # a map that comes this near to zero, as a part of its top, is drawn from zero


@dataclass(frozen=True)
class Scale:
    """How raw values became colours: `low` and `high` are the ends of the palette."""

    palette: str
    low: float
    high: float
    clipped: bool  # whether values beyond `high` (or its negative) exist
    signed: bool

    @property
    def top(self) -> int:
        """The highest level of `levels`; signed maps have an odd number, so that zero is one of them."""
        return 254 if self.signed else 255


UNIT = Scale("gray", 0.0, 1.0, False, False)  # pixels as they are


def scale(values: Array, signed: bool) -> Scale:
    """The scale of one map (h, w) of finite, not constant values."""
    many = values.size > MANY
    if signed:
        size = np.abs(values)
        high = float(np.percentile(size, PERCENTILE)) if many else 0.0
        high = high or float(size.max())
        return Scale("coolwarm", -high, high, high < float(size.max()), True)
    low, top = float(values.min()), float(values.max())
    high = float(np.percentile(values, PERCENTILE)) if many else top
    high = high if high > low else top
    if 0 <= low <= AMOUNT_BELOW * high:  # an amount: its zero is meant
        return Scale("inferno", 0.0, high, high < top, False)
    return Scale("viridis", low, high, high < top, False)


def fractions(values: Array, by: Scale) -> Array:
    """Values as places in the palette, 0 to 1, float32, same shape."""
    part = (values.astype(np.float32) - by.low) / (by.high - by.low)
    return np.asarray(np.clip(part, 0, 1))


def levels(values: Array, by: Scale) -> Array:
    """Values as whole levels of the scale, 0 to `by.top`, uint8: what screen and paper draw from."""
    return np.asarray(np.rint(fractions(values, by) * by.top).astype(np.uint8))


def tile_scale(values: Array, signed: bool, colour: bool) -> Scale | None:
    """The scale of a gallery's tile or of all its tiles; None where there is nothing to stretch."""
    if not np.isfinite(values).all() or values.min() == values.max():
        return None
    palette = "gray" if colour or signed else "viridis"
    if signed:
        high = float(np.abs(values).max())
        return Scale(palette, -high, high, False, True)
    return Scale(palette, float(values.min()), float(values.max()), False, False)


def bar(by: Scale) -> Bar:
    """The colour bar of a scale: its ends, and zero where the scale diverges from it."""
    low = ("≤ " if by.clipped and by.signed else "") + number(by.low)
    high = ("≥ " if by.clipped else "") + number(by.high)
    return Bar(by.palette, (low, "0", high) if by.signed else (low, high))


@dataclass(frozen=True)
class Bar:
    """A colour bar: the palette and its ticks, from left to right."""

    palette: str
    ticks: tuple[str, ...]
