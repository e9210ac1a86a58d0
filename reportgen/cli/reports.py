"""`render` and `verify`: what is done with a report that was written before."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.options import Folder, Verbose
from reportgen.cli.terminal import say, tell


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
    from reportgen.progress import untold
    from reportgen.report import write_report
    from reportgen.workspace import publish, recover, rendering

    if folder.is_dir():
        recover(folder)
    asked = Evidence(folder / "evidence").manifest["recipe"]["output"]["pdf"] is not False
    if pdf is None:  # a PDF that was asked for later is kept up with the page
        pdf = asked or ("report.pdf" in owned(folder) and (folder / "report.pdf").exists())
        if not pdf:
            again = f"reportgen render {shlex.quote(str(folder))} --pdf"
            say(f"no report.pdf, as the run was told; this writes it: {again}")
    with rendering(folder) as work:  # the old report stays until the new one is whole
        problem = write_report(work, theme, pdf=pdf, tell=say if verbose else untold).problem
        publish(work, folder)
    tell(str(folder / "report.html"))
    if problem:
        raise problem


def verify(
    folder: Folder,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Is this the file that was audited?")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Hash evidence, report and checkpoint again: was anything changed or added since?"""
    from reportgen.pipeline.verification import added_files, altered_files, signature_words

    altered = altered_files(folder, checkpoint)
    added = [name for name in added_files(folder) if name not in altered]
    for name in altered:
        tell(f"changed: {name}")
    for name in added:
        tell(f"added: {name}")
    if altered or added:
        raise typer.Exit(1)
    tell(f"{folder}: nothing was changed")
    if words := signature_words(folder):
        tell(f"signature of the checkpoint: {words}")
