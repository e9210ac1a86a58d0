"""`recipe new`, `recipe check` and `recipe schema`: recipes are written, checked and described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.options import Json, Verbose
from reportgen.cli.terminal import tell
from reportgen.errors import RecipeError


def new(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; stdout without.")] = None,
) -> None:
    """Write a commented recipe with every default."""
    from reportgen.recipe import starter
    from reportgen.writing import FULL, refused

    if file is None:
        tell(starter(), end="")
        return
    try:
        _written(file, starter())
    except OSError as error:
        if error.errno in FULL:
            raise refused(file, error) from error
        raise RecipeError(
            f"cannot write {str(file)!r}: {error.strerror}", "name a file that is not there yet"
        ) from error
    tell(str(file))


def _written(file: Path, text: str) -> None:
    """Writes a file that is not there yet, whole or not at all. Raises OSError."""
    with file.open("x", encoding="utf-8") as stream:
        try:
            stream.write(text)
            stream.flush()
        except OSError:
            file.unlink(missing_ok=True)
            raise


def check(
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


def schema(
    results: Annotated[bool, typer.Option("--results", help="That of results.json.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="That of diff.json.")] = False,
) -> None:
    """Print the JSON Schema of a recipe, of results.json, or of diff.json."""
    from reportgen.audit.schema import diff_schema, results_schema
    from reportgen.recipe import schema as recipe_schema

    described = results_schema() if results else diff_schema() if diff else recipe_schema()
    tell(json.dumps(described, indent=1))
