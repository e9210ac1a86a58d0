"""A case on one printed page, and the contact sheets: plain values that a template lays out."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.report.pictures.rasters import Raster
from reportgen.report.values.card import Answer, Block, Fact, Figure, Sign


@dataclass(frozen=True)
class Shown:
    """A figure with the block that it is of."""

    block: Block
    figure: Figure


@dataclass(frozen=True)
class CaseSheet:
    """One image for the one who signs: what was answered, where it looked, what would change the answer."""

    id: str
    number: str
    place: str  # "2 of 9"
    path: str
    sha256: str
    size: str
    signs: tuple[Sign, ...]
    words: tuple[str, ...]  # sentences, the first of which is the answer
    original: Figure
    seen: Figure | None  # left out where the label's maps stand in its place
    answers: tuple[Answer, ...]
    facts: tuple[Fact, ...]
    maps_title: str
    maps: tuple[Shown, ...]
    changes: tuple[Shown, ...]
    steady: tuple[Fact, ...]  # under which changes the answer stays: "10 of 12"
    foot: str

    @property
    def across(self) -> int:
        """How many pictures stand beside one another where it looked."""
        return len(self.maps) + (self.seen is not None)


@dataclass(frozen=True)
class Contact:
    """A small picture with its answer."""

    id: str
    number: str
    path: str
    answer: str
    mark: Sign
    picture: Raster


@dataclass(frozen=True)
class Cases:
    """The printed images: sheets of those that need a look, and small pictures of the others."""

    lead: str
    sheets: tuple[CaseSheet, ...]
    contacts: tuple[tuple[Contact, ...], ...]  # page by page
