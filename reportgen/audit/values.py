"""Numbers over a set whose answers are values (regression): how far they are from what they should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, Gated, Interval
from reportgen.findings import Array
from reportgen.stats import t_95


class ValueErrors(TypedDict):
    """One value: its errors over the labelled images, in its own unit."""

    class_index: Count
    class_name: str
    count: Count
    bias: Annotated[float, "the mean error: answers too high are above 0"]
    mae: Annotated[float, "the mean absolute error"]
    mae_interval: Annotated[Interval | None, "95 %, Student's t over images; null for one image"]
    rmse: Annotated[float, "the root of the mean squared error"]
    rmse_interval: Annotated[Interval | None, "95 %, the roots of the interval of the mean squared error"]
    r2: Annotated[float | None, "the share of the variance explained; null where all labels are equal"]


class OfValues(TypedDict):
    """A set of values."""

    per_value: list[ValueErrors]


class GatedValues(TypedDict):
    """What gates may name of values, over all of them together; null for other models."""

    mae: Annotated[float | None, Gated("labelled")]
    rmse: Annotated[float | None, Gated("labelled")]


NO_VALUES: GatedValues = {"mae": None, "rmse": None}


def of_values(
    labelled: Sequence[Mapping[str, Any]], scores: Array, classes: Sequence[str]
) -> OfValues | None:
    """The errors of every value, from the records of the labelled images and their values (n, C); None
    without any."""
    if not labelled:
        return None
    truth = np.array([record["truth"] for record in labelled], np.float64)  # (n, C)
    said = scores.astype(np.float64)
    return {"per_value": [_value(k, name, truth[:, k], said[:, k]) for k, name in enumerate(classes)]}


def over_all(found: OfValues | None) -> GatedValues:
    """The errors of all values together: each counts the same."""
    if found is None:
        return NO_VALUES
    rows = found["per_value"]
    squared = [row["rmse"] ** 2 for row in rows]
    return {"mae": sum(row["mae"] for row in rows) / len(rows), "rmse": sqrt(sum(squared) / len(rows))}


def _value(index: int, name: str, truth: Array, said: Array) -> ValueErrors:
    errors = said - truth
    absolute, squared = abs(errors), errors**2
    around = ((truth - truth.mean()) ** 2).sum()
    ends = _interval(squared)
    return {
        "class_index": index,
        "class_name": name,
        "count": len(errors),
        "bias": float(errors.mean()),
        "mae": float(absolute.mean()),
        "mae_interval": _interval(absolute),
        "rmse": sqrt(squared.mean()),
        "rmse_interval": [sqrt(end) for end in ends] if ends else None,
        "r2": float(1 - squared.sum() / around) if around else None,
    }


def _interval(values: Array) -> list[float] | None:
    """The 95 % interval of a mean that is not negative."""
    if len(values) < 2:
        return None
    reach = t_95(len(values) - 1) * float(values.std(ddof=1)) / sqrt(len(values))
    middle = float(values.mean())
    return [max(0.0, middle - reach), middle + reach]
