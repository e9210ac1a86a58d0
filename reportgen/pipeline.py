"""The straight line: checkpoint + images + recipe -> one pass -> evidence -> report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reportgen.errors import RecipeError, RenderError
from reportgen.evidence import Writer
from reportgen.measure.manifest import manifest
from reportgen.measure.rounds import Measurement
from reportgen.measure.second_model import measure_beside, timing
from reportgen.measure.session import prepare
from reportgen.ownership import is_report, will_write
from reportgen.progress import Progress
from reportgen.recipe import Recipe
from reportgen.report import render
from reportgen.report.render import themes
from reportgen.workspace import check, publish, workspace


@dataclass(frozen=True)
class Outcome:
    """Where the report is, whether every gate passed, and why there is no PDF where there is none."""

    folder: Path
    gates_passed: bool
    pdf_problem: RenderError | None = None


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress for nobody."""


def run(
    recipe: Recipe,
    checkpoint: Path,
    images: Path,
    out: Path,
    *,
    limit: int | None = None,
    save_maps: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """Measures a checkpoint on images and writes the report to the folder `out`.

    An earlier report in `out` is replaced when the new one is whole, and nothing else that lies there.
    Interrupted, the same call resumes. Raises RecipeError, InputError, and RenderError where even
    report.html failed (the evidence is kept).
    """
    begun = time.perf_counter()
    output = recipe.output
    check(out, will_write(output.pdf is not False, save_maps, output.layout == "folder"))
    theme = _theme(recipe)
    session = prepare(recipe, checkpoint, images, limit, save_maps)
    for line in session.lines:
        progress("plan", 0, 0, line)
    with workspace(out) as folder:
        measurement = Measurement(session, Writer(folder / "evidence", session.key), progress)
        chosen = measurement.run()
        second = measure_beside(measurement, chosen)
        held = manifest(session, measurement.writer, chosen, second)
        measurement.writer.seal(held, timing(measurement, begun))
        progress("render", 0, 1)
        problem = _rendered(folder, out, recipe, theme, partial(progress, "render", 0, 0))
        progress("render", 1, 1)
        whole = problem is None or not is_report(out)
        if whole:
            publish(folder, out)
    done = out if whole else folder
    gates = json.loads((done / "results.json").read_bytes())["gates"]
    return Outcome(done, all(gate["passed"] for gate in gates), problem)


def _theme(recipe: Recipe) -> str:
    """The recipe's theme, a folder of its own beside the recipe; looked at before anything is measured."""
    name = recipe.output.theme
    own = recipe.folder / name
    chosen = str(own) if own.is_dir() and name not in themes.themes() else name
    try:
        themes.theme(chosen)
    except RecipeError as error:
        raise recipe.located(RecipeError(f"output.theme: {error.cause}", error.remedy)) from error
    return chosen


def _rendered(
    folder: Path, out: Path, recipe: Recipe, theme: str, tell: Callable[[str], None]
) -> RenderError | None:
    """Renders; where even report.html fails, the evidence becomes the output if nothing else is."""
    try:
        return render(folder, theme, pdf=recipe.output.pdf is not False, tell=tell)
    except RenderError:
        if not is_report(out):
            publish(folder, out)
        raise
