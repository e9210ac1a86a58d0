"""Which pictures are copies of others: by their pixels, by perceptual hashes, and by how they correlate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reportgen.checks.case import Case, Pictures
from reportgen.findings import Array

COMPARED_AT_MOST = 20_000  # pictures that are compared with one another by their perceptual hashes
CONFIRMED_AT_MOST = 2_000  # pictures that are decoded again to confirm that they are alike
FLAT = 0.02  # contrast below which a picture has no pattern to be told by
SAME = 0.9999  # correlation of a picture with itself, but for rounding
OUTSTANDING = 0.25  # of what a correlation lacks of one
CROWD = 200  # pictures of the set that a pair has to stand out from


def groups_of(pixels: Array) -> Array:
    """The group of each row (N, B) of equal bytes, numbered in order of first appearance (N,)."""
    _, first, groups = np.unique(pixels, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[groups.ravel()])


def compared(pictures: Pictures, places: Array, at_most: int = COMPARED_AT_MOST) -> Array:
    """Those of some places (k,) whose pictures have a pattern to be told by, in order; of very many those
    that the hash of the content puts first."""
    patterned = places[pictures.column("contrast")[places] >= FLAT]
    if len(patterned) > at_most:
        order = np.argsort([pictures.hashes[k] for k in patterned])[:at_most]
        patterned = patterned[order]
    return np.sort(patterned)


def greys_of(case: Case, places: Array, training: bool = False) -> Mapping[int, Array]:
    """Small grey pictures by place, of the set or of the training, for the first that are named."""
    used = list(dict.fromkeys(places.tolist()))[:CONFIRMED_AT_MOST]
    if training:
        return case.sources.greys(used, training=True)
    numbers = {int(case.answers.numbers[k]): k for k in used}
    return {numbers[number]: grey for number, grey in case.sources.greys(list(numbers)).items()}


def confirmed(
    pairs: Array, greys: Mapping[int, Array], others: Mapping[int, Array], correlation: float
) -> Array:
    """Those of pairs (P, 2) of places whose grey pictures are known and correlate by so much."""
    sure = [
        (a, b)
        for a, b in pairs.tolist()
        if a in greys and b in others and correlated(greys[a], others[b]) >= correlation
    ]
    return np.array(sure, dtype=np.int64).reshape(-1, 2)


def crowd_of(case: Case, pictures: Pictures) -> Array:
    """The small grey pictures of some of the set (C, 64, 64)."""
    some = compared(pictures, np.arange(len(pictures)), CROWD)
    greys = greys_of(case, some)
    return np.stack(list(greys.values())) if greys else np.zeros((0, 64, 64), dtype=np.uint8)


def standing_out(
    pairs: Array, greys: Mapping[int, Array], others: Mapping[int, Array], crowd: Array
) -> Array:
    """Which of the pairs (P, 2) are far more alike than the first of them is to any of a crowd (C, 64, 64),
    itself left out: what their correlation lacks of one is a quarter at most of what it lacks there, (P,)."""
    if not len(pairs):
        return np.zeros(0, dtype=bool)
    around = _standardised(np.concatenate([crowd, crowd[:, :, ::-1]]))  # (2C, 4096)
    first = _standardised(np.stack([greys[a] for a in pairs[:, 0].tolist()]))  # (P, 4096)
    to_all = first @ around.T
    to_all = np.where(to_all > SAME, -1, to_all)  # itself, and copies that the crowd has of it
    rival = to_all.max(1, initial=0)
    own = np.array([correlated(greys[a], others[b]) for a, b in pairs.tolist()])
    return np.asarray(1 - own <= OUTSTANDING * (1 - rival))


def _standardised(greys: Array) -> Array:
    flat = greys.reshape(len(greys), -1).astype(np.float32)
    flat = flat - flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.sqrt((flat**2).sum(1, keepdims=True)), 1e-6))


def correlated(a: Array, b: Array) -> float:
    """How much two grey pictures (64, 64) are alike, or the one and the other's mirror image."""
    return max(_correlation(a, b), _correlation(a, b[:, ::-1]))


def _correlation(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    x, y = x - x.mean(), y - y.mean()
    below = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / below if below > 0 else 0.0
