"""Does it depend on the weights? The likeness to the map of a shuffled network has to be no more than that of
maps that have nothing to do with each other (`reportgen/measure/maps/weights.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two
from reportgen.evidence import JUDGED

QUESTION = "Does it depend on the weights?"
FLOORS = {"others": "other images' maps", "gaussian": "a Gaussian in the middle"}


def asked(rows: Sequence[Mapping[str, float | None]], limits: Mapping[str, float]) -> Asked:
    """Of one method's numbers, an image a row. The floor is the greatest, in the mean, of those that are
    known of all these images."""
    floors = {}
    for floor in FLOORS:
        pairs = known(rows, JUDGED, floor)
        if pairs:
            floors[floor] = fmean(other for _, other in pairs)
    if not floors:
        return Asked(refused="it was not made again by a shuffled network")
    floor = max(floors, key=lambda name: floors[name])
    pairs = known(rows, JUDGED, floor)
    kept = fmean(rho for rho, _ in pairs)
    difference = tuple(limits["randomised"] - (rho - other) for rho, other in pairs)
    edges = [value for (value,) in known(rows, "edges")]
    words = f"ρ {two(kept)} once all weights are shuffled, {two(floors[floor])} with {FLOORS[floor]}"
    if edges:
        words += f", {two(fmean(edges))} with plain edges"
    return Asked((Comparison(difference),), kept, floors[floor], words)
