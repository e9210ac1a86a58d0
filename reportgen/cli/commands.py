"""The program `reportgen`: all commands, in the order in which the help lists them.

A command parses, calls and prints. Heavy imports stay inside it, so that the help comes at once.
"""

from __future__ import annotations

import os

import typer

from reportgen.cli import (
    audits,
    comparisons,
    explaining,
    questions,
    recipes,
    reports,
    sharing,
    stdout,
    tracking,
)
from reportgen.cli.failures import Command, Group

app = typer.Typer(
    cls=Group,
    help="A trained vision model, its images and a recipe become an audit report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    audits.run,
    sharing.shard,
    sharing.merge,
    reports.render,
    questions.inspect,
    comparisons.diff,
    explaining.explain,
    reports.verify,
    tracking.track,
    audits.demo,
    questions.methods,
    questions.checks,
    questions.doctor,
):
    app.command(cls=Command)(command)

recipe = typer.Typer(cls=Group, help="Write, check and describe recipes.", no_args_is_help=True)
for of_recipes in (recipes.new, recipes.check, recipes.schema):
    recipe.command(cls=Command)(of_recipes)
app.add_typer(recipe, name="recipe")


def main() -> None:
    """The console script."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch's own remarks on the machine
    try:
        app()
    finally:
        stdout.end()
