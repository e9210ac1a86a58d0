"""Progress: the functions that a run calls with how far it has come, and with sentences for the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

Tell: TypeAlias = Callable[[str], None]  # hears a sentence


class Progress(Protocol):
    """Told how far a stage has come: images for `score` and `measure`, perturbations for `occlude`."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress for nobody."""


def untold(said: str) -> None:
    """Tells nobody."""
