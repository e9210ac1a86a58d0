"""The document as it is printed: which images have a page, what is left for report.html, and links that lead
to a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from reportgen.evidence import Evidence
from reportgen.report.cards.cards import cards
from reportgen.report.cards.sheet import sheet
from reportgen.report.pictures import figures
from reportgen.report.values.checks import CheckRow, ChecksSection
from reportgen.report.values.comparison import Change
from reportgen.report.values.document import Document, FindingLine, ImageRow, Mistake
from reportgen.report.values.sheet import Cases, CaseSheet, Contact
from reportgen.report.wording import plural

Form = Literal["sheet", "full", "none"]
# states of images that have a sheet, the first first; the others are right and sure. Where an image has no
# label, nobody knows whether its answer is right
LOOKED_AT = ("wrong", "refer", "unlabelled")
SHEETS_AT_MOST = 20  # a report that is signed is read to its end
CONTACTS = 24  # pictures of a contact sheet
CONTACT_PX = 224
CONTACT_PAGES = 4
ROWS_AT_MOST = 12  # of a check's table that is printed
FIGURES_AT_MOST = 6  # of a check
ELSEWHERE = "the others are in report.html and, in numbers, in the attached results.json"


@dataclass(frozen=True)
class Printed:
    """The document with its links mended, how images are printed, and what was left out."""

    document: Document
    form: Form
    sheets: tuple[str, ...]  # ids of the images that have one
    contacts: tuple[str, ...]
    cut: str  # a sentence, or "" where nothing was cut


def printed(document: Document, asked: bool | Mapping[str, Any]) -> Printed:
    """The document for print. `asked` is the recipe's `output.pdf`: true, or how cards are printed: `sheet`,
    `full`, `none`, or how many sheets at most."""
    cards = asked.get("cards") if isinstance(asked, Mapping) else None
    if cards == "full":
        return Printed(document, "full", (), (), "")
    limit = cards if isinstance(cards, int) else SHEETS_AT_MOST
    form: Form = "none" if cards in ("none", 0) else "sheet"
    shown = [row for row in document.rows if row.href] if form == "sheet" else []
    changed = {*document.changes, *(document.side.signs if document.side else ())}
    looked_at = (row for row in shown if _looked_at(row))
    urgent = sorted(looked_at, key=lambda row: (row.number not in changed, _place(row)))
    sheets = tuple(row.number for row in urgent[:limit])
    rest = [row.number for row in shown if row.number not in sheets]
    contacts = tuple(rest[: CONTACTS * CONTACT_PAGES])
    cut = _cut(len(urgent) - len(sheets), len(rest) - len(contacts), form, document.card_count)
    anchors = {f"#i{number}" for number in (*sheets, *contacts)}
    return Printed(_brief(_linked(document, anchors)), form, sheets, contacts, cut)


def _looked_at(row: ImageRow) -> bool:
    return any(state in row.states for state in LOOKED_AT)


def _place(row: ImageRow) -> int:
    """Wrong answers before unsure ones, and those before what has no label."""
    return min(LOOKED_AT.index(state) for state in row.states if state in LOOKED_AT)


def _cut(sheets: int, contacts: int, form: Form, cards_: int) -> str:
    """What of the images that have a card is not printed."""
    if form == "none":
        return f"None of {plural(cards_, 'card')} is printed, as the recipe asks (output.pdf.cards)."
    parts = []
    if sheets:
        has = plural(sheets, "more image that needs a look has", "more images that need a look have")
        parts.append(f"{has} no page here")
    if contacts:
        parts.append(f"{plural(contacts, 'more picture is', 'more pictures are')} not printed")
    return f"{', and '.join(parts)}: {ELSEWHERE}." if parts else ""


def cases(evidence: Evidence, document: Document, selection: Printed) -> Cases | None:
    """The sheets and contact sheets; None where nothing of single images is printed."""
    if selection.form != "sheet" or not (selection.sheets or selection.contacts):
        return None
    sheets = tuple(_sheets(evidence, document, selection.sheets))
    contacts = tuple(_contacts(evidence, document, selection.contacts))
    pages = tuple(contacts[at : at + CONTACTS] for at in range(0, len(contacts), CONTACTS))
    urgent = plural(len(sheets), "image that needs a look", "images that need a look")
    parts = [
        f"{urgent}, a page each" if sheets else "",
        f"{plural(len(contacts), 'other image')} as small pictures" if contacts else "",
    ]
    return Cases(f"{'; '.join(filter(None, parts))}.", sheets, pages)


def _sheets(evidence: Evidence, document: Document, ids: Sequence[str]) -> Iterator[CaseSheet]:
    records = {record["id"]: record for record in evidence.records()}
    side, changes = document.side, document.changes
    every = cards(evidence, document.trust, side=side, only=ids, changes=changes)
    made = {card.number: card for card in every}
    for at, number in enumerate(ids, start=1):
        yield sheet(made[number], records[number], document.trust, f"{at} of {len(ids)}")


def _contacts(evidence: Evidence, document: Document, ids: Collection[str]) -> Iterator[Contact]:
    rows = {row.number: row for row in document.rows}
    for record in evidence.records():
        seen = evidence.array(record, "seen") if record["id"] in ids else None
        if seen is not None:
            row = rows[record["id"]]
            picture = figures.fit(figures.photo(seen), CONTACT_PX)
            answer = f"{row.answer} {row.probability}"
            id_ = f"i{row.number}"
            yield Contact(id_, row.number, row.path, answer, row.mark, picture)


def _brief(document: Document) -> Document:
    """Without what report.html has room for: how the maps agree, long tables, and tables of single images
    that the sheets show."""
    trust = document.trust and replace(document.trust, agreement=(), images=())
    return replace(document, trust=trust, checks=document.checks and _few(document.checks))


def _few(checks: ChecksSection) -> ChecksSection:
    """With the figures of what was found alone, and without long tables."""

    def shown(row: CheckRow) -> CheckRow:
        if row.block is None or row.sign.level not in ("bad", "warn"):
            return replace(row, block=None)
        tables = tuple(table for table in row.block.tables if len(table.rows) <= ROWS_AT_MOST)
        block = replace(row.block, tables=tables, figures=row.block.figures[:FIGURES_AT_MOST])
        return replace(row, block=block if block.pictured else None)

    groups = (replace(group, rows=tuple(map(shown, group.rows))) for group in checks.groups)
    return replace(checks, groups=tuple(groups))


def _linked(document: Document, anchors: Collection[str]) -> Document:
    """The document without links to cards that are not printed."""

    listed = {f"#row-{row.number}" for row in document.print_rows}

    def is_there(href: str) -> bool:
        if href.startswith("#row-"):
            return href in listed
        about_a_card = href.startswith("#i") and href[2:3].isdigit()
        return not about_a_card or href in anchors

    def mended(line: FindingLine | ImageRow | Mistake) -> Any:
        return line if is_there(line.href) else replace(line, href="")

    def shown_by(row: CheckRow) -> CheckRow:
        return replace(row, images=tuple((id_, href if is_there(href) else "") for id_, href in row.images))

    def of_checks(checks: ChecksSection | None) -> ChecksSection | None:
        if checks is None:
            return None
        groups = (replace(group, rows=tuple(map(shown_by, group.rows))) for group in checks.groups)
        return replace(checks, groups=tuple(groups))

    def leading(change: Change | None) -> Change | None:
        if change is None:
            return None
        rows = (row if is_there(row.print_href) else replace(row, print_href="") for row in change.changed)
        return replace(change, changed=tuple(rows))

    side = document.side
    if side is not None:
        side = replace(side, change=leading(side.change) or side.change)
    return replace(
        document,
        findings=_each(document.findings, mended),
        rows=_each(document.rows, mended),
        print_rows=_each(document.print_rows, mended),
        mistakes=_each(document.mistakes, mended),
        checks=of_checks(document.checks),
        side=side,
        change=leading(document.change),
    )


def _each(values: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(change(value) for value in values)
