"""Does it point at what counts? What the best cells of its maps are worth: surely more than a fifth of what
those of occlusion's own order are, and than random orders are, and by both ways to take cells away
(`reportgen/measure/maps/deletions.py` says how it is measured)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Does it point at what counts?"
FILLS = {"blur": "blurred", "imputed": "filled in"}
LITTLE = 0.2  # of what occlusion's own order gains: less than that is no help to a reader


def asked(
    rows: Sequence[Mapping[str, float | None]],
    records: Sequence[Mapping[str, Any]],
    limits: Mapping[str, float],
) -> Asked:
    """Of one method's gains by fill, an image a row; the same images' records have those of random orders and
    of the greediest."""
    comparisons, shares = [], []
    for fill in FILLS:
        pairs = [
            (gains[0], record)
            for row, record in zip(rows, records, strict=True)
            for gains in known([row], fill)
            if record["greedy"][fill] is not None and None not in record["random"]["gain"][fill]
        ]
        if not pairs:
            return Asked(refused="the model's answers are not finite where cells are taken away")
        greedy = fmean(record["greedy"][fill] for _, record in pairs)
        if greedy <= 0:
            return Asked(refused="even the better of two orders by occlusion gains nothing here")
        differences = tuple(gain / greedy for gain, _ in pairs)
        limit = limits["beats_random_sd"] * random_sd([r for _, r in pairs], fill) / greedy
        where = f"where it is {FILLS[fill]}"
        comparisons.append(Comparison(differences, max(limit, LITTLE), where))
        shares.append(f"{two(fmean(differences))} {where}")
    weakest = max(comparisons, key=lambda c: c.p_yes())
    words = f"{' and '.join(shares)} of what occlusion's own order gains, {two(weakest.limit)} is asked for"
    return Asked(tuple(comparisons), weakest.mean, weakest.limit, words)


def random_sd(records: Sequence[Mapping[str, Any]], fill: str) -> float:
    """The standard deviation of the mean gain over images, were every image's order a random one.

    A random order and its reverse gain the same but for the sign, so that their mean is 0.
    """
    squares = [fmean(gain**2 for gain in record["random"]["gain"][fill]) for record in records]
    return math.sqrt(sum(squares)) / len(squares)
