"""The parts of a card or section: plain values that a template lays out without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reportgen.report.graph.shapes import Drawing
from reportgen.report.pictures.class_map import Key
from reportgen.report.pictures.plots import Line, Plot
from reportgen.report.pictures.rasters import Raster
from reportgen.report.pictures.scales import Bar

Level = Literal["bad", "warn", "note", "ok"]
FOLDED_ABOVE = 2
UPRIGHT_COLUMNS = 9
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
    view: str = ""  # what narrows the table of images to those that it counts


@dataclass(frozen=True)
class Figure:
    """A picture or plot with its caption. Where there is nothing to draw, `words` stand instead."""

    id: str
    name: str
    title: str
    caption: str
    alt: str
    picture: Raster | None = None
    plot: Plot | None = None
    keys: tuple[Key, ...] = ()
    words: str = ""
    bar: Bar | None = None
    details: tuple[str, ...] = ()  # layer and grid, target, scale
    facts: tuple[Fact, ...] = ()
    signs: tuple[Sign, ...] = ()
    layer: str = ""
    target: str = ""  # the class that it explains, or ""
    where: str = ""  # of a map: where its highest value is, in words; "" where none is above 0
    again: str = ""  # the id of the figure that this one shows once more, over the whole file
    crop: tuple[int, int, int, int] | None = None  # of a whole file: what the model saw, in its pixels
    input_px: tuple[int, int] | None = None  # of what the model saw: (width, height), however it is stored


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
class Answer:
    """One of the most probable classes of an image."""

    class_name: str
    probability: str
    logit: str
    percent: int
    is_label: bool


@dataclass(frozen=True)
class Vector:
    """The probability of every class: `rows` in the model's order, or a plot, or why there is none."""

    id: str
    title: str
    rows: tuple[Answer, ...] = ()
    figure: Figure | None = None
    words: str = ""


@dataclass(frozen=True)
class GridTile:
    """A picture in its place, its label, and all of it in words."""

    picture: Raster
    label: str
    words: str


@dataclass(frozen=True)
class Grid:
    """Pictures on one grid; None where a place is free."""

    id: str
    title: str
    quantity: str
    rows: tuple[tuple[GridTile | None, ...], ...]


@dataclass(frozen=True)
class Block:
    """What one visualization found, for one image and target or for the model."""

    id: str
    method: str
    title: str
    summary: str
    model: str = ""  # whose it is, where two models are side by side
    follows: bool = False  # another part of this visualization has said its facts and remarks
    badge: Sign | None = None  # what the test of the maps said of this visualization
    badge_at: str = ""  # the id where that is said; the visualization's row in the tests without
    figures: tuple[Figure, ...] = ()
    again: tuple[Figure, ...] = ()  # its maps once more, over the whole file
    strips: tuple[Strip, ...] = ()
    grids: tuple[Grid, ...] = ()
    facts: tuple[Fact, ...] = ()
    unprinted: tuple[Fact, ...] = ()  # numbers for a sentence of a template's own, and for nothing else
    signs: tuple[Sign, ...] = ()
    remarks: tuple[str, ...] = ()
    tables: tuple[TableView, ...] = ()
    vector: Vector | None = None
    drawings: tuple[Drawing, ...] = ()

    def fact(self, name: str) -> Fact:
        """The number of that name, printed or not. Raises KeyError where there is none."""
        return {fact.name: fact for fact in (*self.facts, *self.unprinted)}[name]

    @property
    def pictured(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.figures or self.strips or self.grids or self.tables or self.drawings)

    @property
    def wide(self) -> bool:
        """Whether a table has more columns than an upright page has room for."""
        return any(len(table.columns) > UPRIGHT_COLUMNS for table in self.tables)


@dataclass(frozen=True)
class Group:
    """What stands under one heading of a card; untitled where there is only one heading.

    `blocks` are of visualizations that are there once. `rows` hold those that are there once a
    target: why this class, why not that one, side by side.
    """

    title: str
    blocks: tuple[Block, ...]
    rows: tuple[tuple[Block, ...], ...] = ()
    failed: bool = False  # maps that are not to be relied on: folded

    @property
    def pictured(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.rows) or any(block.pictured for block in self.blocks)

    @property
    def folds(self) -> bool:
        """Whether the maps over the whole file are too many to stand among the others."""
        return len(self.again) > FOLDED_ABOVE

    @property
    def _all(self) -> tuple[Block, ...]:
        return (*self.blocks, *(block for row in self.rows for block in row))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What stands here, without the maps that are shown once more."""
        return tuple(figure for block in self._all for figure in block.figures)

    @property
    def again(self) -> tuple[tuple[Block, Figure], ...]:
        """Maps of this group that are shown once more, over the whole file."""
        return tuple((block, figure) for block in self._all for figure in block.again)


@dataclass(frozen=True)
class Explained:
    """A target: the class whose logit the maps explain, and why it was chosen."""

    class_name: str
    note: str


@dataclass(frozen=True)
class Trial:
    """What putting the maps of one image to the test gave: one plot a map."""

    summary: str
    lead: str
    figures: tuple[Figure, ...]
    lines: tuple[Line, ...]  # what the lines of every plot are, without points


@dataclass(frozen=True)
class Rival:
    """What the model beside answered for an image."""

    main: str  # what the models are called
    name: str
    answers: tuple[Answer, ...]
    facts: tuple[Fact, ...]  # of the answers
    vector: Vector | None = None


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
    explained: tuple[Explained, ...]
    groups: tuple[Group, ...]
    side: tuple[Block, ...]
    trial: Trial | None = None
    rival: Rival | None = None
    words: tuple[str, ...] = ()  # the answer, where it looked and what would change it, in sentences
    sha256: str = ""  # of the file
    before: str = ""  # anchors of the neighbouring cards
    after: str = ""

    @property
    def long(self) -> bool:
        """Whether it has so much to show that it takes a page of its own."""
        return len(self.groups) > 1
