"""Maps in whole levels between numbers that stay exact: a few bits a place instead of 32.

The ends of a map, its zero and the order statistics from which its percentile is taken are knots. Between
two knots that follow one another the levels lie evenly; a value becomes the nearest one. Rounding is
monotone and leaves knots where they are, so that no value crosses one: lowest, highest and percentile of
what is read back are, bit by bit, those of what was measured.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.findings import Array
from reportgen.findings.printed import MANY, PERCENTILE

BEYOND = 4  # what a palette clips gets a quarter as many levels as what it draws, at most, at either end
HEAD = struct.Struct("<B")


@dataclass(frozen=True)
class Steps:
    """How finely the maps of a finding are kept.

    `count` is how many steps there are from the lowest to the highest value that a palette draws. The last
    `axes` axes are a map's, all of an image's where it is None. `percentile` says of what it is taken: of the
    `values`, of their `sizes`, or `none`.
    """

    count: int
    axes: int | None = None
    percentile: str = "none"

    def groups(self, row: Array) -> Array:
        """One image's values as maps, (G, places)."""
        axes = row.ndim if self.axes is None else min(self.axes, row.ndim)
        return row.reshape(-1, int(np.prod(row.shape[row.ndim - axes :], dtype=np.int64)))


def applies(groups: Array) -> bool:
    """Whether maps (G, places) are such as levels are for: float32, finite, and of many places."""
    return bool(groups.dtype == np.float32 and groups.shape[1] > MANY and np.isfinite(groups).all())


def coded(groups: Array, steps: Steps) -> tuple[bytes, Array]:
    """Maps (G, places) as their knots, in bytes, and levels, uint16 of the same shape."""
    heads, codes = [], np.empty(groups.shape, np.uint16)
    for number, values in enumerate(groups):
        knots, reach = _knots(values, steps.percentile)
        counts = _counts(knots, reach, steps.percentile == "sizes", steps.count)
        heads.append(_head(knots, counts))
        codes[number] = _levels(values, knots, counts)
    return b"".join(heads), codes


def decoded(data: bytes, groups: int) -> tuple[list[Array], int]:
    """The values of every map's levels, float32, and how many bytes of `data` told them."""
    heads, read = _heads(data, groups)
    return [_table(knots.astype(np.float64), counts) for knots, counts in heads], read


def ends(data: bytes, groups: int) -> Array:
    """The numbers of all maps that are exact, float32 (n,): the lowest and the highest are among them."""
    return np.concatenate([knots for knots, _ in _heads(data, groups)[0]])


def _heads(data: bytes, groups: int) -> tuple[list[tuple[Array, Array]], int]:
    """Every map's knots, and the steps between them; and how many bytes of `data` told them."""
    heads, at = [], 0
    for _ in range(groups):
        (size,) = HEAD.unpack_from(data, at)
        at += HEAD.size
        knots = np.frombuffer(data, "<f4", size, at)
        at += knots.nbytes
        counts = np.frombuffer(data, "<u2", size - 1, at)
        at += counts.nbytes
        heads.append((knots, counts))
    return heads, at


def _knots(values: Array, percentile: str) -> tuple[Array, Sequence[float]]:
    """The numbers of a map that stay exact, float32 in order, and how far above its lowest value, or above
    and below zero, a palette reaches: the two order statistics between which it ends."""
    low, high = values.min(), values.max()
    if percentile == "none":
        reach: Sequence[np.float32] = (high, high)
    else:
        reach = _order_statistics(np.abs(values) if percentile == "sizes" else values)
    signs = (-1, 1) if percentile == "sizes" else (1,)
    exact = [low, high, np.float32(0), *(np.float32(sign) * value for sign in signs for value in reach)]
    inside = np.unique(np.array([value for value in exact if low <= value <= high], np.float32))
    return inside, [float(value) for value in reach]


def _order_statistics(values: Array) -> Sequence[np.float32]:
    """The two values between which the percentile of a map lies."""
    place = PERCENTILE / 100 * (values.size - 1)
    first, last = int(np.floor(place)), int(np.ceil(place))
    ordered = np.partition(values, (first, last))
    return (ordered[first], ordered[last])


def _counts(knots: Array, reach: Sequence[float], signed: bool, count: int) -> Array:
    """Steps between every two knots, uint16: of equal height in what is surely drawn, and few beyond what
    may be. A palette of a `signed` map begins as far below zero as it ends above it."""
    exact = knots.astype(np.float64)
    heights = np.diff(exact)
    begins = exact[:-1]
    surely, perhaps = (
        np.where((exact[1:] <= end) & (begins >= (-end if signed else exact[0])), heights, 0) for end in reach
    )
    drawn = next((part for part in (surely, perhaps, heights) if part.sum() > 0), heights)
    most = np.where((perhaps > 0) | (drawn > 0), count, max(1, count // BEYOND))
    step = drawn.sum() / count
    return np.asarray(np.clip(np.ceil(heights / step), 1, most), dtype=np.uint16)


def _levels(values: Array, knots: Array, counts: Array) -> Array:
    if len(knots) == 1:
        return np.zeros(values.shape, np.uint16)
    exact = knots.astype(np.float64)
    below = np.clip(np.searchsorted(knots, values, "right") - 1, 0, len(counts) - 1)
    factors = counts / np.diff(exact)
    part = np.rint((values - exact[below]) * factors[below])
    starts = np.concatenate(([0], np.cumsum(counts[:-1], dtype=np.int64)))
    return np.asarray(starts[below] + np.clip(part, 0, counts[below]), dtype=np.uint16)


def _table(knots: Array, counts: Array) -> Array:
    """What every level stands for, float32."""
    parts = [
        low + (high - low) * (np.arange(count) / count)
        for low, high, count in zip(knots[:-1], knots[1:], counts.tolist(), strict=True)
    ]
    return np.concatenate([*parts, knots[-1:]]).astype(np.float32)


def _head(knots: Array, counts: Array) -> bytes:
    return HEAD.pack(len(knots)) + knots.astype("<f4").tobytes() + counts.astype("<u2").tobytes()
