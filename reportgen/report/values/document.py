"""The document and the rows of its sections: plain values that a template lays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reportgen.report.pictures.rasters import Raster
from reportgen.report.values.card import Block, Fact, Figure, Level, Sign
from reportgen.report.values.checks import ChecksSection
from reportgen.report.values.comparison import Change
from reportgen.report.values.history import HistorySection
from reportgen.report.values.second_model import SideBySide
from reportgen.report.values.set_map import SetMap
from reportgen.report.values.summary import Summary

COVER_FINDINGS = 4
FIRST_FINDINGS = 8  # of the first screen; the others are folded
URGENT = frozenset({"unanswered", "wrong", "refer", "flagged"})  # states of an image that needs a look
MARK = 1.2  # the width of the mark in the middle of a drawn interval


@dataclass(frozen=True)
class ImageRow:
    """An image's line in the summary table."""

    number: str
    href: str  # "" where the image has no card
    path: str
    label: str
    answer: str
    probability: str
    value: float | None  # the probability as it was measured; None where there is no answer
    percent: int
    mark: Sign
    labelled: bool
    signs: tuple[str, ...]
    states: tuple[str, ...]
    picture: Raster | None
    label_probability: float | None = None
    margin: float | None = None  # of the answer's probability over the next class's
    loss: float | None = None
    sha256: str = ""
    checks: tuple[str, ...] = ()  # names of the checks that show this image

    @property
    def printed(self) -> bool:
        """Whether print lists it: it has a picture, or needs a look. That it carries a shortcut is not
        enough, as every picture of a class may."""
        return self.picture is not None or not URGENT.isdisjoint(self.states)


@dataclass(frozen=True)
class FindingLine:
    """A sentence with a number and the place of its evidence, what to do about it, and a picture of it.

    What concerns the one who ran the audit, and what is as it should be, stands apart from what was found.
    """

    level: Level
    tag: str
    text: str
    href: str
    link: str
    remedy: str = ""
    kind: Literal["finding", "operator", "passed"] = "finding"
    image: str = ""  # the id of the image that shows it best
    view: str = ""  # what narrows the table of images to those that it counts
    picture: Raster | None = None


@dataclass(frozen=True)
class ClassRow:
    """Accuracy of one class with its 95 % interval, percents as whole numbers for the bar; its precision and
    F1."""

    name: str
    count: str
    correct: str
    accuracy: str
    interval: str
    low: float
    high: float
    middle: float
    precision: str
    f1: str
    view: str  # its images in the table
    right_view: str  # those that are right

    @property
    def width(self) -> float:
        """Of the drawn interval."""
        return round(self.high - self.low, 1)

    @property
    def mark(self) -> float:
        """Where the mark of the middle begins."""
        return round(self.middle - MARK / 2, 1)


@dataclass(frozen=True)
class HeadTable:
    """The numbers of each label or value, as words; the first of each row is its name."""

    title: str
    note: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ConfusionCell:
    """A count, its tint as a share of the label's images in tenths, and whether right answers are in it."""

    text: str
    tint: str
    right: bool
    view: str = ""  # its images in the table; "" of none


@dataclass(frozen=True)
class ConfusionRow:
    """What was answered for the images of one label; `head` is its number where names are long."""

    head: str
    name: str
    cells: tuple[ConfusionCell, ...]
    total: str
    view: str


@dataclass(frozen=True)
class Confused:
    """A wrong answer that was given again and again."""

    label: str
    answer: str
    count: str
    images: str  # of the label
    share: str
    view: str


@dataclass(frozen=True)
class Confusions:
    """A matrix with the heads of its columns and their names, or the most frequent confusions."""

    heads: tuple[tuple[str, str], ...] = ()
    rows: tuple[ConfusionRow, ...] = ()
    pairs: tuple[Confused, ...] = ()


@dataclass(frozen=True)
class BinRow:
    """The labelled answers of one bin of confidence."""

    range: str
    count: str
    confidence: str
    accuracy: str
    interval: str
    gap: str
    view: str


@dataclass(frozen=True)
class Calibration:
    """Whether confidence keeps its word."""

    ece: str
    few: str  # words where there are too few images to judge, or ""
    text: str
    figure: Figure
    bins: tuple[BinRow, ...]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, and how sure it was."""

    number: str
    href: str
    path: str
    answer: str
    probability: str
    label: str
    label_probability: str
    picture: Raster | None


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
class MethodGroup:
    """Visualizations of one kind; untitled where their kinds are not known."""

    title: str
    methods: tuple[Method, ...]


@dataclass(frozen=True)
class TrustCell:
    """The answer of one question to one kind of map: yes, no, open or not asked; the number that it rests on,
    "" where there is none; and the sentence."""

    sign: Sign
    value: str
    sentence: str


@dataclass(frozen=True)
class TrustRow:
    """What the questions to one visualization's maps gave, over the sampled images."""

    id: str
    method: str
    title: str
    word: Sign
    verdict: str
    cells: tuple[TrustCell, ...]
    gain: float | None  # as a share of what occlusion's own order gains: by which maps that pass are sorted


@dataclass(frozen=True)
class AgreementCell:
    """A rank correlation, and its tint in tenths."""

    text: str
    tint: str


@dataclass(frozen=True)
class TrustSection:
    """Which maps can be relied on: the questions put to them, over the sampled images."""

    lead: str
    limits: str
    heads: tuple[tuple[str, str], ...]  # of the cells' columns: a word or two, and the question
    unasked: tuple[str, ...]  # sentences on the questions that were put to no map
    rows: tuple[TrustRow, ...]
    agreeing: str  # how far the maps that pass agree, "" where fewer than two do
    names: tuple[str, ...]  # of the agreement's rows and columns
    agreement: tuple[tuple[AgreementCell, ...], ...]
    images: tuple[tuple[str, str], ...]  # ids that have a panel on their card, and the links

    @property
    def columns(self) -> int:
        """Of the table: the map, its word, and a column a question."""
        return 2 + len(self.heads)


@dataclass(frozen=True)
class Sheet:
    """A titled list of facts: provenance."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class CrosswalkRow:
    """A clause, what it asks for, what bears on it (words and anchors), and what of it is not there."""

    clause: str
    asks: str
    sign: Sign
    links: tuple[tuple[str, str], ...]
    missing: str


@dataclass(frozen=True)
class Crosswalk:
    """A published text's clauses, and where this report bears on them."""

    title: str
    source: str
    lead: str
    rows: tuple[CrosswalkRow, ...]


@dataclass(frozen=True)
class Document:
    """The report without its cards, which are made one at a time (see `cards`)."""

    title: str
    created: str
    checkpoint: str
    sha256: str
    byline: tuple[str, ...]
    summary: Summary
    facts: tuple[Fact, ...]
    findings: tuple[FindingLine, ...]
    checks: ChecksSection | None
    images_note: str
    images_more: str
    print_rows: tuple[ImageRow, ...]  # those with a card, and those that need a look
    print_more: str
    rows: tuple[ImageRow, ...]
    states: tuple[tuple[str, int], ...]  # what the page can be narrowed to, and how many
    accuracy: tuple[Fact, ...]
    classes: tuple[ClassRow, ...]
    classes_note: str
    confusion: Confusions | None
    probabilities: bool  # whether answers have any: values have none, and no column of them
    head_table: HeadTable | None  # in place of the classes, where no image is one class
    calibration: Calibration | None
    mistakes: tuple[Mistake, ...]
    sections: tuple[Block, ...]
    trust: TrustSection | None
    side: SideBySide | None
    change: Change | None  # since the baseline
    history: HistorySection | None
    methods: tuple[MethodGroup, ...]
    glossary: tuple[Fact, ...]
    rejected: tuple[tuple[str, str, str], ...]  # number, path, reason
    cards_note: str
    card_count: int
    provenance: tuple[Sheet, ...]
    plan: tuple[str, ...]
    recipe: str
    crosswalk: Crosswalk | None = None
    set_maps: tuple[SetMap, ...] = ()

    @property
    def changes(self) -> Mapping[str, Sign]:
        """How answers changed since the baseline, by image, worst first."""
        return self.change.signs if self.change else {}

    @property
    def first(self) -> tuple[FindingLine, ...]:
        """The findings of the first screen."""
        return self._of("finding")[:FIRST_FINDINGS]

    @property
    def further(self) -> tuple[FindingLine, ...]:
        """All other findings."""
        return self._of("finding")[FIRST_FINDINGS:]

    @property
    def found(self) -> tuple[FindingLine, ...]:
        """All findings but those that stand aside."""
        return self._of("finding")

    @property
    def aside(self) -> tuple[FindingLine, ...]:
        """What concerns the one who ran the audit, and what is as it should be."""
        return (*self._of("operator"), *self._of("passed"))

    def _of(self, kind: str) -> tuple[FindingLine, ...]:
        return tuple(line for line in self.findings if line.kind == kind)

    @property
    def worst(self) -> tuple[FindingLine, ...]:
        """The first findings that are more than notes, for a cover."""
        return tuple(line for line in self._of("finding") if line.level in ("bad", "warn"))[
            : COVER_FINDINGS - (3 if self.change or self.side else 0)
        ]


ADVICE = "do not rely"


def badges(trust: TrustSection | None) -> dict[str, Sign]:
    """The mark beside every figure of a visualization that is not to be relied on."""
    return {row.method: row.word for row in trust.rows if row.word.text == ADVICE} if trust else {}


def answers(trust: TrustSection) -> dict[str, str]:
    """How each visualization's maps answered the questions that they were asked, in words."""
    heads = [head for head, _ in trust.heads]
    return {
        row.method: ", ".join(
            f"{head}: {cell.sign.text}" for head, cell in zip(heads, row.cells, strict=True) if cell.value
        )
        for row in trust.rows
    }
