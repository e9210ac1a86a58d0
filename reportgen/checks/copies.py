"""Which pictures are copies of others: by their pixels, by perceptual hashes, and by how they correlate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reportgen.checks.case import Case, Pictures
from reportgen.findings import Array

COMPARED_AT_MOST = 20_000  # pictures that are compared with one another by their perceptual hashes
CONFIRMED_AT_MOST = 2_000  # pictures that are decoded again to confirm that they are alike
FLAT = 0.02  # contrast below which a picture has no pattern to be told by
CHUNK = 256  # pictures that are held against all others at once


def groups_of(pixels: Array) -> Array:
    """The group of each row (N, B) of equal bytes, numbered in order of first appearance (N,)."""
    _, first, groups = np.unique(pixels, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[groups.ravel()])


def alike(hashes: Array, others: Array, distance: int) -> Array:
    """Pairs (P, 2) of places of pictures (N, 2) and others (M, 2) whose perceptual hashes, or that of one and
    of the other's mirror image, differ in at most so many bits."""
    found = []
    for first in range(0, len(hashes), CHUNK):
        own = hashes[first : first + CHUNK, None, :1]  # (b, 1, 1)
        bits = np.bitwise_count(own ^ others[None]).min(2)  # (b, M)
        rows, columns = np.nonzero(bits <= distance)
        found.append(np.stack([rows + first, columns], 1))
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.int64)


def compared(pictures: Pictures, places: Array) -> Array:
    """Those of some places (k,) whose pictures have a pattern to be told by, in order; of very many those
    that the hash of the content puts first."""
    patterned = places[pictures.column("contrast")[places] >= FLAT]
    if len(patterned) > COMPARED_AT_MOST:
        order = np.argsort([pictures.hashes[k] for k in patterned])[:COMPARED_AT_MOST]
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


def correlated(a: Array, b: Array) -> float:
    """How much two grey pictures (64, 64) are alike, or the one and the other's mirror image."""
    return max(_correlation(a, b), _correlation(a, b[:, ::-1]))


def _correlation(a: Array, b: Array) -> float:
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    x, y = x - x.mean(), y - y.mean()
    below = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / below if below > 0 else 0.0
