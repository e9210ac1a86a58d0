"""Whoever is told how far a run has come, and what is worth a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Tell: TypeAlias = Callable[[str], None]  # hears a sentence


class Progress(Protocol):
    """Told how far a stage has come: images for `score` and `measure`, changed copies for `occlude`."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress for nobody."""


def untold(said: str) -> None:
    """Tells nobody."""
