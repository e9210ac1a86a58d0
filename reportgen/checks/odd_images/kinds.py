"""Which pictures differ from most of a set, and in what: by the facts of the pictures alone, whatever is
answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reportgen.checks.case import Pictures
from reportgen.findings import Array

BLANK = 0.004  # contrast of a picture of one grey level: half a level of rounding, and JPEG's
GREY = 0.02  # largest difference between two colours of a pixel that is still grey
MINORITY = 0.25  # a larger share of the set is no minority
FEWEST = 3  # fewer pictures are single cases
DEVIATIONS = 4.5  # robust standard deviations from the median past which a value is odd
SAME = 0.8  # shared pictures, of all of two kinds, from which the two are one


@dataclass(frozen=True)
class Kind:
    """A minority: its name, the words that follow "n of N pictures are", and which pictures, bool (N,)."""

    name: str
    words: str
    among: Array


@dataclass(frozen=True)
class Value:
    """A fact whose low or high values may be odd: how far from the median they have to be at least, in the
    fact's own unit or, where `ratio`, as a factor; and the words for low and high ones."""

    field: str
    at_least: float
    low: str
    high: str
    ratio: bool = False


VALUES = (
    Value("luminance", 0.15, "much darker than most", "much brighter than most"),
    Value("contrast", 2.0, "of much less contrast than most", "of much more contrast than most", ratio=True),
    Value("saturation", 0.2, "much paler than most", "much more colourful than most"),
    Value("sharpness", 4.0, "much more blurred than most", "much sharper or noisier than most", ratio=True),
    Value("jpeg_quality", 20, "compressed much more than most", "compressed much less than most"),
    Value("pixels", 2.0, "much smaller than most", "much larger than most", ratio=True),
    Value("aspect", 1.3, "narrower than most", "wider than most", ratio=True),
)


def blank(pictures: Pictures) -> Array:
    """Which pictures have one value in all their pixels, but for rounding, bool (N,)."""
    return np.asarray((pictures.column("contrast") < BLANK) & (pictures.column("colour") < 3 * GREY))


def minorities(pictures: Pictures) -> list[Kind]:
    """The kinds of pictures that are a minority of the set, each once: where two are nearly the same
    pictures, the first. Blank ones come first, in any number; they are no minority in anything else."""
    empty = blank(pictures)
    found = [Kind("blank", "blank, with one value in all their pixels", empty)] if empty.any() else []
    n = int((~empty).sum())
    for kind in _all(pictures, ~empty):
        count = int(kind.among.sum())
        if FEWEST <= count <= MINORITY * n and not any(_same(kind.among, other.among) for other in found):
            found.append(kind)
    return found


def _same(a: Array, b: Array) -> bool:
    return bool((a & b).sum() >= SAME * (a | b).sum())


def _all(pictures: Pictures, looked_at: Array) -> Iterator[Kind]:
    """Every kind that is asked for, minority or not."""
    grey = pictures.column("colour") < GREY
    yield Kind("grey", "grey, while most are in colour", looked_at & grey)
    yield Kind("colour", "in colour, while most are grey", looked_at & ~grey)
    turned = pictures.column("orientation") != 1
    yield Kind("EXIF orientation", "turned by what their EXIF data say", looked_at & turned)
    yield Kind("no EXIF orientation", "not turned by EXIF data, while most are", looked_at & ~turned)
    aspect = pictures.column("width") / np.maximum(pictures.column("height"), 1)
    lying, standing = aspect > 1.1, aspect < 1 / 1.1
    if (lying | standing)[looked_at].mean() > 0.5:
        yield Kind("portrait", "higher than wide, while most are wider than high", looked_at & standing)
        yield Kind("landscape", "wider than high, while most are higher than wide", looked_at & lying)
    for value in VALUES:
        yield from _of_value(pictures, looked_at, value)


def _of_value(pictures: Pictures, looked_at: Array, value: Value) -> Iterator[Kind]:
    """The low and the high values of one fact."""
    width, height = pictures.column("width"), np.maximum(pictures.column("height"), 1)
    derived = {"pixels": width * height, "aspect": width / height}
    x = derived[value.field] if value.field in derived else pictures.column(value.field)
    known = looked_at & (x > 0) if value.field == "jpeg_quality" else looked_at
    if known.sum() < FEWEST:
        return
    at_least = np.log(value.at_least) if value.ratio else value.at_least
    x = np.log(np.maximum(x, 1e-6)) if value.ratio else x
    middle = np.median(x[known])
    spread = 1.4826 * np.median(np.abs(x[known] - middle))
    far = max(at_least, DEVIATIONS * spread)
    yield Kind(f"low {value.field}", value.low, known & (x < middle - far))
    yield Kind(f"high {value.field}", value.high, known & (x > middle + far))
