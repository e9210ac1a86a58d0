"""The parts of a document: plain values that a template lays out without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reportgen.report.rasters import Raster

Level = Literal["bad", "warn", "note", "ok"]
LEVELS: tuple[Level, ...] = ("bad", "warn", "note", "ok")  # worst first


@dataclass(frozen=True)
class Sign:
    """A word or sentence with its level, which is told by the words and not by colour alone."""

    level: Level
    text: str


@dataclass(frozen=True)
class Fact:
    """A number with its unit, or a word, and what it is."""

    label: str
    value: str
    detail: str = ""
    name: str = ""  # of the scalar that it prints, so that a template can place it


@dataclass(frozen=True)
class Bar:
    """A colour bar: the palette and its ticks, from left to right."""

    palette: str
    ticks: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """A picture with its caption. Where there is nothing to draw, `words` stand instead."""

    id: str
    name: str
    title: str
    caption: str
    alt: str
    picture: Raster | None = None
    words: str = ""
    bar: Bar | None = None
    details: tuple[str, ...] = ()  # layer and grid, target, scale
    facts: tuple[Fact, ...] = ()
    signs: tuple[Sign, ...] = ()


@dataclass(frozen=True)
class Strip:
    """A row or grid of small pictures of one layer, drawn as one picture of `columns` tiles."""

    id: str
    title: str
    quantity: str
    caption: str
    alt: str
    picture: Raster
    columns: int
    bar: Bar | None = None


@dataclass(frozen=True)
class Column:
    """A table column's head, and whether its cells are numbers."""

    head: str
    numeric: bool


@dataclass(frozen=True)
class TableView:
    """A table of printed cells."""

    id: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Block:
    """What one visualization found, for one image and target or for the model."""

    id: str
    method: str
    title: str
    summary: str
    figures: tuple[Figure, ...] = ()
    strips: tuple[Strip, ...] = ()
    facts: tuple[Fact, ...] = ()
    signs: tuple[Sign, ...] = ()
    remarks: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()

    def fact(self, name: str) -> Fact:
        """The number of that name. Raises KeyError where there is none."""
        return {held.name: held for held in self.facts}[name]

    @property
    def pictured(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.figures or self.strips or self.tables)


@dataclass(frozen=True)
class Group:
    """Blocks of one image that explain the same logit; untitled where there is only one."""

    title: str
    note: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Answer:
    """One of the most probable classes of an image."""

    class_name: str
    probability: str
    logit: str
    percent: int
    is_label: bool


@dataclass(frozen=True)
class Card:
    """All that is shown of one image."""

    id: str
    number: str
    path: str
    answer: str
    signs: tuple[Sign, ...]
    states: tuple[str, ...]
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    answers: tuple[Answer, ...]
    figures: tuple[Figure, ...]
    groups: tuple[Group, ...]
    side: tuple[Block, ...]
    before: str = ""  # anchors of the neighbouring cards
    after: str = ""


@dataclass(frozen=True)
class ImageRow:
    """An image's line in the summary table."""

    number: str
    href: str  # "" where the image has no card
    path: str
    label: str
    answer: str
    probability: str
    percent: int
    mark: Sign
    signs: tuple[str, ...]
    states: tuple[str, ...]
    picture: Raster | None


@dataclass(frozen=True)
class FindingLine:
    """A sentence with a number and the place of its evidence."""

    level: Level
    tag: str
    text: str
    href: str
    link: str


@dataclass(frozen=True)
class ClassRow:
    """Accuracy of one class with its 95 % interval, percents as whole numbers for the bar."""

    name: str
    count: str
    correct: str
    accuracy: str
    interval: str
    low: float
    high: float
    middle: float


@dataclass(frozen=True)
class Method:
    """How to read one visualization."""

    id: str
    name: str
    title: str
    summary: str
    definition: str
    reading: str
    limits: str
    source: str
    options: str
    absent: str  # why it was left out, or ""


@dataclass(frozen=True)
class Sheet:
    """A titled list of facts: provenance."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Document:
    """The report without its cards, which are made one at a time (see `cards`)."""

    title: str
    created: str
    checkpoint: str
    sha256: str
    byline: tuple[str, ...]
    verdict: Sign
    verdict_details: tuple[str, ...]
    facts: tuple[Fact, ...]
    findings: tuple[FindingLine, ...]
    images_note: str
    images_more: str
    print_rows: tuple[ImageRow, ...]  # those with a card, and those that need a look
    print_more: str
    rows: tuple[ImageRow, ...]
    states: tuple[tuple[str, int], ...]  # what the page can be narrowed to, and how many
    accuracy: tuple[Fact, ...]
    classes: tuple[ClassRow, ...]
    classes_note: str
    sections: tuple[Block, ...]
    methods: tuple[Method, ...]
    rejected: tuple[tuple[str, str, str], ...]  # number, path, reason
    cards_note: str
    card_count: int
    provenance: tuple[Sheet, ...]
    plan: tuple[str, ...]
    recipe: str
