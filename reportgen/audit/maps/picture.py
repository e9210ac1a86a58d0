"""Does it find the right picture? Of four in one, surely more than a fourth of its positive values lie in the
right one (`reportgen/measure/maps/mosaics.py` says how it is measured)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from reportgen.audit.maps.judging import Asked, Comparison, known, two

QUESTION = "Does it find the right picture?"
CHANCE = 0.25  # that of a Gaussian in the middle, too
LITTLE = 0.3  # less than that no reader sees
NONE = "no mosaic of its images is answered by the right quarter"


def asked(rows: Sequence[Mapping[str, float | None]], _limits: Mapping[str, float]) -> Asked:
    """Of one method's shares, a mosaic a row."""
    shares = tuple(share for (share,) in known(rows, "share"))
    if not shares:
        return Asked(refused=NONE)
    mean = fmean(shares)
    words = f"{two(mean)} of its positive values lie in the right quarter, 0.25 by chance"
    return Asked((Comparison(shares, LITTLE),), mean, CHANCE, words)
