"""Which score gives the better maps on this model: the logit of a class, or its contrast with all others.

The maps that are made of gradients are made of four pictures in one by both scores; of each picture the mean
over the methods of how much more of their positive values lie in the right quarter is one difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from typing_extensions import TypedDict

from reportgen.audit.maps.judging import LEAST, Comparison, known, two
from reportgen.audit.quantities import Count

LITTLE = 0.01  # of the share in the right quarter: less no reader sees


class TwoScores(TypedDict):
    """How much more of the positive values of gradients' maps lies in the right quarter where they explain
    the class contrast than where they explain the logit: the mean over images, with its 95 % interval.
    `better` is null where the interval does not decide."""

    methods: list[str]
    images: Count
    difference: float
    low: float
    high: float
    better: Literal["logit", "contrast", "neither"] | None
    sentence: str


def two_scores(
    records: Sequence[Mapping[str, Any]], methods: Sequence[str], used: Literal["logit", "contrast"]
) -> TwoScores | None:
    """The comparison over the images of the maps' test; None where fewer than three were asked by both.
    `used` is the score that the report's maps explain."""
    sign = 1 if used == "logit" else -1
    differences, asked = [], set()
    for record in records:
        own = []
        for name in methods:
            row = record["methods"].get(name, {}).get("asked", {}).get("picture", {})
            for share, other in known([row], "share", "other_score"):
                own.append(sign * (other - share))
                asked.add(name)
        if own:
            differences.append(fmean(own))
    if len(differences) < LEAST:
        return None
    comparison = Comparison(tuple(differences))
    low, high = comparison.interval
    better = _better(low, high)
    return {
        "methods": [name for name in methods if name in asked],
        "images": len(differences),
        "difference": comparison.mean,
        "low": low,
        "high": high,
        "better": better,
        "sentence": _sentence(len(differences), comparison.mean, (low, high), better, used),
    }


def _better(low: float, high: float) -> Literal["logit", "contrast", "neither"] | None:
    if low > 0:
        return "contrast"
    if high < 0:
        return "logit"
    return "neither" if max(-low, high) <= LITTLE else None


def _sentence(
    images: int, mean: float, ends: tuple[float, float], better: str | None, used: str
) -> str:
    words = f"{two(mean)} [{two(ends[0])} to {two(ends[1])}]"
    text = f"Maps of gradients that explain the class contrast put {words} more of their positive values into"
    text += f" the right one of four pictures than those that explain the logit ({images} images)"
    if better is None:
        return f"{text}: which is better on this model is not decided."
    if better == "neither":
        return f"{text}: on this model they are as good as each other."
    name = "class contrast" if better == "contrast" else "logit"
    here = "which these maps explain" if better == used else f"set `score: {better}` to have it explained"
    return f"{text}: on this model the {name} is better, {here}."
