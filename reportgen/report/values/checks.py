"""The rows of the table of checks: plain values that a template lays out."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.report.values.card import Block, Sign


@dataclass(frozen=True)
class FoldedRow:
    """A check whose verdict follows from another one's, and what it would be without that."""

    id: str
    title: str
    sentence: str
    otherwise: str


@dataclass(frozen=True)
class CheckRow:
    """One question, its answer in a word and in a sentence, and where it is shown."""

    id: str
    name: str
    title: str
    question: str
    sign: Sign
    sentence: str
    size: str  # the effect with its interval and its limit, or ""
    remedy: str
    folded: tuple[FoldedRow, ...]
    images: tuple[tuple[str, str], ...]  # ids, and the links to their cards or rows
    more_images: str  # how many more there are, or ""
    all_images: str  # how many there are in all, in words
    view: str  # all of them in the table of images, or ""
    places: tuple[str, ...]  # layers, channels and settings, in words
    block: Block | None  # its figures


@dataclass(frozen=True)
class CheckGroup:
    """The questions about one thing."""

    title: str
    rows: tuple[CheckRow, ...]


@dataclass(frozen=True)
class ChecksSection:
    """All questions that the audit asked, in groups."""

    lead: str
    groups: tuple[CheckGroup, ...]

    @property
    def shown(self) -> tuple[CheckRow, ...]:
        """The rows that have figures."""
        return tuple(row for group in self.groups for row in group.rows if row.block)
