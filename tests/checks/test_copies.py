"""Copies: near hashes are looked up as if all were compared, and what many pictures look like is no copy."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.checks.copies import standing_out
from reportgen.checks.nearby import alike


@pytest.mark.parametrize("distance", [0, 3, 6, 9])
def test_the_pairs_found_are_those_that_comparing_all_finds(distance):
    draw = np.random.default_rng(distance)
    own, others = (draw.integers(0, 2**63, (n, 2), dtype=np.uint64) for n in (60, 90))
    for row in range(40):  # some of each distance, from the picture or its mirror image
        flipped = draw.choice(64, int(draw.integers(0, 12)), replace=False).astype(np.uint64)
        bits = np.bitwise_or.reduce(np.uint64(1) << flipped) if len(flipped) else np.uint64(0)
        others[row, row % 2] = own[row, 0] ^ bits
    all_bits = np.bitwise_count(own[:, None, :1] ^ others[None]).min(2)
    np.testing.assert_array_equal(alike(own, others, distance), np.argwhere(all_bits <= distance))


def test_a_hundred_thousand_are_compared_without_comparing_all():
    draw = np.random.default_rng(0)
    own, others = (draw.integers(0, 2**63, (n, 2), dtype=np.uint64) for n in (20_000, 100_000))
    others[7] = own[5] ^ np.uint64(0b10101)
    assert alike(own, others, 6).tolist() == [[5, 7]]
    same = np.repeat(own[:1], 5000, 0)
    assert len(alike(same, same, 6)) == 8 * 5000, "a series gives each its nearest few"


def test_a_copy_stands_out_of_the_crowd_and_one_more_of_it_does_not():
    draw = np.random.default_rng(0)
    thing = draw.normal(0, 40, (64, 64))
    crowd = np.clip(128 + thing + draw.normal(0, 5, (60, 64, 64)), 0, 255).astype(np.uint8)
    others = {0: np.clip(crowd[0] + draw.normal(0, 1, (64, 64)), 0, 255).astype(np.uint8), 1: crowd[50]}
    greys = {0: crowd[0]}
    pairs = np.array([[0, 0], [0, 1]])
    assert standing_out(pairs, greys, others, crowd[:50]).tolist() == [True, False]
    alone = draw.integers(0, 256, (50, 64, 64), dtype=np.uint8)
    assert standing_out(pairs, greys, others, alone).tolist() == [True, True]
