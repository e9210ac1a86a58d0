"""Standard output belongs to the results: whatever else writes there is sent to standard error.

A network's forward, a file that is imported, a library's C code, a child process: any of them may print, and
a program that reads `--json` would choke on it. So for the time of a command both `sys.stdout` and the file
descriptor beneath it lead to standard error, and the results have a stream of their own.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TextIO

from reportgen.errors import Unwritable

_RESULTS: ContextVar[TextIO | None] = ContextVar("results", default=None)
STDOUT, STDERR = 1, 2  # file descriptors


def results() -> TextIO:
    """The stream for results: standard output, also while that is reserved."""
    return _RESULTS.get() or sys.stdout


@contextmanager
def reserved() -> Iterator[None]:
    """Reserves standard output for what is written to `results()`.

    A stream that stands in the place of `sys.stdout` (a test's) is reserved alike.
    """
    before = sys.stdout
    _flush(before)
    kept = _duplicate()
    own = _stream(before, kept)
    token = _RESULTS.set(own)
    sys.stdout = sys.stderr
    if kept is not None:
        _point_at_stderr()
    try:
        yield
        own.flush()
    finally:
        _RESULTS.reset(token)
        _flush(own)
        if own is not before:
            _flush(before)  # what was printed to the old object is no result either
        sys.stdout = before
        if kept is not None:
            _flush_c()
            os.dup2(kept, STDOUT)
            os.close(kept)


def end() -> None:
    """For the end of the process: what exit handlers and libraries print from now on are no results."""
    _flush(sys.stdout)
    if sys.__stdout__ is not None:
        _point_at_stderr()
    sys.stdout = sys.stderr


def _stream(before: TextIO | None, kept: int | None) -> TextIO:
    """A stream to where `before` leads: itself, unless it writes to the descriptor that is given away."""
    if before is None:  # the process was started without standard output
        return open(os.devnull, "w", encoding="utf-8")
    try:
        if kept is None or before.fileno() != STDOUT:
            return before
    except (OSError, ValueError, AttributeError):  # it has no descriptor
        return before
    raw = io.BufferedWriter(_Descriptor(kept, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding=before.encoding, errors="backslashreplace", line_buffering=True)


class _Descriptor(io.FileIO):
    """A descriptor for results: where it takes no more, that is told once, and the rest is dropped."""

    refused = False

    def write(self, data: Any) -> int:
        """Raises Unwritable, and BrokenPipeError where nobody reads any more."""
        if self.refused:  # what the streams above still hold
            return len(data)
        try:
            return super().write(data) or 0
        except OSError as error:
            self.refused = True
            if isinstance(error, BrokenPipeError):
                raise
            raise Unwritable(
                f"cannot write the results to standard output: {error.strerror}",
                "send it where there is room; a report that was asked for is written, `results.json` with it",
            ) from error


def _duplicate() -> int | None:
    """A second descriptor of standard output; None in a process that was started without."""
    if sys.__stdout__ is None:  # the number may be another file's
        return None
    try:
        return os.dup(STDOUT)
    except OSError:
        return None


def _point_at_stderr() -> None:
    """Makes the descriptor of standard output one of standard error, or of nothing where there is none."""
    try:
        os.dup2(STDERR, STDOUT)
    except OSError:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDOUT)


def _flush(stream: TextIO | None) -> None:
    with suppress(OSError, ValueError, AttributeError):
        if stream is not None:
            stream.flush()


def _flush_c() -> None:
    """Flushes what C code has printed: its buffer is none of Python's."""
    with suppress(ImportError, OSError, AttributeError, TypeError):  # TypeError: Windows has no such library
        import ctypes

        ctypes.CDLL(None).fflush(None)
