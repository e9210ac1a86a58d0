"""Seconds: medians of several runs, taken in turn where two ways are compared, and budgets."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

REPEATS = 5


@dataclass(frozen=True)
class Times:
    """The seconds of several runs of one thing."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(min(self.seconds))}–{short(max(self.seconds))})"


def short(seconds: float) -> str:
    """Three figures, with the unit that they need."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def ratio(slow: Times, fast: Times) -> str:
    """How many times slower, of medians, with the least and the most of the runs that were taken in turn."""
    pairs = [a / b for a, b in zip(slow.seconds, fast.seconds, strict=True)]
    return f"{times(slow, fast):.2f}× ({min(pairs):.2f}–{max(pairs):.2f})"


def times(slow: Times, fast: Times) -> float:
    """How many times slower, of medians."""
    return slow.median / fast.median


def once(device: torch.device, work: Callable[[], Any]) -> float:
    """The seconds of one run, until the device is done with it."""
    _wait(device)
    begun = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - begun


def in_turn(
    device: torch.device,
    works: Mapping[str, Callable[[], Any]],
    repeats: int = REPEATS,
    warm: Collection[str] = (),
) -> dict[str, Times]:
    """Every work's seconds: each runs once unmeasured, but for those that are `warm`, and then all in turn,
    so that what slows the machine down for a while slows down all of them."""
    for name, work in works.items():
        if name not in warm:
            once(device, work)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            taken[name].append(once(device, work))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class OutOfTime(BaseException):
    """A part has used its seconds up. No `except Exception` on the way takes it for something else."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in what is done while it is entered, once the seconds are over."""

    def over(*_: Any) -> None:
        raise OutOfTime(f"its {seconds:.0f} s were over")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
