"""The map of the set: plain values that a template lays out."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.report.pictures.rasters import Raster
from reportgen.report.values.card import Level

FULL_WIDTH = 14  # columns


@dataclass(frozen=True)
class Spot:
    """One image in its place."""

    href: str
    number: str
    words: str  # its file, answer and label, and what checks show it for
    level: Level  # of its verdict
    marked: bool  # whether a check shows it
    picture: Raster


@dataclass(frozen=True)
class SetMap:
    """All images with figures on a grid; None where a place is free."""

    id: str
    title: str
    lead: str
    rows: tuple[tuple[Spot | None, ...], ...]
    marks: str  # which checks mark images, in words; "" where none does

    @property
    def narrow(self) -> bool:
        """Whether it is small enough not to fill a printed page's width."""
        return len(self.rows[0]) < FULL_WIDTH
