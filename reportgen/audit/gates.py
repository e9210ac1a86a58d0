"""Gates: limits on metrics, from the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "no image has a label, or an answer was not finite"


def evaluate(
    gates: Iterable[Mapping[str, Any]], metrics: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One row a limit: name, metric, value, limit, passed and, where it failed, why.

    `gates` are the recipe's {metric, min, max}. A metric that is not known fails its gate: a gate
    that could not be checked has not been passed.
    """
    rows = []
    for gate in gates:
        for bound, sign in (("min", ">="), ("max", "<=")):
            limit = gate.get(bound)
            if limit is not None:
                rows.append(_row(gate["metric"], sign, limit, metrics[gate["metric"]]))
    return rows


def _row(metric: str, sign: str, limit: float, value: float | None) -> dict[str, Any]:
    if value is None:
        passed, reason = False, f"{metric} is not known: {UNKNOWN}"
    else:
        passed = value >= limit if sign == ">=" else value <= limit
        # repr: a value of 0.89996 must not read as "0.9 is below 0.9"
        reason = f"{metric} is {value!r}, {'below' if sign == '>=' else 'above'} {limit!r}"
    return {
        "name": f"{metric} {sign} {limit:g}",
        "metric": metric,
        "value": value,
        "limit": limit,
        "passed": passed,
        "reason": None if passed else reason,
    }
