"""Evidence -> report.html, report.pdf and the exports. No model and no torch is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from reportgen.errors import RenderError


def untold(said: str) -> None:
    """Tells nobody."""


def render(
    folder: Path, theme: str | None = None, pdf: bool = True, tell: Callable[[str], None] = untold
) -> RenderError | None:
    """Writes results.json, junit.xml, report.html and report.pdf from `folder`/evidence.

    An older report.pdf of ours goes where there is to be none; files of the folder that reportgen did not
    write stay. `tell` hears what the page weighs. Returns the
    error where the HTML was written but the PDF could not be: nothing is lost then.
    Raises InputError where there is no complete evidence, RecipeError where the theme is unknown or
    a file of somebody else's stands where one of the report's is to be.
    """
    # here, so that `import reportgen` stays light
    from reportgen.evidence import Evidence
    from reportgen.ownership import claim, discard, refuse_foreign, will_write
    from reportgen.report.document.document import document
    from reportgen.report.render import exports, html, themes
    from reportgen.report.render import pdf as printed

    begun = time.perf_counter()
    evidence = Evidence(folder / "evidence")
    output = evidence.manifest["recipe"]["output"]
    clothed = themes.theme(theme or output["theme"])
    at_most_mb, beside = output["html"]["at_most_mb"], output.get("layout") == "folder"
    refuse_foreign(folder, folder, will_write(pdf, evidence.manifest["save_maps"], beside))
    exports.write(folder)
    results = json.loads((folder / "results.json").read_bytes())
    made = document(evidence, results)
    tell(html.write(made, evidence, clothed, folder / "report.html", at_most_mb, beside))
    problem = None
    discard(folder, ("report.pdf",))
    if pdf:
        claim(folder, ("report.pdf",))
        try:
            printed.write(made, evidence, clothed, folder / "report.pdf", results)
        except RenderError as error:
            problem = error
    exports.close(folder, time.perf_counter() - begun)
    return problem
