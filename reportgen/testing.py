"""An audit inside a team's own tests: the recipe's gates become an assertion.

    from reportgen.testing import assert_audit

    def test_the_model_meets_its_requirements():
        assert_audit("recipe.yaml", "model.safetensors", "images/", baseline="reports/latest-good")
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from reportgen.audit.compare.limits import compares
from reportgen.audit.gates import BOUNDS
from reportgen.audit.results import Results
from reportgen.errors import RecipeError
from reportgen.pipeline import Outcome, run
from reportgen.recipe import Recipe, load

FilePath: TypeAlias = "str | PathLike[str]"


def assert_audit(
    recipe: Recipe | FilePath,
    checkpoint: FilePath,
    images: FilePath,
    *,
    baseline: FilePath | None = None,
    out: FilePath | None = None,
    limit: int | None = None,
    allow_code: Iterable[str] = (),
) -> Results:
    """Audits a checkpoint on images and asserts that every requirement of the recipe is met.

    The report is written to `out`, without a PDF; where none is given it is thrown away. `baseline` is the
    folder of an earlier report for the recipe's limits on changes, `limit` how many images are looked at,
    `allow_code` the modules and files that a recipe's file may call (see `reportgen.recipe.load`).
    Returns what results.json has. Raises AssertionError with a line for each requirement that is not met or
    cannot be judged, RecipeError where the recipe has no gate that could fail, and what `reportgen.run` does.
    """
    asked = recipe if isinstance(recipe, Recipe) else load(Path(recipe), allow_code)
    _refuse_nothing(asked, baseline)
    asked = asked.with_values({"output.pdf": False})
    earlier = None if baseline is None else Path(baseline)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(out) if out is not None else Path(folder) / "report"
        outcome = run(asked, Path(checkpoint), Path(images), place, limit=limit, baseline=earlier)
    if not outcome.gates_passed:
        raise AssertionError(_failures(outcome, kept=out is not None))
    return outcome.results


def _refuse_nothing(recipe: Recipe, baseline: FilePath | None) -> None:
    """Raises RecipeError for an assertion that could not fail."""
    gates = [gate.model_dump() for gate in recipe.gates]
    limits = [gate for gate in gates if baseline is not None or not compares(gate) or _has_own(gate)]
    if not limits:
        raise RecipeError(
            "the recipe has no gate that is judged here: nothing would be asserted",
            "set gates, such as {metric: accuracy, min_lower: 0.9}, or name a baseline for limits on changes",
        )


def _has_own(gate: dict[str, object]) -> bool:
    """Whether a gate that is `within` of a baseline has a limit besides."""
    return not gate["diff"] and any(gate.get(bound) is not None for bound in BOUNDS)


def _failures(outcome: Outcome, kept: bool) -> str:
    lines = [
        f"  {gate['outcome']}: {gate['name']}: {gate['reason']}"
        for gate in outcome.results["gates"]
        if not gate["passed"]
    ]
    total = len(outcome.results["gates"])
    where = f"; the report is in {outcome.folder}" if kept else ""
    return "\n".join((f"{len(lines)} of {total} requirements are not met{where}", *lines))
