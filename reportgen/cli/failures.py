"""How a command ends: its results on stdout, its failures as two lines on stderr and an exit code."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from reportgen.cli import stderr, stdout
from reportgen.errors import InputError, ReportgenError, asked_for
from reportgen.progress import Progress
from reportgen.shown import LINE, line

FAULT = 70  # a fault of reportgen's own, as sysexits.h has it: never 1, which is a failed gate
INTERRUPTED, TERMINATED = 130, 143
NOBODY_READS = 141  # as of a process that SIGPIPE ends
SHARDED = ("score", "measure", "sample")  # stages that tell how far they are after each shard
UNUSABLE = InputError.exit_code
NOWHERE = "the working folder is gone: no file can be named from it"
TO_REPORT = (
    "this is a fault of reportgen's, not of your files; report it where you have reportgen from, with the"
    " traceback that --verbose shows"
)
MORE_MEMORY = (
    "set run.batch_size: 1, or a smaller run.preset or model.preprocessing.crop, or free memory; what is"
    " measured is kept, and the same command goes on"
)
RESUME = "the same command goes on where this one stopped"


class _Terminated(BaseException):
    """SIGTERM."""


class Watch:
    """Ends a run on SIGTERM so that what is whole is kept: while images are measured a shard is finished
    first, else at once. A second SIGTERM does not wait."""

    def __init__(self) -> None:
        self.asked = False
        self.between = False  # whether shards are being written, and progress is heard after each

    def heard(self, number: int, frame: object) -> None:
        """The handler of the signal."""
        if self.asked or not self.between:
            raise _Terminated
        self.asked = True

    def over(self, progress: Progress) -> Progress:
        """The progress, which ends the run after a shard where that was asked for."""

        def told(stage: str, done: int, total: int, note: str = "") -> None:
            progress(stage, done, total, note)
            if stage.removesuffix(" beside") in SHARDED and total:
                if self.asked:
                    raise _Terminated
                self.between = done < total

        return told


class Command(TyperCommand):
    """A command whose failures are two lines on stderr and the contract's exit code. Its results are all that
    is on stdout: `tell` writes them, and what is printed in another way goes to stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; `--verbose` shows where an error came from."""
        with stderr.patient():
            return self._invoked(ctx)

    def _invoked(self, ctx: Any) -> Any:
        verbose = bool(ctx.params.get("verbose"))
        if not verbose:  # what is odd about a file is in the report, in our words
            warnings.simplefilter("ignore")
            logging.lastResort = logging.NullHandler()  # what other packages log where nobody listens
        try:
            with stdout.reserved():
                return super().invoke(ctx)
        except ReportgenError as error:
            code = _fail(error.cause, error.remedy, error.exit_code, verbose)
        except KeyboardInterrupt:
            code = _fail("interrupted", RESUME, INTERRUPTED, verbose)
        except _Terminated:
            code = _fail("terminated", RESUME, TERMINATED, verbose)
        except (typer.Exit, typer.Abort):
            raise
        except MemoryError as error:
            code = _fail(f"too little memory{asked_for(error)}", MORE_MEMORY, UNUSABLE, verbose)
        except BrokenPipeError:  # whoever read the results has read enough, as `head` does
            code = NOBODY_READS
        except Exception as error:
            if _is_usage(error):
                raise
            code = _fail(*_unexpected(error), verbose)
        raise typer.Exit(code)

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Parses; a complaint of the parser's quotes what it was given, which may be anything."""
        with _one_line():
            return super().make_context(*arguments, **more)


class Group(TyperGroup):
    """Commands; the parser's complaints are lines as any other."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Parses what stands before the command."""
        with _one_line():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        """Finds the command and runs it."""
        with _one_line():
            return super().invoke(ctx)


@contextmanager
def _one_line() -> Iterator[None]:
    """Makes what a parser's complaint quotes visible, and bounds it."""
    try:
        yield
    except Exception as error:
        if _is_usage(error):
            said = line(error.format_message(), LINE - len("Error: "))  # type: ignore[attr-defined]
            error.format_message = lambda: said  # type: ignore[attr-defined]
        raise


def watch_sigterm() -> Watch:
    """From now on SIGTERM ends the command as an interruption does: what is whole is kept."""
    watch = Watch()
    signal.signal(signal.SIGTERM, watch.heard)
    return watch


def _unexpected(error: Exception) -> tuple[str, str, int]:
    """Cause, remedy and exit code of what nobody has foreseen: a fault of reportgen's, but where memory was
    all that lacked, or there is no working folder any more."""
    if isinstance(error, RuntimeError) and ("allocate memory" in str(error) or "out of memory" in str(error)):
        return f"too little memory{asked_for(error)}", MORE_MEMORY, UNUSABLE
    if isinstance(error, OSError) and not _has_working_folder():
        return NOWHERE, "change to a folder that is there", UNUSABLE
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"a path is longer than any file's: {error.filename}", "give a shorter one", UNUSABLE
    return line(f"{type(error).__name__}: {error}", 300), TO_REPORT, FAULT


def _fail(cause: str, remedy: str, code: int, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    print(f"{line(f'error: {cause}')}\n{line(f'remedy: {remedy}')}", file=sys.stderr)
    return code


def _has_working_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _is_usage(error: Exception) -> bool:
    """Whether the parser itself refused the arguments: it prints that, and exits with 2."""
    return hasattr(error, "exit_code") and hasattr(error, "format_message")
