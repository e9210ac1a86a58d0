"""The document -> summary.md: what a CI job's page or a comment on a change shows, in Markdown."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reportgen.evidence import write_whole
from reportgen.formats import Report
from reportgen.ownership import claim
from reportgen.report.values.card import Sign
from reportgen.report.values.comparison import ChangeLine
from reportgen.report.values.document import Document, FindingLine
from reportgen.shown import visible

NAME = "summary.md"
# characters that Markdown reads as more than themselves, and "@", which would call somebody
SPECIAL = re.compile(r"([\\`*_{}\[\]#|~@])")
MARKS = {"ok": "✓", "warn": "!", "bad": "✗", "note": "·"}
LINES_AT_MOST = 8
STATUS_LETTERS = 140  # what a commit's status has room for


def write(report: Report, folder: Path) -> None:
    """Writes summary.md."""
    claim(folder, [NAME])
    write_whole(folder / NAME, visible(text(report.document)).encode())


def text(document: Document) -> str:
    """The summary, for any page that shows Markdown: names of files and classes stay what they are."""
    return "\n".join(_blocks(document)) + "\n"


def status(document: Document) -> str:
    """One line of at most 140 characters: are the requirements met, and what changed."""
    summary = document.summary
    parts = [summary.met.text, *summary.counts[:1]]
    if document.change:
        parts += [document.change.headline.text, *document.change.counts[:1]]
    elif document.side:
        parts.append(document.side.change.headline.text)
    line = "; ".join(parts)
    line = visible(" ".join(line.split()))
    return line if len(line) <= STATUS_LETTERS else f"{line[: STATUS_LETTERS - 1]}…"


def _blocks(document: Document) -> Iterator[str]:
    summary = document.summary
    yield f"## {_signed(summary.met)}: {plain(document.title)}\n"
    yield f"{plain(summary.evidence.text)}{_after(summary.why)}  "
    for change in (document.side.change if document.side else None, document.change):
        if change:
            yield f"{_signed(change.headline)}{_after(change.counts)}  "
    yield from _requirements(document)
    found = [line for line in document.found if line.level in ("bad", "warn")]
    yield from _lines("What was found", found)
    for change in (document.side.change if document.side else None, document.change):
        if change:
            yield from _lines(change.title, change.lines)
    if document.history and document.history.lines:
        yield from _lines("Earlier audits", document.history.lines)
    yield "\n" + "  \n".join(
        f"{plain(fact.label)} `{fact.value}` {plain(fact.detail)}" for fact in summary.identity
    )


def _requirements(document: Document) -> Iterator[str]:
    rows = (*document.summary.required, *document.summary.measured)
    if not rows:
        return
    yield "\n| | requirement | required | found | 95 % interval | images | |\n|---|---|---|---|---|---|---|"
    for row in rows:
        cells = (row.name, row.required, row.found, row.interval, row.n, f"{row.result.text} {row.words}")
        yield f"| {MARKS[row.result.level]} | {' | '.join(map(plain, cells))} |"


def _lines(title: str, lines: Sequence[FindingLine | ChangeLine]) -> Iterator[str]:
    if not lines:
        return
    yield f"\n### {plain(title)}\n"
    for line in lines[:LINES_AT_MOST]:
        remedy = f" {line.remedy}" if line.remedy else ""
        yield f"- {MARKS[line.level]} **{plain(line.tag)}** {plain(line.text + remedy)}"
    if len(lines) > LINES_AT_MOST:
        yield f"- {len(lines) - LINES_AT_MOST} more in report.html"


def _signed(sign: Sign) -> str:
    return f"{MARKS[sign.level]} {plain(sign.text)}"


def _after(parts: Iterable[str]) -> str:
    words = "; ".join(map(plain, parts))
    return f": {words}" if words else ""


def plain(words: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    text = html.escape(visible(" ".join(words.split())), quote=False)
    return SPECIAL.sub(r"\\\1", text).replace(r"\@", "&#64;")
