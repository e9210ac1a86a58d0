"""The receptive field of a layer's values, read off its output's track. Araujo, Norris & Sim 2019 (Distill).

Where a field is wrong, the rule of an operation before it is: `rules` has them by name, `windows` works
out convolutions and pools, `following` products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from reportgen.engine.network.layout import TOKENS, Layout
from reportgen.engine.network.track import FAR, NOWHERE, Track, gap

Sides: TypeAlias = tuple[int, int]  # (vertical, horizontal)


@dataclass(frozen=True)
class Field:
    """The rectangle of input pixels that one value can see, and the step between values, in pixels.

    Sizes are theoretical: they may exceed `extent`, the input's (height, width). Where values do not
    see alike, it is that of the middle one.
    """

    size: Sides
    stride: Sides
    extent: Sides
    start: Sides = (0, 0)  # where the first value's rectangle begins; below zero in the padding
    # where they are not even steps (attention, windows): each row's (top, bottom), each column's
    rows: tuple[Sides, ...] = ()
    columns: tuple[Sides, ...] = ()

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """The (top, left, bottom, right) that the value at a place of the grid sees, in input pixels.

        It may reach beyond the input. Where the field sees everything, so does the box.
        """
        if self.rows:
            (top, bottom), (left, right) = self.rows[row], self.columns[column]
            return (top, left, bottom, right)
        top, left = (s + j * at for s, j, at in zip(self.start, self.stride, (row, column), strict=True))
        return (top, left, top + self.size[0], left + self.size[1])


def field_of(track: Track | None, layout: Layout, shape: tuple[int, ...], extent: Sides) -> Field | None:
    """The field of a layer's output of `shape`; None where no pixel reaches it."""
    if track is None or float(track.top.min()) >= FAR:
        return None
    sides = [
        _sides(track, layout, shape, names, axis)
        for axis, names in enumerate((("y", "top", "bottom"), ("x", "left", "right")))
    ]
    found = [_even(side, step, pixels) for (side, step), pixels in zip(sides, extent, strict=True)]
    size, stride, start = zip(*((f[0], f[1], f[2]) for f in found), strict=True)
    uneven = any(f[3] for f in found) and layout.kind != "none"
    tables = [tuple((int(a), int(b)) for a, b in side.tolist()) for side, _ in sides]
    return Field(size, stride, extent, start, *(tables if uneven else ()))


def _sides(
    track: Track, layout: Layout, shape: tuple[int, ...], names: tuple[str, str, str], axis: int
) -> tuple[Tensor, float]:
    """Where each row (axis 0) or column of the grid begins and ends, (n, 2), and their step."""
    place, low, high = (getattr(track, name) for name in names)
    step = gap(place) or track.step[axis] if bool((place != NOWHERE).any()) else 0.0
    if layout.kind == "none":
        return torch.stack((low.amin(), high.amax()))[None], step
    ends = []
    for plane in (low, -high):
        grid = layout.maps(plane.expand(1, *shape[1:]) if layout.kind in TOKENS else plane)
        ends.append(grid.amin([a for a in range(4) if a != axis + 2]).expand(layout.grid[axis]))
    return torch.stack((ends[0], -ends[1]), 1), step


def _even(side: Tensor, step: float, pixels: int) -> tuple[int, int, int, bool]:
    """Size, stride and start of rows or columns, by the middle one, and whether the others differ."""
    low, high = side.unbind(1)
    same = len(side) == 1 or not bool(low.diff().any() or high.diff().any())
    if same and float(low[0]) <= 0 and float(high[0]) >= pixels and (len(side) > 1 or not step):
        side[:, 0], side[:, 1] = 0, pixels  # all of it, whatever is beyond
    middle = len(side) // 2
    size, stride = side[middle, 1] - side[middle, 0], step or pixels
    start = float(side[middle, 0]) - middle * stride
    even = start + torch.arange(len(side), device="cpu") * stride
    uneven = bool(((low - even).abs() > 1).any() or ((high - low - size).abs() > 1).any())
    return round(float(size)), max(1, round(stride)), round(start), uneven
