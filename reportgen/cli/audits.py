"""`run` and `demo`: a model is measured on images, and the report written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from reportgen.cli.failures import Watch, watch_sigterm
from reportgen.cli.options import (
    AllowCode,
    Baseline,
    Beside,
    BesideModel,
    Budget,
    Checkpoint,
    Device,
    Engine,
    Foreign,
    History,
    Images,
    Json,
    Keep,
    Labels,
    Latest,
    Limit,
    Model,
    NoPdf,
    Out,
    Preset,
    Quiet,
    RecipeFile,
    SaveMaps,
    Strict,
    Verbose,
    Workers,
    allowed_code,
    folder_of,
    recipe_values,
)
from reportgen.cli.terminal import say, tell
from reportgen.errors import Fault

if TYPE_CHECKING:
    from reportgen import Outcome
    from reportgen.pipeline.sharing import Request


@dataclass(frozen=True)
class Told:
    """What is told of a run: no progress, its results as JSON, a fault of a check as an error."""

    quiet: bool
    as_json: bool
    strict: bool = False


@dataclass(frozen=True)
class Row:
    """What becomes of the reports beside a new one: the links to it, and how many stay whole."""

    latest: bool
    keep: int | None

    def tidied(self, outcome: Outcome, out: Path, good: bool) -> None:
        """Sets the links and thins old reports, where the new one is whole and in its place; `good` says that
        later ones may be held against it."""
        from reportgen.pipeline.retention import link, thinned

        if outcome.pdf_problem and outcome.folder != out:
            return
        for said in link(out, good) if self.latest else ():
            say(said)
        for folder in thinned(out, self.keep) if self.keep is not None else ():
            say(f"thinned to its numbers and evidence: {folder}")


def run(
    ctx: typer.Context,
    checkpoint: Checkpoint,
    images: Images,
    out: Out,
    recipe: RecipeFile = None,
    device: Device = None,
    model: Model = None,
    allow_code: AllowCode = None,
    labels: Labels = None,
    foreign: Foreign = None,
    beside: Beside = None,
    beside_model: BesideModel = None,
    baseline: Baseline = None,
    history: History = None,
    latest: Latest = False,
    keep: Keep = None,
    preset: Preset = None,
    budget: Budget = None,
    engine: Engine = "local",
    workers: Workers = None,
    limit: Limit = None,
    no_pdf: NoPdf = False,
    save_maps: SaveMaps = False,
    strict: Strict = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Measure a model on images and write the report."""
    watch = watch_sigterm()
    request = requested(ctx, checkpoint, images, recipe, limit, save_maps, baseline)
    told = Told(quiet, as_json, strict)
    audited(request, folder_of(out), watch, told, Row(latest, keep), workers=workers, engine=engine)


def demo(
    ctx: typer.Context,
    out: Out = "demo-report",
    device: Device = None,
    preset: Preset = None,
    budget: Budget = None,
    no_pdf: NoPdf = False,
    save_maps: SaveMaps = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """A real ImageNet classifier on real photographs, offline."""
    from reportgen.cli.demo import CODE, prepare
    from reportgen.pipeline.sharing import Request
    from reportgen.recipe import load

    watch = watch_sigterm()
    place = folder_of(out)
    folder = place if place.name.strip(".") else Path(os.path.abspath(place))  # `.` has no name of its own
    file, checkpoint, images = prepare(folder.with_name(folder.name + "-input"))
    loaded = load(file, CODE)
    loaded = loaded.with_values(recipe_values(ctx.params, loaded.folder))
    request = Request(loaded, checkpoint, images, save_maps=save_maps)
    audited(request, place, watch, Told(quiet, as_json))


def requested(
    ctx: typer.Context,
    checkpoint: Path,
    images: Path,
    file: Path | None,
    limit: int | None,
    save_maps: bool,
    baseline: Path | None,
) -> Request:
    """What a command's parameters ask for, by the recipe of a file. Raises RecipeError."""
    from reportgen.recipe import load

    loaded = load(file, allowed_code(ctx.params))
    loaded = loaded.with_values(recipe_values(ctx.params, loaded.folder))
    from reportgen.pipeline.sharing import Request  # it loads torch: a wrong recipe is told before

    return Request(loaded, checkpoint, images, limit, save_maps, baseline)


def audited(
    request: Request, out: Path, watch: Watch, told: Told, row: Row | None = None, **how: Any
) -> None:
    """Measures, writes the report, tells what became of it, and ends with the exit code that says so. `how`
    says who measures, as `reportgen.run` has it."""
    from reportgen import run as audit
    from reportgen.cli.terminal import progress

    with progress(told.quiet) as shown:
        outcome = audit(
            request.recipe,
            request.checkpoint,
            request.images,
            out,
            limit=request.limit,
            save_maps=request.save_maps,
            baseline=request.baseline,
            **how,
            progress=watch.over(shown),
        )
    failed = _failed_checks(outcome) if told.strict else []
    _tell(outcome, told.as_json, told.quiet)
    if row is not None:
        row.tidied(outcome, out, outcome.gates_passed and not failed)
    if failed:
        raise Fault(
            f"checks that failed themselves: {', '.join(failed)}",
            "the report is written and says so; run again with --verbose, and report the fault",
        )
    if not outcome.gates_passed:
        raise typer.Exit(1)


def _failed_checks(outcome: Outcome) -> list[str]:
    """The checks that could not be asked because of a fault of reportgen's own."""
    beside = outcome.results["beside"]
    every = [*outcome.results["checks"], *(beside["checks"] if beside else ())]
    return list(dict.fromkeys(check["name"] for check in every if check["error"]))


def _tell(outcome: Outcome, as_json: bool, quiet: bool) -> None:
    """Prints where the report is, and raises or exits where it is not as it should be."""
    results = outcome.results
    pdf = outcome.folder / "report.pdf"
    has_pdf = results["recipe"]["output"]["pdf"] is not False and not outcome.pdf_problem
    report = outcome.folder / "report.html"
    if as_json:
        summary = {
            "report": str(report),
            "pdf": str(pdf) if has_pdf else None,
            "results": str(outcome.folder / "results.json"),
            "gates_passed": outcome.gates_passed,
            "status": outcome.status,
            "metrics": results["metrics"],
            "gates": results["gates"],
            "checks": {check["name"]: check["status"] for check in results["checks"]},
            "cost": results["cost"],
            **({"beside": beside["tests"]} if (beside := results["beside"]) else {}),
        }
        tell(json.dumps(summary, indent=1))
    else:
        tell(str(report))
    if not quiet:
        say(f"status: {outcome.status}")
    for gate in results["gates"]:
        if not gate["passed"]:
            say(f"gate {gate['outcome']}: {gate['name']}: {gate['reason']}")
    if outcome.pdf_problem:
        raise outcome.pdf_problem
