"""The output formats: the files of a report in the order in which they are written, and who writes each.

Another one takes a module in report/render, with a function that writes it; here a function that imports
that late, and its line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from reportgen.audit.results import Results
    from reportgen.errors import RenderError
    from reportgen.evidence import Evidence
    from reportgen.progress import Tell
    from reportgen.report.render.themes import Theme
    from reportgen.report.values.document import Document


@dataclass(frozen=True)
class Report:
    """What every format is written from, and what was asked for."""

    evidence: Evidence
    results: Results
    theme: Theme
    pdf: bool
    page_files: bool  # what is not text stands in files beside report.html
    tell: Tell  # hears what the page weighs

    @cached_property
    def document(self) -> Document:
        """The report but its cards; made when a format first asks, as numbers are to be had without it."""
        from reportgen.report.document.document import document

        return document(self.evidence, self.results)


# writes a report's file (or files) into a folder, where it was asked for. Returns what went wrong where the
# rest is whole without it, and raises RenderError where it is not
Writer: TypeAlias = Callable[[Report, Path], "RenderError | None"]


def _results_json(report: Report, folder: Path) -> None:
    from reportgen.report.render import exports

    exports.write_results(report.results, folder)


def _junit_xml(report: Report, folder: Path) -> None:
    from reportgen.report.render import junit

    junit.write(report, folder)


def _maps(report: Report, folder: Path) -> None:
    from reportgen.report.render import exports

    exports.write_maps(report, folder)


def _report_html(report: Report, folder: Path) -> None:
    from reportgen.report.render import html

    html.write(report, folder)


def _report_pdf(report: Report, folder: Path) -> RenderError | None:
    from reportgen.report.render import pdf

    return pdf.write(report, folder)


def _summary_md(report: Report, folder: Path) -> None:
    from reportgen.report.render import summary_md

    summary_md.write(report, folder)


MAPS = "maps"  # a folder
# by the name of the file, or of the folder that holds several; the imports above are late, since whoever
# asks for a name wants no template and no page layout
FORMATS: dict[str, Writer] = {
    "results.json": _results_json,
    "junit.xml": _junit_xml,
    MAPS: _maps,
    "summary.md": _summary_md,
    "report.html": _report_html,
    "report.pdf": _report_pdf,
}
