"""Gates: limits on metrics, from the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN = "no image has a label, or an answer was not finite"


def evaluate(
    gates: Iterable[Mapping[str, Any]],
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None = None,
    beside: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """One row a limit: name, metric, value, limit, passed and, where it failed, why.

    `gates` are the recipe's {metric, min, max}; `trust` is the summary of the maps' tests, which
    `trust.METHOD.NUMBER` names, `beside` what two models give together, which `beside.NUMBER` names.
    What is not known fails its gate: a gate that could not be checked has not been passed.
    """
    rows = []
    for gate in gates:
        for bound, sign in (("min", ">="), ("max", "<=")):
            limit = gate.get(bound)
            if limit is not None:
                value, missing = _value(gate["metric"], metrics, trust, beside)
                rows.append(_row(gate["metric"], sign, limit, value, missing))
    return rows


def _value(
    metric: str,
    metrics: Mapping[str, Any],
    trust: Mapping[str, Any] | None,
    beside: Mapping[str, Any] | None,
) -> tuple[float | None, str]:
    """A metric's value, and what it means that there is none."""
    if metric.startswith("beside."):
        if beside is None:
            return None, "no second model was measured"
        return beside["tests"][metric.partition(".")[2]], "no image that both models answered has a label"
    if not metric.startswith("trust."):
        return metrics[metric], UNKNOWN
    _, method, number = metric.split(".")
    tested = trust["methods"].get(method) if trust else None
    if trust is None or tested is None:
        return None, f"no map of {method} was put to the test"
    value = tested[number][trust["stage"]] if number == "randomised" else tested[number]
    why = f"no map of {method} gave this number" if tested["judged"] else tested["verdict"]
    return value, why


def _row(metric: str, sign: str, limit: float, value: float | None, missing: str) -> dict[str, Any]:
    if value is None:
        passed, reason = False, f"{metric} is not known: {missing}"
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
