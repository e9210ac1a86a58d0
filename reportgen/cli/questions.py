"""`inspect`, `methods`, `checks` and `doctor`: what a model, reportgen and this machine have to offer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeVar

import typer

from reportgen.cli.options import (
    AllowCode,
    Checkpoint,
    Json,
    Model,
    RecipeFile,
    Verbose,
    allowed_code,
    recipe_values,
)
from reportgen.cli.terminal import tell
from reportgen.errors import RecipeError, did_you_mean, nearest

T = TypeVar("T")


def inspect(
    ctx: typer.Context,
    checkpoint: Checkpoint,
    model: Model = None,
    recipe: RecipeFile = None,
    allow_code: AllowCode = None,
    size: Annotated[str | None, typer.Option("--input", metavar="CxHxW", help="Such as 3x224x224.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """List the layers: names, shapes, parameters, multiply-adds, receptive fields, as the report does."""
    from reportgen.cli.terminal import architecture
    from reportgen.pipeline.inspection import inspected
    from reportgen.recipe import load

    shape = _shape(size) if size else None
    loaded = load(recipe, allowed_code(ctx.params))
    loaded = loaded.with_values(recipe_values(ctx.params, loaded.folder))
    network = inspected(loaded, checkpoint, shape)
    if as_json:
        tell(json.dumps(network.as_json(), indent=1))
    else:
        architecture(network.block(), f"{network.source}, {checkpoint.name}", network.containers())
        tell(f"Head: {network.head}")


def _shape(size: str) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(part) for part in size.lower().split("x"))
    except ValueError:
        channels = height = width = 0
    if min(channels, height, width) < 1:
        raise RecipeError(f"--input {size!r} is no size", "write channels, height, width: --input 3x224x224")
    return channels, height, width


def methods(
    name: Annotated[str | None, typer.Argument(help="A visualization's name.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """What each visualization is and needs of the network, its options, how to read it, its source."""
    from reportgen.cli.terminal import method, table
    from reportgen.probes import listed
    from reportgen.probes import methods as registry

    if not name and not as_json:
        table("", ("name", "what it is", "what it needs of the network"), listed(), set())
        return
    chosen = _chosen(name, registry(), "visualization", "methods")
    if as_json:
        words = [each.words() | {"needs": each.needs, "options": each.options()} for each in chosen]
        tell(json.dumps(words[0] if name else words, indent=1, default=str))
    else:
        method(chosen[0])


def checks(
    name: Annotated[str | None, typer.Argument(help="A check's name.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """What each check asks, how it decides, its limit, its source."""
    from reportgen.checks import listed
    from reportgen.checks import questions as registry
    from reportgen.cli.terminal import question, table

    if not name and not as_json:
        table("", ("about", "name", "what it asks"), listed(), set())
        return
    chosen = _chosen(name, registry(), "check", "checks")
    if as_json:
        words = [
            each.words() | {"options": each.options(), "numbers": dict(each.numbers)} for each in chosen
        ]
        tell(json.dumps(words[0] if name else words, indent=1, default=str))
    else:
        question(chosen[0])


def _chosen(name: str | None, known: Mapping[str, T], noun: str, command: str) -> list[T]:
    """The one of that name, or all. Raises RecipeError for a name that is none of theirs."""
    if name is not None and name not in known:
        raise RecipeError(
            f"unknown {noun} {name!r}{did_you_mean(nearest(name, known))}",
            f"`reportgen {command}` lists the {noun}s",
        )
    return [known[name]] if name else list(known.values())


def doctor(verbose: Verbose = False) -> None:
    """What works on this machine, what is missing, and the remedy."""
    from reportgen.cli.doctor import rows
    from reportgen.cli.terminal import table

    looked_at = rows()
    lines = [(row.what, row.state, row.detail, row.remedy) for row in looked_at]
    table("", ("what", "state", "detail", "remedy"), lines, set())
    if any(row.state == "missing" for row in looked_at):
        raise typer.Exit(1)
