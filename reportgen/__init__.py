"""reportgen measures a model once and shows it as often as you like.

checkpoint + images + recipe -> evidence -> report
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportgen.version import __version__

if TYPE_CHECKING:
    from reportgen.pipeline import Outcome, run
    from reportgen.recipe import Recipe, load

__all__ = ["Outcome", "Recipe", "__version__", "load", "run"]


def __getattr__(name: str) -> object:
    """The public API, imported when it is used: torch is heavy, and `--help` is not."""
    if name in ("run", "Outcome"):
        from reportgen import pipeline

        return getattr(pipeline, name)
    if name in ("Recipe", "load"):
        from reportgen import recipe

        return getattr(recipe, name)
    raise AttributeError(f"module 'reportgen' has no attribute {name!r}")
