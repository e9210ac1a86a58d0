"""Lines over axes -> a plot: points, ticks and bands in its own units, which a template draws as SVG.

The markup takes its colours from the theme, light or dark, so nothing is drawn here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reportgen.findings import Array, Comparison, Curve
from reportgen.report.wording import count, number, plural

WIDTH, HEIGHT = 168.0, 130.0
LEFT, TOP, RIGHT, BOTTOM = 26.0, 19.0, 157.0, 101.0  # room for the labels
WIDE, DEEP = 60.0, 10.0  # by how much a curve of its own is larger than one of many maps
CHARACTER = 6.0  # about what a digit is wide
ROW = 24.0  # of a comparison
LONGEST = 32  # characters of a row's name
ACROSS = 130.0  # the room beside the names
LEAST = 1e-6  # the smallest probability that an axis has room for
STYLES = 4  # kinds of stroke that are told apart without colour
Band = tuple[Array, Array]  # lower and upper limits, (P,) each


def of_curve(curve: Curve) -> Plot:
    """One image's curve: the band belongs to its last line."""
    lines = list(zip(curve.labels, curve.values, strict=True))
    bands = {len(lines) - 1: tuple(curve.band)} if np.ndim(curve.band) else {}
    return plot(curve.x, lines, bands, curve.x_label, curve.y_label, curve.limits, (WIDE, DEEP))


def plot(
    x: Array,
    lines: Sequence[tuple[str, Array]],
    bands: Mapping[int, Band],
    x_label: str,
    y_label: str,
    y_limits: tuple[float, float] | None = None,
    larger: tuple[float, float] = (0.0, 0.0),
) -> Plot:
    """Lines (P,) over x (P,), with bands by the number of their line; where one of these is NaN it is left
    out."""
    heights = [values for _, values in lines] + [edge for band in bands.values() for edge in band]
    low, high = y_limits or (min(map(np.nanmin, heights)), max(map(np.nanmax, heights)))
    ends, up = (float(np.min(x)), float(np.max(x))), ticks(float(low), float(high))
    if ends[0] == ends[1]:
        ends = (ends[0] - 0.5, ends[1] + 0.5)
    across = inner_ticks(*ends, turned=x_label.endswith("°"))
    start = max(LEFT, CHARACTER * max(len(label(v)) for v in up) + 6)
    end, bottom = RIGHT + larger[0], BOTTOM + larger[1]

    def places(values: Array, within: tuple[float, ...], start: float, end: float) -> Array:
        part = (np.asarray(values, float) - within[0]) / (within[-1] - within[0])
        return np.asarray(start + np.clip(part, 0, 1) * (end - start))

    def points(xs: Array, ys: Array) -> str:
        known = np.isfinite(ys)
        columns, rows = places(xs[known], ends, start, end), places(ys[known], up, bottom, TOP)
        return " ".join(f"{c:.1f},{r:.1f}" for c, r in zip(columns, rows, strict=True))

    def band(n: int) -> str:
        if n not in bands:
            return ""
        lower, upper = bands[n]
        return points(np.concatenate((x, x[::-1])), np.concatenate((upper, lower[::-1])))

    def axis(
        values: tuple[float, ...], within: tuple[float, ...], first: float, last: float
    ) -> tuple[Tick, ...]:
        at = places(np.array(values), within, first, last)
        return tuple(Tick(round(float(a), 1), label(v)) for a, v in zip(at, values, strict=True))

    return Plot(
        *(WIDTH + larger[0], HEIGHT + larger[1], start, TOP, end, bottom),
        lines=tuple(
            Line(name, n % STYLES, points(x, values), band(n)) for n, (name, values) in enumerate(lines)
        ),
        x_ticks=axis(across, ends, start, end),
        y_ticks=axis(up, up, bottom, TOP),
        x_label=x_label,
        y_label=y_label,
    )


def of_comparison(comparison: Comparison) -> Plot:
    """A row a number: its dot, and the bar of its reference with a mark at the middle."""
    everything = (*comparison.values, *comparison.reference.flat)
    across = ticks(float(min(everything)), float(max(everything)))
    names = [short(name) for name in comparison.labels]
    left, top = 12 + CHARACTER * max(map(len, names)), 8.0
    right = left + ACROSS
    bottom = top + ROW * len(names)

    def at(value: float) -> float:
        part = (value - across[0]) / (across[-1] - across[0])
        return round(float(left + part * (right - left)), 1)

    rows = [round(top + ROW * (n + 0.5), 1) for n in range(len(names))]
    lines = []
    for y, (low, middle, high) in zip(rows, comparison.reference, strict=True):
        upper, lower = y - 6, y + 6
        bar = f"{at(low)},{upper} {at(high)},{upper} {at(high)},{lower} {at(low)},{lower}"
        lines.append(Line("reference", 0, f"{at(middle)},{upper} {at(middle)},{lower}", bar))
    return Plot(
        *(right + 18, bottom + 29, left, top, right, bottom),
        lines=tuple(lines),
        x_ticks=tuple(Tick(at(value), label(value)) for value in across),
        y_ticks=tuple(Tick(y, name) for y, name in zip(rows, names, strict=True)),
        x_label=comparison.quantity,
        y_label="",
        points=tuple(
            Point(at(value), y, y, y, "", at(value), y)
            for y, value in zip(rows, comparison.values, strict=True)
        ),
    )


def short(name: str) -> str:
    """A name that leaves room for a plot beside it."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def reliability(
    bins: Sequence[Mapping[str, Any]], intervals: Sequence[tuple[float, float]], views: Sequence[str] = ()
) -> Plot:
    """The share right over the confidence, both from 0 to 1: a point a bin that is not empty.

    `bins` as results.json has them; `intervals` are those of the shares right, one a bin, and `views` the
    images of a bin in the table.
    """
    left, top, right, bottom = 34.0, 38.0, 348.0, 232.0
    crowded = any(bin_["count"] >= 1000 for bin_ in bins)  # long numbers stand in two lines
    steps = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

    def across(value: float) -> float:
        return round(left + value * (right - left), 1)

    def up(value: float) -> float:
        return round(bottom + value * (top - bottom), 1)

    return Plot(
        *(356.0, 262.0, left, top, right, bottom),
        lines=(Line("calibrated", 1, f"{left},{bottom} {right},{top}"),),
        x_ticks=tuple(Tick(across(step), label(step)) for step in steps),
        y_ticks=tuple(Tick(up(step), label(step)) for step in steps),
        x_label="confidence (probability of the answer)",
        y_label="share right",
        points=tuple(
            Point(
                *(across(b["confidence"]), up(b["accuracy"]), up(low), up(high), count(b["count"])),
                text_x=across((b["low"] + b["high"]) / 2),
                text_y=top - 6 - 11 * (crowded and n % 2),
                view=views[n] if views else "",
                reach=Reach(across(b["confidence"]) - 14, top - 24, 28.0, bottom - top + 24),
                words=_of_bin(b),
            )
            for n, (b, (low, high)) in enumerate(zip(bins, intervals, strict=True))
        ),
    )


def _of_bin(bin_: Mapping[str, Any]) -> str:
    return f"{plural(bin_['count'], 'image')} with a confidence from {bin_['low']:.3f} to {bin_['high']:.3f}"


def ranked(falling: Array, marked: int, label_rank: int | None) -> Plot:
    """Probabilities (C,) from the largest down over their rank, both logarithmic, from 1 to `LEAST`.

    The first `marked` have dots, and so has the label's; a dashed line is an even guess, 1/C. One
    frame for every image of a model, so that plots can be compared.
    """
    count = len(falling)
    # the last power of ten before the end leaves it room
    across = (*(10**n for n in range(len(str(count - 1))) if 10**n <= count / 4 or n == 0), count)
    up = (1.0, 1e-2, 1e-4, LEAST)
    left, right = LEFT + 4, RIGHT - 6  # "1e−6" and "1,000" are long

    def place(rank: float, p: float) -> tuple[float, float]:
        x = left + (right - left) * math.log(rank) / math.log(count)
        y = TOP + (BOTTOM - TOP) * math.log(max(p, LEAST)) / math.log(LEAST)
        return round(x, 1), round(y, 1)

    def point(rank: int, text: str = "") -> Point:
        x, y = place(rank, falling[rank - 1])
        return Point(x, y, y, y, text, text_x=min(x + 16, right - 10), text_y=max(y - 4, TOP + 4))

    # more than one rank a unit of width draws nothing new
    shown = sorted({round(count ** (n / (right - left))) for n in range(int(right - left) + 1)})
    curve = " ".join("{},{}".format(*place(rank, falling[rank - 1])) for rank in shown)
    even = place(1, 1 / count)[1]
    crowded = len(across) > 2 and count < 3 * across[-2]
    return Plot(
        *(WIDTH, HEIGHT, left, TOP, right, BOTTOM),
        lines=(
            Line("probability", 0, curve),
            Line(f"an even guess, {label(1 / count)}", 1, f"{left},{even} {right},{even}"),
        ),
        x_ticks=tuple(
            Tick(place(rank, 1)[0], f"{rank:,}")
            for rank in (across[:-2] + across[-1:] if crowded else across)
        ),
        y_ticks=tuple(Tick(place(1, p)[1], power(p)) for p in up),
        x_label="rank of the class",
        y_label="probability",
        points=(
            *(point(rank) for rank in range(1, marked + 1) if rank != label_rank),
            *([point(label_rank, "label")] if label_rank else ()),
        ),
    )


def power(value: float) -> str:
    """A power of ten as a tick has it: 1, 0.01, 1e−4."""
    return f"{value:.0e}".replace("e-0", "e−") if value < 1e-3 else f"{value:g}"


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Two to five round places, 1, 2 or 5 times a power of ten apart, that reach over the range."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(round_ for round_ in (1, 2, 5, 10) if round_ * power >= rough * (1 - 1e-9))
    # single precision is a little more or less than what it stands for
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))


def inner_ticks(low: float, high: float, turned: bool = False) -> tuple[float, ...]:
    """At most five round places inside of a range, an angle's by quarter turns where it is wide enough."""
    if turned and high - low >= 180:
        step = 90.0 * math.ceil((high - low) / 360)
    else:
        power = 10.0 ** math.floor(math.log10((high - low) / 5))
        step = power * next(n for n in (1, 2, 5, 10, 20) if (high - low) / (n * power) < 5)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return tuple(float(f"{n * step:.12g}") for n in range(first, last + 1))


def label(value: float) -> str:
    """A tick as short as it can be: 0.5, not 0.500."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


@dataclass(frozen=True)
class Tick:
    """A place on an axis of a plot, in the plot's own units, and what is printed there."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line of a plot and the band that belongs to it: points as SVG writes them."""

    label: str
    style: int  # which of the few kinds of stroke: solid, dashed, dotted, dash-dotted
    points: str
    band: str = ""


@dataclass(frozen=True)
class Reach:
    """Where a pointer meets a point that leads to its images."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Point:
    """A measured share in a plot, in its units, with its interval, and how many it was counted on; `view`
    are the images that it counts, in the table, and `words` say which."""

    x: float
    y: float
    low: float
    high: float
    text: str
    text_x: float
    text_y: float
    view: str = ""
    words: str = ""
    reach: Reach | None = None


@dataclass(frozen=True)
class Plot:
    """Lines over two axes, laid out in `width` × `height` units with a frame inside."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    points: tuple[Point, ...] = ()
