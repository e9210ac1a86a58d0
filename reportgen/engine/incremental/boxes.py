"""Where the patches of a group lie on a map, and where they lie on what a layer makes of it.

All patches of a group share one size, so that they are one batch. Corners round outward, and shift inward
where the shared size would stand over the map's edge: a patch may hold more than what has changed,
never less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Span:
    """Where K patches lie along one side of a map of `side` places: from `start` (K,), of one `length`."""

    start: Ints
    length: int
    side: int

    @classmethod
    def covering(cls, start: Ints, end: Ints, side: int) -> Span:
        """The spans of one length that hold [start, end) each, both (K,), clipped to the map."""
        start, end = start.clip(0, side - 1), end.clip(1, side)
        length = int(np.maximum(end - start, 1).max())
        return cls(np.minimum(start, side - length), length, side)

    def union(self, other: Span) -> Span:
        """What holds both, patch by patch."""
        if self == other:
            return self
        end = np.maximum(self.start + self.length, other.start + other.length)
        return Span.covering(np.minimum(self.start, other.start), end, self.side)

    def padded(self, before: int, after: int) -> Span:
        """The same patches on a map with so many places more on either side."""
        return Span(self.start + before, self.length, self.side + before + after)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Span) or (self.length, self.side) != (other.length, other.side):
            return False
        return np.array_equal(self.start, other.start)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Window:
    """How a convolution or a pool moves along one side: how many places there are from the first to the last
    that it sees at once, (kernel - 1)·dilation + 1, its stride, the padding before the map, and the places of
    its output."""

    reach: int
    stride: int
    padding: int
    out: int

    def seen_from(self, span: Span) -> Span:
        """Where the outputs lie that see a place of the patches.

        An output o sees the places from o·stride - padding on. Where windows leave places out
        (reach < stride), the outputs begin at one whose own places begin no later than the patch.
        """
        first, last = span.start + self.padding, span.start + self.padding + span.length - 1
        start = np.minimum(-((self.reach - 1 - first) // self.stride), first // self.stride)
        return Span.covering(start, last // self.stride + 1, self.out)

    def context(self, outputs: Span) -> Span:
        """Where on the padded map the places lie that these outputs see, with the rest of the last one's
        stride: the patches that they were made from lie within."""
        length = (outputs.length - 1) * self.stride + self.reach + self.stride - 1
        return Span(outputs.start * self.stride, length, self.padded_side)

    @property
    def padded_side(self) -> int:
        """Places of the padded map, so that the context of the last output lies on it."""
        return self.out * self.stride + self.reach - 1


@dataclass(frozen=True)
class Boxes:
    """Where K patches lie on a map: their rows and their columns."""

    rows: Span
    columns: Span

    @classmethod
    def of(cls, boxes: Ints, side_px: Sequence[int]) -> Boxes:
        """Of boxes (K, 4) of top, left, bottom and right on a map of height and width."""
        top, left, bottom, right = boxes.T
        return cls(Span.covering(top, bottom, side_px[0]), Span.covering(left, right, side_px[1]))

    @property
    def count(self) -> int:
        """K."""
        return len(self.rows.start)

    @property
    def places(self) -> int:
        """The places of one patch."""
        return self.rows.length * self.columns.length

    @property
    def share(self) -> float:
        """Of the map's places, what one patch holds."""
        return self.places / (self.rows.side * self.columns.side)

    def union(self, other: Boxes) -> Boxes:
        return Boxes(self.rows.union(other.rows), self.columns.union(other.columns))

    def seen_from(self, windows: tuple[Window, Window]) -> Boxes:
        """The outputs of a layer that see a place of the patches."""
        return Boxes(windows[0].seen_from(self.rows), windows[1].seen_from(self.columns))

    def context(self, windows: tuple[Window, Window]) -> Boxes:
        """The places on the padded map that these outputs see."""
        return Boxes(windows[0].context(self.rows), windows[1].context(self.columns))

    def padded(self, pads: tuple[int, int, int, int]) -> Boxes:
        """The same patches on a map padded by (left, right, top, bottom) places."""
        left, right, top, bottom = pads
        return Boxes(self.rows.padded(top, bottom), self.columns.padded(left, right))
