"""The straight line: checkpoint + images + recipe -> one pass -> evidence -> report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

from reportgen.audit.answer_changes import LISTED, changed
from reportgen.audit.one_image import explained, find
from reportgen.audit.results import Results
from reportgen.errors import RecipeError, RenderError
from reportgen.measure import measure_main, measure_second
from reportgen.measure.audit import Audit, read_material
from reportgen.measure.budget import decided, in_words
from reportgen.measure.manifest import seal
from reportgen.measure.second_model import picture
from reportgen.ownership import is_report, will_write
from reportgen.pipeline.before import Before
from reportgen.pipeline.ray_actors import installed, on_ray
from reportgen.pipeline.sharing import Request, gather, measured, refuse_budget
from reportgen.pipeline.workers import on_workers
from reportgen.progress import Progress, Tell, silent
from reportgen.recipe import Recipe
from reportgen.recipe.preset import with_preset
from reportgen.report import Rendered, notebook, write_report
from reportgen.report.render import themes
from reportgen.workspace import check, publish, target, workspace
from reportgen.writing import kept_whole

PARTS = "parts"  # of the workers, while they measure
Engine: TypeAlias = Literal["local", "ray"]
# how a set is shared out: the folders of its parts
ENGINES: dict[Engine, Callable[[Request, int | None, Path, Progress], list[Path]]] = {
    "local": on_workers,
    "ray": on_ray,
}


@dataclass(frozen=True)
class Outcome:
    """Where the report is, its numbers, and why there is no PDF where there is none."""

    folder: Path
    results: Results
    pdf_problem: RenderError | None = None
    status: str = ""  # one line of at most 140 characters: whether the requirements are met, what changed

    @property
    def gates_passed(self) -> bool:
        """Whether every gate passed."""
        return all(gate["passed"] for gate in self.results["gates"])

    def image(self, name: str) -> dict[str, Any]:
        """What is known of one image, by its id, its path or the end of that: answers, checks that show it,
        findings. Raises InputError where none or several are called so."""
        return explained(self.results, find(self.results, name))

    def _repr_html_(self) -> str:
        """What Jupyter shows: the summary, and links to the files."""
        return notebook.as_html(self.results, self.folder)

    def _repr_markdown_(self) -> str:
        """The same for what shows no HTML."""
        return notebook.as_markdown(self.results, self.folder)


def run(
    recipe: Recipe,
    checkpoint: Path,
    images: Path,
    out: Path,
    *,
    limit: int | None = None,
    save_maps: bool = False,
    baseline: Path | None = None,
    parts: Sequence[Path] = (),
    workers: int | None = None,
    engine: Engine = "local",
    progress: Progress = silent,
) -> Outcome:
    """Measures a checkpoint on images and writes the report to the folder `out`.

    `baseline` is the folder of an earlier report: what changed since is said first, and the recipe's limits
    on changes are judged. `parts` are folders of parts of the set that `shard` measured: all of them. Several
    `workers` share the images: processes of this machine, or with the engine `ray` actors of a cluster.
    An earlier report in `out` is replaced when the new one is whole, and nothing else that lies there.
    Interrupted, the same call resumes. Raises RecipeError, InputError, and RenderError where even
    report.html failed (the evidence is kept); Unwritable where the system refuses a write, with the old
    report and the evidence so far as they were.
    """
    begun = time.perf_counter()
    output = recipe.output
    check(out, will_write(output.pdf is not False, save_maps, output.layout == "folder"))
    theme = _theme(recipe)
    if engine == "ray":
        installed()  # before anything is read
    recipe = with_preset(recipe)
    shared = engine == "ray" or (workers or 1) > 1
    if shared or parts:
        refuse_budget(recipe)
    found = measured(parts) if parts else []
    before = Before.of(recipe, baseline, out)
    material = read_material(recipe, checkpoint, images, limit)
    again = partial(material.audit, save_maps=save_maps, baseline=before.answers)
    audit = again(material.recipe)
    with workspace(out) as folder, kept_whole(out, folder):
        if recipe.run.preset or recipe.run.budget:
            audit = _within_budget(audit, folder, progress, again)
        if shared:
            request = Request(recipe, checkpoint, images, limit, save_maps, baseline)
            found = measured(ENGINES[engine](request, workers, folder / PARTS, progress))
        if found:
            gather(found, audit, folder / "evidence")
        _told(audit, before.unasked(recipe), progress)
        _measured(audit, folder / "evidence", progress, begun)
        before.keep(folder / "evidence", target(out))
        progress("render", 0, 1)
        rendered = _rendered(folder, out, recipe, theme, partial(progress, "render", 0, 0))
        progress("render", 1, 1)
        whole = rendered.problem is None or not is_report(out)
        if whole:
            publish(folder, out)
    return Outcome(out if whole else folder, rendered.results, rendered.problem, rendered.status)


def _told(audit: Audit, unasked: Iterable[str], progress: Progress) -> None:
    """Tells the plan, and the limits that nothing can be held against."""
    for line in audit.lines(audit.main):
        progress("plan", 0, 0, line)
    for note in unasked:
        progress("gates", 0, 0, note)


def _within_budget(audit: Audit, folder: Path, progress: Progress, again: Callable[[Recipe], Audit]) -> Audit:
    """The audit without what its budget has no time for; tells what it is expected to take."""
    recipe, decision = audit.main.recipe, decided(audit, folder)
    progress("plan", 0, 0, f"expected to take {in_words(decision.expected)}, by the pace of the first batch")
    if decision.cuts:
        audit = again(decision.choices.applied(recipe))
    for note in decision.notes():
        progress("plan", 0, 0, note)
    return replace(audit, notes=(*audit.notes, *decision.notes()), budget=decision.as_json())


def _measured(audit: Audit, evidence: Path, progress: Progress, begun: float) -> None:
    """Measures the model, and the one beside it, and seals the evidence of both."""
    main = measure_main(audit, evidence, progress)
    begun_second = time.perf_counter()
    second = measure_second(main)
    if second is not None:
        seal(second, begun_second)
        changes = changed(main.writer.of_set(), second.writer.of_set())[:LISTED]
        listed = {change["id"] for change in changes}
        picture(audit.files, main.model.subject.preprocessing, main.writer, listed)
    seal(main, begun, second)


def _theme(recipe: Recipe) -> str:
    """The recipe's theme, a folder of its own beside the recipe; looked at before anything is measured."""
    name = recipe.output.theme
    own = recipe.folder / name
    chosen = str(own) if os.path.isdir(own) and name not in themes.themes() else name
    try:
        themes.theme(chosen)
    except RecipeError as error:
        raise recipe.located(RecipeError(f"output.theme: {error.cause}", error.remedy)) from error
    return chosen


def _rendered(folder: Path, out: Path, recipe: Recipe, theme: str, tell: Tell) -> Rendered:
    """Renders; where even report.html fails, the evidence becomes the output if nothing else is."""
    try:
        return write_report(folder, theme, pdf=recipe.output.pdf is not False, tell=tell)
    except RenderError:
        if not is_report(out):
            publish(folder, out)
        raise
