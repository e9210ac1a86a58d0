"""Packages that only some models need, and what keeps them from asking anybody for anything."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from reportgen.errors import RecipeError


def imported(package: str, folder: Path) -> ModuleType:
    """An optional package. Raises RecipeError where it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise RecipeError(
            f"{folder} is a model of {package}, which is not installed",
            "install it with `pip install 'reportgen-audit[models]'`",
        ) from error


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Every request that Hugging Face's packages would make fails in here."""
    try:
        constants: Any = importlib.import_module("huggingface_hub.constants")
    except ImportError:  # then nothing can ask
        yield
        return
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
