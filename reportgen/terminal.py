"""What a command shows while it works, on stderr: bars on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeAlias

# (stage, done, total, note)
Progress: TypeAlias = Callable[..., None]
UNITS = {
    "decode": "images",
    "score": "images",
    "measure": "images",
    "occlude": "windows",
    "render": "documents",
}
LINES_A_STAGE = 10


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A progress function for `audit`: silent, bars, or lines, as asked for and as stderr allows."""
    if quiet:
        yield _silent
    elif not sys.stderr.isatty():
        yield Lines(sys.stderr)
    else:
        with _bars() as bars:
            yield bars


def _silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Shows nothing."""


class Lines:
    """One line a tenth of each stage, with the time left."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self.clock = clock
        self.begun: dict[str, float] = {}
        self.shown: dict[str, int] = {}  # stage -> tenths that have been told

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        begun = self.begun.setdefault(stage, self.clock())
        tenths = done * LINES_A_STAGE // total if total else LINES_A_STAGE
        if tenths <= self.shown.get(stage, 0):
            return
        self.shown[stage] = tenths
        left = (self.clock() - begun) / done * (total - done) if done else 0.0
        words = f"{stage}: {done} of {total} {UNITS.get(stage, 'steps')}"
        words += f", about {left:.0f} s left" if left >= 1 else ""
        print(words + (f" ({note})" if note else ""), file=self.stream, flush=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]:<9}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def show(stage: str, done: int, total: int, note: str = "") -> None:
            if stage not in tasks:
                unit = UNITS.get(stage, "steps")
                tasks[stage] = bars.add_task(stage, total=total, unit=unit, note=note)
            bars.update(tasks[stage], completed=done, total=total, note=note)

        yield show


def table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]], right: set[int]) -> None:
    """Prints a table to stdout; the columns in `right` hold numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for place, head in enumerate(heads):
        drawn.add_column(head, justify="right" if place in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))  # Text: a name such as [0] is no markup
    # a pipe or a file has no width to fit into
    Console(width=None if sys.stdout.isatty() else 200).print(drawn)
