"""What a notebook shows of a finished audit: the two statements, the requirements, what was found, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reportgen.report.document import checks, requirements
from reportgen.report.values.document import FindingLine
from reportgen.report.values.summary import Requirement

HEADS = ("requirement", "required", "found", "95 % interval", "images", "result")
FILES = ("report.html", "report.pdf", "results.json")
MARKED = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")  # what Markdown reads as its own


@dataclass(frozen=True)
class Shown:
    """The summary of one report: words, and (name, address) of the files that are there."""

    title: str
    met: str
    evidence: str
    rows: tuple[Requirement, ...]
    found: tuple[FindingLine, ...]
    files: tuple[tuple[str, str], ...]


def shown(results: Mapping[str, Any], folder: Path) -> Shown:
    """The summary of results that were written to a folder. Addresses are relative to the working folder,
    which is where a notebook's links begin."""
    evidence, why = requirements.evidence(results)
    here = [name for name in FILES if (folder / name).exists()]
    return Shown(
        title=results["title"],
        met=requirements.met(results["gates"]).text,
        evidence=f"{evidence.text} ({'; '.join(why)})" if why else evidence.text,
        rows=(*requirements.required(results), *requirements.measured(results)),
        found=tuple(checks.lines(results["checks"])),
        files=tuple((name, quote(Path(os.path.relpath(folder / name)).as_posix())) for name in here),
    )


def as_html(results: Mapping[str, Any], folder: Path) -> str:
    """The summary as HTML, every name escaped."""
    from reportgen.report.render import templates

    return templates.render(_no_picture, "notebook.html.j2", shown=shown(results, folder))


def _no_picture(raster: object) -> str:
    raise AssertionError("a notebook's summary holds no picture")


def as_markdown(results: Mapping[str, Any], folder: Path) -> str:
    """The same as Markdown."""
    return "\n".join(_lines(shown(results, folder))) + "\n"


def _lines(told: Shown) -> Iterator[str]:
    yield f"**{plain(told.title)}**\n"
    yield f"{plain(told.met)}. {plain(told.evidence)}.\n"
    if told.rows:
        yield f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|"
    for row in told.rows:
        cells = (
            row.name,
            row.required,
            row.found,
            row.interval,
            row.n,
            f"{row.result.text} {row.words}".strip(),
        )
        yield f"| {' | '.join(map(plain, cells))} |"
    yield ""
    yield from (
        f"- **{plain(line.tag)}:** {plain(line.text)} {plain(line.remedy)}".rstrip() for line in told.found
    )
    yield f"\n{' · '.join(f'[{name}]({address})' for name, address in told.files)}"


def plain(text: str) -> str:
    """Text in which Markdown reads nothing as its own, in one line."""
    return MARKED.sub(r"\\\1", " ".join(text.split()))
