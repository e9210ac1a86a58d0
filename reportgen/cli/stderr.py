"""Standard error takes progress and complaints; where it takes no more, the work goes on without them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

STDERR = 2  # a file descriptor


class _Patient:
    """A stream whose writing never fails: who closed it, or filled its disk, wants no more lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._deaf = False

    def write(self, text: str) -> int:
        """Writes, or drops what cannot be written."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Flushes, or drops what cannot be written."""
        self._try("flush")

    def _try(self, what: str, *arguments: str) -> None:
        if self._deaf:
            return
        try:
            getattr(self._stream, what)(*arguments)
        except (OSError, ValueError):
            self._deaf = True
            _point_at_nothing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def patient() -> Iterator[None]:
    """For the time of a command, `sys.stderr` never fails."""
    before = sys.stderr
    if before is None:  # the process was started without
        yield
        return
    sys.stderr = _Patient(before)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before


def _point_at_nothing() -> None:
    """Makes standard error lead nowhere: what the interpreter flushes at its end must not fail, either."""
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
    except OSError:
        pass
