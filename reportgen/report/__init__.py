"""Evidence -> results -> report.html, report.pdf and the exports. No model and no torch is needed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.errors import RenderError
from reportgen.progress import Tell, untold

if TYPE_CHECKING:
    from reportgen.audit.results import Results


@dataclass(frozen=True)
class Rendered:
    """The numbers of the report as results.json has them, and why there is no PDF where there is none."""

    results: Results
    problem: RenderError | None
    status: str = ""  # one line, for a commit's status


def write_report(folder: Path, theme: str | None = None, pdf: bool = True, tell: Tell = untold) -> Rendered:
    """Writes results.json, junit.xml, report.html, report.pdf and the other formats from `folder`/evidence.

    An older report.pdf of ours goes where there is to be none; files of the folder that reportgen did not
    write stay. `tell` hears what the page weighs. The error in what is returned is that of the PDF, where
    the rest was written: nothing is lost then.
    Raises InputError where there is no complete evidence, RecipeError where the theme is unknown or
    a file of somebody else's stands where one of the report's is to be.
    """
    # here, so that `import reportgen` stays light
    from reportgen.audit.results import rendered_in, results
    from reportgen.audit.seal import seal
    from reportgen.evidence import Evidence
    from reportgen.formats import FORMATS, Report
    from reportgen.ownership import refuse_foreign, will_write
    from reportgen.report.render import exports, statement, themes
    from reportgen.report.render.summary_md import status

    begun = time.perf_counter()
    evidence = Evidence(folder / "evidence")
    output = evidence.manifest["recipe"]["output"]
    clothed = themes.theme(theme or output["theme"])
    page_files = output.get("layout") == "folder"
    refuse_foreign(folder, folder, will_write(pdf, evidence.manifest["save_maps"], page_files))
    report = Report(evidence, results(evidence), clothed, pdf, page_files, tell)
    problems = [write(report, folder) for write in FORMATS.values()]
    timed = rendered_in(report.results, time.perf_counter() - begun)
    exports.write_results(timed, folder)
    statement.write(folder, evidence, timed)
    seal(folder)
    return Rendered(timed, next(filter(None, problems), None), status(report.document))
