"""What the commands print: progress on stderr (bars, or a few plain lines), tables on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

from reportgen.cli.stdout import results
from reportgen.progress import Progress, silent
from reportgen.shown import line, visible

if TYPE_CHECKING:
    from reportgen.checks import Question
    from reportgen.probes import Method
    from reportgen.report.values.card import Block

UNITS = {
    "decode": "images",
    "score": "images",
    "measure": "images",
    "sample": "images",
    "check": "images",
    "training": "images",
    "occlude": "windows",
    "render": "documents",
}
LINES_A_STAGE = 10
LONG = 2_000  # letters of a sentence on the terminal
WHOLE_WIDTH = 10_000  # letters: more than any table has


def unit(stage: str) -> str:
    """What a stage counts; `measure beside` is that of a second model."""
    return UNITS.get(stage.removesuffix(" beside"), "steps")


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A progress function for `audit`: silent, bars, or lines, as asked for and as stderr allows."""
    if quiet:
        yield silent
    elif not sys.stderr.isatty():
        yield Lines(sys.stderr, at=lambda: time.strftime(" [%H:%M:%S]"))
    else:
        with _bars() as bars:
            yield bars


def tell(result: str, end: str = "\n") -> None:
    """A line of a command's result, on stdout; what is printed in another way is none. Nothing in it is
    hidden, and nothing commands the terminal."""
    print(visible(result), end=end, file=results())


def say(sentence: str) -> None:
    """A line on stderr, where progress goes."""
    print(line(sentence, LONG), file=sys.stderr, flush=True)


class Lines:
    """One line a tenth of each stage, with the time left; `at` says what each ends with, such as the time of
    day."""

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        at: Callable[[], str] = lambda: "",
    ) -> None:
        self.stream = stream
        self.clock = clock
        self.at = at
        self.begun: dict[str, tuple[float, int]] = {}  # when, and how much a former run had done
        self.shown: dict[str, int] = {}  # stage -> tenths that have been told

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        if not total:  # a sentence, not a step
            print(line(f"{stage}: {note}", LONG), file=self.stream, flush=True)
            return
        begun, before = self.begun.setdefault(stage, (self.clock(), done))
        tenths = done * LINES_A_STAGE // total
        if tenths <= self.shown.get(stage, 0):
            return
        self.shown[stage] = tenths
        left = (self.clock() - begun) / max(1, done - before) * (total - done)
        words = f"{stage}: {done} of {total} {unit(stage)}"
        words += f", about {left:.0f} s left" if left >= 1 else ""
        words += f" ({line(note, LONG)})" if note else ""
        print(words + self.at(), file=self.stream, flush=True)


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
            if not total:
                bars.console.print(line(f"{stage}: {note}", LONG), markup=False, highlight=False)
                return
            note = line(note)
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, unit=unit(stage), note=note)
            bars.update(tasks[stage], completed=done, total=total, note=note)

        yield show


def table(
    title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: set[int], whole: bool = False
) -> None:
    """Prints a table to stdout; the columns in `right` hold numbers. One that is shown `whole` keeps its
    width: its lines pass the end of a narrow window rather than break inside each cell."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, head in enumerate(heads):
        justify: Literal["left", "right"] = "right" if index in right else "left"
        drawn.add_column(head, justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        drawn.add_row(*(Text(visible(cell)) for cell in row))  # Text: a name such as [0] is no markup
    # a pipe or a file has no width to fit into
    width = WHOLE_WIDTH if whole else None if results().isatty() else 200
    Console(width=width, file=results()).print(drawn)


def architecture(shown: Block, title: str, holders: Sequence[str]) -> None:
    """Prints what the report shows of the network: the table of layers, the totals, the graph in words.

    `holders` are the modules that hold others, which a recipe may name as layers too.
    """
    for layers in shown.tables:
        heads = tuple(column.head for column in layers.columns)
        right = {index for index, column in enumerate(layers.columns) if column.numeric}
        table(title, heads, [*layers.rows, *([layers.total] if layers.total else [])], right, whole=True)
    tell("")
    for fact in shown.facts:
        tell(f"{fact.label}: {fact.value}")
    for drawn in shown.drawings:
        tell(drawn.alt)
    for remark in shown.remarks:
        tell(remark)
    if holders:
        tell(f"Modules that hold others: {', '.join(holders)}")


def method(described: Method) -> None:
    """Prints a visualization's words and its options."""
    from pydantic import TypeAdapter

    tell(f"{described.title} ({described.name})\n{described.summary}\n")
    for key in ("definition", "reading", "limits", "needs", "source"):
        if getattr(described, key):
            tell(f"{key.capitalize()}: {getattr(described, key)}")
    _options(TypeAdapter(described.probe).json_schema(), described.options())


def question(asked: Question) -> None:
    """Prints a check's words and its options."""
    from pydantic import TypeAdapter

    tell(f"{asked.title} ({asked.name}), about {asked.group}\n{asked.question}\n")
    for key in ("measurement", "reading", "limits", "remedy", "source"):
        tell(f"{key.capitalize()}: {getattr(asked, key)}")
    _options(TypeAdapter(asked.check).json_schema(), asked.options())


def _options(schema: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Prints the options of a visualization or a check, from the JSON Schema of its class."""
    for option, default in defaults.items():
        shown = json.dumps(default, ensure_ascii=False)
        tell(f"Option {option}: {_allowed(schema['properties'][option])}; default {shown}")


def _allowed(option: dict[str, Any]) -> str:
    """What an option may be, from its JSON Schema, in a line."""
    if "anyOf" in option:
        return " or ".join(map(_allowed, option["anyOf"]))
    words = option.get("enum") or [option.get("const") or option.get("type", "anything")]
    text = ", ".join(map(str, words))
    return f"{text} of {_allowed(option['items'])}" if "items" in option else text
