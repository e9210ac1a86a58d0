"""Rank correlation of two arrays."""

from __future__ import annotations

import numpy as np

from reportgen.findings import Array


def spearman(a: Array, b: Array) -> float | None:
    """The rank correlation of two arrays of one shape, equal values sharing their mean rank.

    None where one of them is constant or not finite. Spearman 1904.
    """
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    x, y = (_mean_ranks(v.ravel()) for v in (a, b))
    x, y = x - x.mean(), y - y.mean()
    below = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / below if below > 0 else None


def _mean_ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    found: Array = (ends - (counts - 1) / 2)[places.ravel()]
    return found
