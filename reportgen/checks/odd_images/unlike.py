"""Pictures that the network sees as unlike the rest: by the distance of their penultimate features to those
of the pictures that it answers alike."""

from __future__ import annotations

import numpy as np

from reportgen.findings import Array

NEIGHBOURS = 5
SHARE = (
    0.25  # of the pictures with one answer are neighbours: odd ones that are alike do not hide one another
)
FEWEST = 8  # pictures with one answer; of fewer nothing is said
DEVIATIONS = 4.5  # robust standard deviations of the logarithm of the distance
FARTHER = 1.5  # times as far as the median picture, at least
AT_MOST = 1000  # pictures with one answer that the others are held against


def unlike(features: Array, answers: Array) -> Array:
    """Which of the pictures with features (n, F) and answers (n,) lie far from those of the same answer, bool
    (n,): the distance to the k-th nearest against that answer's median one."""
    x = features.astype(np.float32)
    x = x / np.maximum(x.std(0), 1e-6 + 0.01 * x.std())
    ratio = np.zeros(len(x))
    known = np.zeros(len(x), dtype=bool)
    for answer in np.unique(answers):
        places = np.flatnonzero(answers == answer)
        if len(places) < FEWEST:
            continue
        far = _far(x[places])
        median = float(np.median(far))
        if median > 0:
            ratio[places], known[places] = np.log(np.maximum(far / median, 1e-6)), True
    if not known.any():
        return known
    spread = 1.4826 * float(np.median(np.abs(ratio[known])))
    return np.asarray(known & (ratio > max(np.log(FARTHER), DEVIATIONS * spread)))


def _far(x: Array) -> Array:
    """The distance of each of the features (m, F) to its k-th nearest among some of them (m,)."""
    others = x[np.linspace(0, len(x) - 1, min(len(x), AT_MOST)).astype(np.int64)]  # (o, F)
    k = max(NEIGHBOURS, int(SHARE * len(others)))
    far = []
    for first in range(0, len(x), AT_MOST):
        part = x[first : first + AT_MOST]
        squares = (part**2).sum(1)[:, None] + (others**2).sum(1) - 2 * part @ others.T  # (b, o)
        far.append(np.partition(squares, k, axis=1)[:, k])
    return np.asarray(np.sqrt(np.maximum(np.concatenate(far), 0)))
