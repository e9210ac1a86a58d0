"""Is it on the object? More of its positive values lie in the boxes than of a Gaussian in the middle
(`reportgen/measure/maps/objects.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Is it on the object?"
UNBOXED = "no image of the sample has boxes (images.parts)"
LITTLE = 0.02  # of its positive values: so little more is not seen


def asked(rows: Sequence[Mapping[str, float | None]], _limits: Mapping[str, float]) -> Asked:
    """Of one method's numbers, an image that has boxes a row."""
    pairs = known(rows, "mass", "gaussian")
    if not pairs:
        return Asked(refused=UNBOXED)
    mass, middle = (fmean(values) for values in zip(*pairs, strict=True))
    points = [value for (value,) in known(rows, "points")]
    words = (
        f"{two(mass)} of its positive values lie in the boxes, {two(middle)} of a Gaussian's;"
        f" its highest place does in {int(sum(points))} of {len(points)}"
    )
    difference = tuple(own - other for own, other in pairs)
    return Asked((Comparison(difference, LITTLE),), mass, middle, words)
