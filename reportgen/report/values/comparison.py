"""What changed from one audit to another: plain values for a template, in a report and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reportgen.report.pictures.rasters import Raster
from reportgen.report.values.card import Fact, Figure, Level, Sign
from reportgen.report.values.summary import Requirement


@dataclass(frozen=True)
class ChangedRow:
    """An image to which the two answer differently."""

    number: str
    href: str
    print_href: str  # "" where print has neither its card nor its row
    path: str
    label: str
    sign: Sign
    main: str
    main_probability: str
    other: str
    other_probability: str
    picture: Raster | None


@dataclass(frozen=True)
class ChangeLine:
    """A sentence on something that changed, and where its numbers are."""

    level: Level
    tag: str
    text: str
    href: str
    link: str
    remedy: str = ""
    picture: None = None  # drawn as a finding is, which may have a picture and a view of the table
    view: str = ""


@dataclass(frozen=True)
class Row:
    """A thing of both audits, in words, and how it changed."""

    name: str
    old: str
    new: str
    change: Sign
    detail: str = ""


@dataclass(frozen=True)
class MapsBeside:
    """One image's maps of one kind: of the old model, of the new one, and the new less the old."""

    title: str  # the kind of map, and for which class
    image: str
    words: str  # how alike they are
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Change:
    """Everything that changed, for a reader. `anchor` begins its ids."""

    anchor: str
    title: str
    old: str  # what the two are called
    new: str
    lead: str
    headline: Sign  # for the first screen
    counts: tuple[str, ...]  # beside it
    tiles: tuple[Fact, ...]
    tiles_above: bool  # whether they stand on the first screen already
    lines: tuple[ChangeLine, ...]  # worst first
    obstacles: tuple[str, ...]
    limits: tuple[Requirement, ...]  # the recipe's, on changes
    crossed: tuple[tuple[str, str, str], ...]  # rows by the old model's answers: head, right, wrong
    changed: tuple[ChangedRow, ...]
    changed_note: str
    changed_count: str
    signs: Mapping[str, Sign]  # by image, worst first: how its answer changed
    maps: tuple[MapsBeside, ...]
    map_rows: tuple[Row, ...]  # by kind of map
    checks: tuple[Row, ...]
    requirements: tuple[Row, ...]
    numbers: tuple[Row, ...]
    tensors: tuple[Row, ...]
    tensors_note: str
    curves: tuple[Figure, ...]
    curves_note: str
    identity: tuple[Fact, ...]  # of both, by hash
