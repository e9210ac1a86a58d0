"""Perceptual hashes that differ in few bits, looked up: nothing compares every picture with every other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from reportgen.findings import Array

BANDS, BAND_BITS = 4, 16  # a perceptual hash of 64 bits in parts that are looked up
AT_ONCE = 4_000_000  # candidate pairs that are compared at a time
KEPT = 8  # nearest partners of a picture: a series of a thousand frames needs no million pairs


def alike(hashes: Array, others: Array, distance: int) -> Array:
    """Pairs (P, 2) of places of pictures (N, 2) and others (M, 2) whose perceptual hashes, or that of one and
    of the other's mirror image, differ in at most so many bits: of each picture the nearest few, by place.

    Two hashes that differ in d bits differ in at most d // 4 in one of four parts; only those that do are
    compared (Norouzi, Punjani & Fleet 2012, Fast Search in Hamming Space with Multi-Index Hashing).
    """
    own, mine = np.unique(hashes[:, 0], return_inverse=True)  # (U,), (N,)
    both, theirs = np.unique(others.ravel(), return_inverse=True)  # (V,), (2M,): a picture's and its mirror's
    found = [np.zeros((0, 3), dtype=np.int64)]  # rows of place in own, place in both, bits
    for rows, columns in _candidates(own, both, distance):
        bits = np.bitwise_count(own[rows] ^ both[columns])
        near = bits <= distance
        found.append(np.stack([rows[near], columns[near], bits[near]], 1).astype(np.int64))
        if sum(len(part) for part in found) > AT_ONCE:
            found = [_nearest(np.concatenate(found))]
    pairs = _nearest(np.concatenate(found))
    pairs = _spread(pairs, 1, theirs.ravel())
    pairs[:, 1] //= 2
    pairs = _nearest(_spread(_nearest(pairs), 0, mine.ravel(), at_most=None))
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0])), :2])


def _spread(pairs: Array, side: int, of: Array, at_most: int | None = KEPT) -> Array:
    """The rows (P, 3) with every place that has a hash, or the first few, for the place of the hash."""
    order = np.argsort(of, kind="stable")
    counts = np.bincount(of)
    starts = counts.cumsum() - counts
    several = counts if at_most is None else np.minimum(counts, at_most)
    times = several[pairs[:, side]]
    spread = np.repeat(pairs, times, 0)
    within = np.arange(len(spread)) - np.repeat(times.cumsum() - times, times)
    spread[:, side] = order[starts[spread[:, side]] + within]
    return spread


def _candidates(own: Array, others: Array, distance: int) -> Iterator[tuple[Array, Array]]:
    """Places of hashes (N,) and others (M,) that are all but equal in one of the parts, a few at a time."""
    mask = np.uint64(2**BAND_BITS - 1)
    for band in range(BANDS):
        shift = np.uint64(band * BAND_BITS)
        keys = ((others >> shift) & mask).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        ends = np.concatenate([[0], np.bincount(keys, minlength=2**BAND_BITS).cumsum()])
        mine = ((own >> shift) & mask).astype(np.int64)
        for flipped in _flips(distance // BANDS):
            wanted = mine ^ flipped
            counts = ends[wanted + 1] - ends[wanted]
            yield from _expanded(ends[wanted], counts, order)


def _flips(at_most: int) -> list[int]:
    """Every change of so many bits of a part, and of fewer."""
    sets = (bits for size in range(at_most + 1) for bits in combinations(range(BAND_BITS), size))
    return [sum(1 << bit for bit in bits) for bits in sets]


def _expanded(starts: Array, counts: Array, order: Array) -> Iterator[tuple[Array, Array]]:
    """Each picture with each of its candidates, which are `counts` (N,) of `order` from `starts` (N,) on."""
    filled = np.flatnonzero(counts)
    before = counts[filled].cumsum()
    first = 0
    while first < len(filled):
        done = before[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(before, done + AT_ONCE, side="right")))
        part = filled[first:last]
        rows = np.repeat(part, counts[part])
        within = np.arange(len(rows)) - np.repeat(before[first:last] - counts[part] - done, counts[part])
        yield rows, order[starts[rows] + within]
        first = last


def _nearest(found: Array) -> Array:
    """Of (P, 3) rows of picture, other and bits those of the nearest few others, each once."""
    if not len(found):
        return found
    width = int(found[:, 1].max()) + 1
    pair, bits = np.divmod(np.sort((found[:, 0] * width + found[:, 1]) * 128 + found[:, 2]), 128)
    pair, first = np.unique(pair, return_index=True)  # with the fewest bits of each
    rows, columns = np.divmod(pair, width)
    key = np.sort((rows * 128 + bits[first]) * width + columns)
    rest, columns = np.divmod(key, width)
    rows, bits = np.divmod(rest, 128)
    kept = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left") < KEPT
    return np.stack([rows, columns, bits], 1)[kept]
