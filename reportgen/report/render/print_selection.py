"""The document as it is printed: the cards that have room, and links that lead to a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reportgen.report.cards.cards import STATES, UNANSWERED
from reportgen.report.values.document import Document, FindingLine, ImageRow, Mistake
from reportgen.report.wording import plural

CARDS = tuple(state for state in STATES if state != UNANSWERED)  # what an image with a card can be
ELSEWHERE = "the others are in report.html and, in numbers, in the attached results.json"


@dataclass(frozen=True)
class Printed:
    """The document with its links mended, the ids of the cards printed, and what was left out."""

    document: Document
    cards: frozenset[str] | None  # None: every card
    cut: str  # a sentence, or "" where nothing was cut


def printed(document: Document, asked: bool | Mapping[str, Any]) -> Printed:
    """The document for print. `asked` is the recipe's `output.pdf`: true, or how many cards at most."""
    limit = asked["cards"] if isinstance(asked, Mapping) else None
    if limit is None or limit >= document.card_count:
        return Printed(document, None, "")
    kept = frozenset(row.number for row in _first([row for row in document.rows if row.href], limit))
    cut = (
        f"{len(kept):,} of {plural(document.card_count, 'card')} are printed, as the recipe asks"
        f" (output.pdf.cards): {', then '.join(CARDS)} images first; {ELSEWHERE}."
    )
    return Printed(_linked(document, {f"#i{number}" for number in kept}), kept, cut)


def _first(rows: Sequence[ImageRow], limit: int) -> list[ImageRow]:
    """The images that most need a look."""

    def place(row: ImageRow) -> int:
        return min((STATES.index(state) for state in row.states if state in STATES), default=len(STATES))

    return sorted(rows, key=place)[:limit]


def _linked(document: Document, anchors: Collection[str]) -> Document:
    """The document without links to cards that are not printed."""

    def is_there(href: str) -> bool:
        about_a_card = href.startswith("#i") and href[2:3].isdigit()
        return not about_a_card or href.partition("-")[0] in anchors

    def mended(line: FindingLine | ImageRow | Mistake) -> Any:
        return line if is_there(line.href) else replace(line, href="")

    trust, side = document.trust, document.side
    if side:
        changed = (row if is_there(row.print_href) else replace(row, print_href="") for row in side.changed)
        side = replace(side, changed=tuple(changed))
    return replace(
        document,
        findings=_each(document.findings, mended),
        rows=_each(document.rows, mended),
        print_rows=_each(document.print_rows, mended),
        mistakes=_each(document.mistakes, mended),
        side=side,
        trust=trust and replace(trust, images=tuple(image for image in trust.images if is_there(image[1]))),
    )


def _each(values: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(change(value) for value in values)
