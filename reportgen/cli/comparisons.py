"""`diff`: two reports are held against one another, without their models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.options import Json, Verbose, folder_of
from reportgen.cli.terminal import say, tell


def diff(
    old: Annotated[Path, typer.Argument(help="The folder of the earlier report.")],
    new: Annotated[Path, typer.Argument(help="The folder of the later one; its recipe has the limits.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="PATH", help="Where diff.html and diff.json go.")
    ] = None,
    theme: Annotated[str | None, typer.Option("--theme", help="A theme's name or folder.")] = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """What changed from one report to another; exit 1 past the recipe's limits on changes."""
    from reportgen.pipeline.differences import compared, written
    from reportgen.report.document.change_lines import headline, lines
    from reportgen.report.render.diff import as_json as text

    found = compared(old, new)
    page = written(found, folder_of(out), theme) if out is not None else None
    if as_json:
        tell(text(found.comparison), end="")
    else:
        if page is not None:
            tell(str(page))
        sign, counts = headline(found.comparison)
        names = (found.comparison["old"]["name"], found.comparison["new"]["name"])
        tell("; ".join((f"{' → '.join(names)}: {sign.text}", *counts)))
        for obstacle in found.comparison["obstacles"]:
            tell(f"  not alike: {obstacle['sentence']}")
        for line in lines(found.comparison, "changes"):
            tell(f"  {line.tag}: {line.text}")
    failed = [gate for gate in found.comparison["gates"] if not gate["passed"]]
    for gate in failed:
        say(f"gate {gate['outcome']}: {gate['name']}: {gate['reason']}")
    if failed:
        raise typer.Exit(1)
