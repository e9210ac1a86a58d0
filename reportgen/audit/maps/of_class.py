"""Is it about the class? Its map for the strongest other class must not be as like it as its own map is under
a little noise (`reportgen/measure/maps/noise.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Is it about the class?"
MIRRORED = (
    "no map of another class was made: it takes three classes, as of two what speaks for one speaks against"
    " the other, and for a map of many forwards trust.dear above 0"
)


def asked(rows: Sequence[Mapping[str, float | None]], limits: Mapping[str, float]) -> Asked:
    """Of one method's numbers, an image a row."""
    pairs = known(rows, "itself", "rival")
    if not pairs:
        return Asked(refused="its maps of two classes were not made, or have no ranks" if rows else MIRRORED)
    share = limits["same_class"]
    itself, rival = (fmean(values) for values in zip(*pairs, strict=True))
    words = f"ρ {two(rival)} with the second class's map, {two(itself)} with itself under a little noise"
    return Asked(
        (Comparison(tuple(share * own - other for own, other in pairs)),), rival, share * itself, words
    )
