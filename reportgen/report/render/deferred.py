"""What a text carries and threads make: a mark stands in the text until it is written.

A page is some thousand pictures between a little text. They are encoded by code that lets other threads run,
while the page goes on being laid out; and the text, without them, is small enough to be searched and copied.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Generic, TypeVar

Made = TypeVar("Made")
AHEAD = 64  # pieces that may wait: what they are made from stays in memory until then
WORKERS = 8  # at most


class Deferred(Generic[Made]):
    """Pieces in the order in which they were asked for. Nothing of a text can be taken for a mark: marks hold
    a number that is drawn anew for each."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._mark = re.compile(f"~{self._nonce}-(\\d+)~")
        self._waiting: list[Future[Made]] = []

    def mark(self, work: Callable[[], Made]) -> str:
        """What stands for a piece, which `work` makes; letters that no markup escapes."""
        number = len(self._waiting)
        if number >= AHEAD:
            self._waiting[number - AHEAD].result()  # whoever lays out waits for whoever encodes
        self._waiting.append(self._pool.submit(work))
        return f"~{self._nonce}-{number}~"

    def parts(self, text: str) -> Iterator[str | Made]:
        """The text and its pieces, in turn: text first and last. Raises what making a piece raised."""
        end = 0
        for found in self._mark.finditer(text):
            yield text[end : found.start()]
            yield self._waiting[int(found[1])].result()
            end = found.end()
        yield text[end:]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return ThreadPoolExecutor(min(WORKERS, cores), "pictures")
