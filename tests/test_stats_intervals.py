"""Intervals of differences cover what they should, and Holm's correction is Holm's."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.stats import holm, newcombe, paired_difference

DRAWS = 1000


@pytest.mark.parametrize("shares", [(0.9, 0.8), (0.5, 0.5), (0.97, 0.93), (0.3, 0.6)])
def test_newcombe_covers(shares):
    draw = np.random.default_rng(0)
    a, b = (draw.binomial(60, share, DRAWS) for share in shares)
    ends = np.array([newcombe(int(x), 60, int(y), 60) for x, y in zip(a, b, strict=True)])
    truth = shares[0] - shares[1]
    assert 0.93 <= ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() <= 0.98


@pytest.mark.parametrize("gained, lost", [(0.2, 0.05), (0.1, 0.1), (0.5, 0.02), (0.05, 0.03)])
def test_the_paired_interval_covers(gained, lost):
    draw = np.random.default_rng(1)
    counts = draw.multinomial(200, (gained, lost, 1 - gained - lost), DRAWS)
    ends = np.array([paired_difference(int(b), int(c), 200) for b, c, _ in counts])
    truth = gained - lost
    assert 0.93 <= ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean() <= 0.975


def test_an_example_of_newcombe():
    """Newcombe 1998, table II: 56/70 against 48/80 by method 10."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-4)


def test_holm_is_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.7, 0.9]) == [1.0, 1.0]
