"""The command line: parse, call, print. Heavy imports stay inside the commands."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from reportgen.cli import stdout
from reportgen.cli.terminal import say, tell
from reportgen.errors import RecipeError, ReportgenError, did_you_mean, nearest

if TYPE_CHECKING:
    from reportgen import Outcome
    from reportgen.engine.needs import ModelFacts
    from reportgen.recipe import Recipe


class _Terminated(BaseException):
    """SIGTERM."""


class _Command(TyperCommand):
    """A command whose failures are two lines on stderr and the contract's exit code. Its results are all that
    is on stdout: `tell` writes them, and what is printed in another way goes to stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; `--verbose` shows where an error came from."""
        verbose = bool(ctx.params.get("verbose"))
        if not verbose:  # what is odd about an image is in the report
            warnings.filterwarnings("ignore", module="PIL")
        try:
            with stdout.reserved():
                return super().invoke(ctx)
        except ReportgenError as error:
            code = _fail(error.cause, error.remedy, error.exit_code, verbose)
        except KeyboardInterrupt:
            code = _fail("interrupted", RESUME, 130, verbose)
        except _Terminated:
            code = _fail("terminated", RESUME, 143, verbose)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if _is_usage(error):
                raise
            words = " ".join(f"{type(error).__name__}: {error}".split())
            remedy = "this is a fault of reportgen's; run again with --verbose for the traceback"
            code = _fail(words[:300], remedy, FAULT, verbose)
        raise typer.Exit(code)


FAULT = 70  # a fault of reportgen's own, as sysexits.h has it: never 1, which is a failed gate
RESUME = "the same command goes on where this one stopped"


def _fail(cause: str, remedy: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"error: {cause}\nremedy: {remedy}", file=sys.stderr)
    return code


def _is_usage(error: Exception) -> bool:
    """Whether the parser itself refused the arguments: it prints that, and exits with 2."""
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


app = typer.Typer(
    help="A trained vision model, its images and a recipe become an audit report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
recipes = typer.Typer(help="Write, check and describe recipes.", no_args_is_help=True)
app.add_typer(recipes, name="recipe")

Checkpoint = Annotated[Path, typer.Argument(help="A .safetensors, .pt, .pth or .ckpt state dict.")]
Images = Annotated[Path, typer.Argument(help="A folder, a file list, a CSV, or one image.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe; the default has all.")]
Out = Annotated[Path, typer.Option("--out", help="The report's folder; replaced when whole.")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Model = Annotated[
    str | None,
    typer.Option("--model", help="torchvision:NAME, timm:NAME, package:callable, file.py:callable."),
]
Labels = Annotated[str | None, typer.Option("--labels", help="A CSV with path,label; folder; none.")]
Beside = Annotated[
    Path | None, typer.Option("--beside", help="A second model's checkpoint, shown side by side.")
]
BesideModel = Annotated[
    str | None, typer.Option("--beside-model", help="What it belongs to; as --model without.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N images.")]
NoPdf = Annotated[bool, typer.Option("--no-pdf", help="Write no report.pdf.")]
SaveMaps = Annotated[bool, typer.Option("--save-maps", help="Write maps/<id>.npz, raw float32.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="A traceback with an error.")]
Json = Annotated[bool, typer.Option("--json", help="The result as JSON.")]
Folder = Annotated[Path, typer.Argument(help="A folder that `reportgen run` wrote.")]


@app.command(cls=_Command)
def run(
    checkpoint: Checkpoint,
    images: Images,
    out: Out,
    recipe: RecipeFile = None,
    device: Device = None,
    model: Model = None,
    labels: Labels = None,
    beside: Beside = None,
    beside_model: BesideModel = None,
    limit: Limit = None,
    no_pdf: NoPdf = False,
    save_maps: SaveMaps = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Measure a model on images and write the report."""
    from reportgen.recipe import load

    _watch_sigterm()
    loaded = load(recipe)
    loaded = loaded.with_overrides(
        device=device,
        source=model,
        labels=_labels(labels, loaded),
        pdf=False if no_pdf else None,
        beside=None if beside is None else os.path.relpath(beside, loaded.folder),
        beside_source=beside_model,
    )
    _run(loaded, checkpoint, images, out, limit, save_maps, quiet, as_json)


def _run(
    recipe: Recipe,
    checkpoint: Path,
    images: Path,
    out: Path,
    limit: int | None,
    save_maps: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    from reportgen import run as audit
    from reportgen.cli.terminal import progress

    with progress(quiet) as shown:
        outcome = audit(
            recipe, checkpoint, images, out, limit=limit, save_maps=save_maps, progress=shown
        )
    _tell(outcome, as_json)


def _labels(labels: str | None, recipe: Recipe) -> str | None:
    """A CSV that the command line names is in the working folder, not the recipe's."""
    if labels in (None, "auto", "none", "folder", "imagefolder"):
        return labels
    return os.path.relpath(str(labels), recipe.folder)


def _watch_sigterm() -> None:
    def stop(number: int, frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)


def _tell(outcome: Outcome, as_json: bool) -> None:
    """Prints where the report is, and raises or exits where it is not as it should be."""
    found = json.loads((outcome.folder / "results.json").read_bytes())
    pdf = outcome.folder / "report.pdf"
    has_pdf = found["recipe"]["output"]["pdf"] is not False and not outcome.pdf_problem
    report = outcome.folder / "report.html"
    if as_json:
        summary = {
            "report": str(report),
            "pdf": str(pdf) if has_pdf else None,
            "results": str(outcome.folder / "results.json"),
            "gates_passed": outcome.gates_passed,
            **{key: found[key] for key in ("metrics", "gates", "cost")},
            **({"beside": found["beside"]["tests"]} if found["beside"] else {}),
        }
        tell(json.dumps(summary, indent=1))
    else:
        tell(str(report))
    for gate in found["gates"]:
        if not gate["passed"]:
            print(f"gate {gate['outcome']}: {gate['name']}: {gate['reason']}", file=sys.stderr)
    if outcome.pdf_problem:
        raise outcome.pdf_problem
    if not outcome.gates_passed:
        raise typer.Exit(1)


@app.command(cls=_Command)
def render(
    folder: Folder,
    theme: Annotated[str | None, typer.Option("--theme", help="A theme's name or folder.")] = None,
    pdf: Annotated[
        bool | None,
        typer.Option("--pdf/--no-pdf", help="Write report.pdf, or none; else as the recipe says."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Write the report again from its evidence, without the model."""
    from reportgen.evidence import Evidence
    from reportgen.ownership import owned
    from reportgen.report import render as render_report
    from reportgen.report import untold
    from reportgen.workspace import recover

    if folder.is_dir():
        recover(folder)
    asked = Evidence(folder / "evidence").manifest["recipe"]["output"]["pdf"] is not False
    if pdf is None:  # a PDF that was asked for later is kept up with the page
        pdf = asked or ("report.pdf" in owned(folder) and (folder / "report.pdf").exists())
        if not pdf:
            again = f"reportgen render {shlex.quote(str(folder))} --pdf"
            say(f"no report.pdf, as the run was told; this writes it: {again}")
    problem = render_report(folder, theme, pdf=pdf, tell=say if verbose else untold)
    tell(str(folder / "report.html"))
    if problem:
        raise problem


@app.command(cls=_Command)
def inspect(
    checkpoint: Checkpoint,
    model: Model = None,
    recipe: RecipeFile = None,
    size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Such as 3x224x224.")
    ] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """List the layers: names, shapes, parameters, multiply-adds, receptive fields, as the report does."""
    from reportgen.engine.network.trace import trace
    from reportgen.inputs import load_subject
    from reportgen.recipe import load

    shape = _shape(size) if size else None
    loaded = load(recipe).with_overrides(source=model)
    subject = load_subject(loaded, checkpoint)
    shape = shape or subject.preprocessing.input_shape
    facts = trace(subject.network, shape, subject.classes, loaded.model.output)
    if as_json:
        tell(json.dumps({"source": subject.source, **dataclasses.asdict(facts)}, indent=1))
    else:
        _show_architecture(facts, f"{subject.source}, {checkpoint.name}")


def _show_architecture(facts: ModelFacts, title: str) -> None:
    from reportgen.cli.terminal import architecture
    from reportgen.engine.tape import ModelTape
    from reportgen.probes import methods
    from reportgen.report.cards.blocks import of_model

    method = methods()["architecture"]
    found = method.probe().measure(ModelTape(facts, {}))
    holders = [layer.name for layer in facts.layers if layer.calls and layer.kind == "container"]
    architecture(of_model(method.words(), found), title, holders)


def _shape(size: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(part) for part in size.lower().split("x"))
    except ValueError:
        channels = height = width = 0
    if min(channels, height, width) < 1:
        raise RecipeError(
            f"--input {size!r} is no size", "write channels, height, width: --input 3x224x224"
        )
    return channels, height, width


@app.command(cls=_Command)
def verify(
    folder: Folder,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Is this the file that was audited?")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Hash evidence, report and checkpoint again: was anything changed since?"""
    from reportgen.audit.seal import verify as altered_files
    from reportgen.inputs.shards import hash_at

    altered = altered_files(folder, checkpoint, hash_at)
    for name in altered:
        tell(f"changed: {name}")
    if altered:
        raise typer.Exit(1)
    tell(f"{folder}: nothing was changed")


@app.command(cls=_Command)
def demo(
    out: Out = Path("demo-report"),
    device: Device = None,
    no_pdf: NoPdf = False,
    save_maps: SaveMaps = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """A real ImageNet classifier on real photographs, offline."""
    from reportgen.cli.demo import prepare
    from reportgen.recipe import load

    _watch_sigterm()
    place = out if out.name.strip(".") else Path(os.path.abspath(out))  # `.` has no name of its own
    file, checkpoint, images = prepare(place.with_name(place.name + "-input"))
    recipe = load(file).with_overrides(device=device, pdf=False if no_pdf else None)
    _run(recipe, checkpoint, images, out, None, save_maps, quiet, as_json)


@app.command(cls=_Command)
def methods(
    name: Annotated[str | None, typer.Argument(help="A visualization's name.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """What each visualization is, its options, how to read it, its source."""
    from reportgen.cli.terminal import method, table
    from reportgen.probes import methods as registry

    known = registry()
    if name is not None and name not in known:
        raise RecipeError(
            f"unknown visualization {name!r}{did_you_mean(nearest(name, known))}",
            "`reportgen methods` lists the visualizations",
        )
    chosen = [known[name]] if name else list(known.values())
    if as_json:
        words = [one.words() | {"options": one.options()} for one in chosen]
        tell(json.dumps(words[0] if name else words, indent=1, default=str))
    elif name:
        method(chosen[0])
    else:
        table("", ("name", "what it is"), [(one.name, one.summary) for one in chosen], set())


@app.command(cls=_Command)
def doctor(verbose: Verbose = False) -> None:
    """What works on this machine, what is missing, and the remedy."""
    from reportgen.cli.doctor import rows
    from reportgen.cli.terminal import table

    found = rows()
    lines = [(row.what, row.state, row.detail, row.remedy) for row in found]
    table("", ("what", "state", "detail", "remedy"), lines, set())
    if any(row.state == "missing" for row in found):
        raise typer.Exit(1)


@recipes.command("new", cls=_Command)
def recipe_new(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; stdout without.")] = None,
) -> None:
    """Write a commented recipe with every default."""
    from reportgen.recipe import starter

    if file is None:
        tell(starter(), end="")
        return
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(starter())
    except OSError as error:
        raise RecipeError(
            f"cannot write {str(file)!r}: {error.strerror}", "name a file that is not there yet"
        ) from error
    tell(str(file))


@recipes.command("check", cls=_Command)
def recipe_check(
    file: Annotated[Path, typer.Argument(help="A recipe.")],
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Check a recipe; every error says file:line:column and what was meant."""
    from reportgen.recipe import load

    recipe = load(file)
    if as_json:
        tell(json.dumps(recipe.resolved(), indent=1))
    else:
        tell(f"{file}: fine, {len(recipe.visualizations)} visualizations")


@recipes.command("schema", cls=_Command)
def recipe_schema(
    results: Annotated[bool, typer.Option("--results", help="That of results.json.")] = False,
) -> None:
    """Print the JSON Schema of a recipe, or of results.json."""
    from reportgen.audit.schema import results_schema
    from reportgen.recipe import schema

    tell(json.dumps(results_schema() if results else schema(), indent=1))


def main() -> None:
    """The console script."""
    try:
        app()
    finally:
        stdout.end()
