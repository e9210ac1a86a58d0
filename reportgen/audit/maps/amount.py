"""Does it say how much? Its cells follow the falls of the score as each of them alone goes, better than other
images' maps and a Gaussian in the middle do (`reportgen/measure/maps/amounts.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Does it say how much?"
NULLS = ("others", "gaussian")
LITTLE = 0.05  # so little more ρ than that of unrelated maps is of no use


def asked(rows: Sequence[Mapping[str, float | None]], _limits: Mapping[str, float]) -> Asked:
    """Of one method's numbers, an image a row."""
    comparisons, nulls = [], []
    for null in NULLS:
        pairs = known(rows, "rho", null)
        if pairs:
            comparisons.append(Comparison(tuple(rho - other for rho, other in pairs), LITTLE))
            nulls.append(fmean(other for _, other in pairs))
    if not comparisons:
        return Asked(refused="its cells have no ranks, or the falls have none")
    rho = fmean(value for (value,) in known(rows, "rho"))
    words = f"ρ {two(rho)} with the falls of single cells, {two(max(nulls))} of unrelated maps"
    return Asked(tuple(comparisons), rho, max(nulls), words)
