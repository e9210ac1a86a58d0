"""Is it steady? Under noise that leaves the answer as it is the map has to stay as it is, too
(`reportgen/measure/maps/noise.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Is it steady?"


def asked(rows: Sequence[Mapping[str, float | None]], limits: Mapping[str, float]) -> Asked:
    """Of one method's numbers, an image a row."""
    values = tuple(value for (value,) in known(rows, "itself"))
    if not values:
        return Asked(refused="it was not made again under noise")
    words = f"ρ {two(fmean(values))} under noise that changes the logits by less than 1 %"
    least = limits["steady"]
    return Asked((Comparison(values, least),), fmean(values), least, words)
