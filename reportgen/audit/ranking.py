"""How well scores put what holds before what does not: average precision and the area under the ROC."""

from __future__ import annotations

import numpy as np

from reportgen.findings import Array


def average_precision(holds: Array, scores: Array) -> float | None:
    """The mean precision at the ranks of what holds, equal scores taken as one rank; None where nothing
    holds. `holds` (n,) bool, `scores` (n,).

    Sum over the thresholds of (R_k - R_(k-1))·P_k, as scikit-learn's `average_precision_score` has it;
    nothing is interpolated.
    """
    total = int(holds.sum())
    if not total:
        return None
    found, seen = _at_thresholds(holds, scores)
    gained = np.diff(found, prepend=0)
    return float((gained / total * (found / seen)).sum())


def roc_auc(holds: Array, scores: Array) -> float | None:
    """The chance that what holds has a higher score than what does not, ties counting half (Mann & Whitney
    1947); None where all hold or none does."""
    total = int(holds.sum())
    others = len(holds) - total
    if not total or not others:
        return None
    found, seen = _at_thresholds(holds, scores)
    gained, passed = np.diff(found, prepend=0), np.diff(seen - found, prepend=0)
    after = others - (seen - found)  # of what does not hold, below this score
    return float((gained * (after + passed / 2)).sum() / (total * others))


def _at_thresholds(holds: Array, scores: Array) -> tuple[Array, Array]:
    """At each score that occurs, from the highest: how many hold of those at or above it, and how many
    there are."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return np.cumsum(holds[order])[last].astype(np.float64), (last + 1).astype(np.float64)
