"""Whoever is told how far a run has come."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how far a stage has come: images for `score` and `measure`, changed copies for `occlude`."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...
