"""Intervals that checks print cover the truth in 93 to 97 of 100 draws, and sound sets hardly give a fault:
the shares, differences and errors behind accuracy, groups, properties, slices, head and calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks import calibration
from reportgen.checks.abstention import Abstention
from reportgen.checks.accuracy import Accuracy
from reportgen.checks.calibration import Calibration
from reportgen.checks.class_names import ClassNames
from reportgen.checks.groups import Groups
from reportgen.checks.label_noise import LabelNoise
from reportgen.stats import newcombe, paired_difference, wilson

DRAWS = 1000
SOUND = (Abstention, Accuracy, Calibration, ClassNames, Groups, LabelNoise)


def covering(ends, truth):
    low, high = np.array(ends).T
    return float(((low <= truth) & (truth <= high)).mean())


@pytest.mark.parametrize(("share", "count"), [(0.9, 300), (0.7, 120), (0.5, 60), (0.95, 500)])
def test_a_share_is_covered_as_accuracy_and_label_noise_print_it(share, count):
    draw = np.random.default_rng(2)
    right = draw.binomial(count, share, DRAWS)
    assert 0.93 <= covering([wilson(int(k), count) for k in right], share) <= 0.97


@pytest.mark.parametrize(("shares", "counts"), [((0.9, 0.8), (400, 60)), ((0.95, 0.9), (800, 150))])
def test_a_part_against_the_rest_is_covered_as_groups_properties_and_slices_print_it(shares, counts):
    draw = np.random.default_rng(3)
    a, b = (draw.binomial(n, p, DRAWS) for n, p in zip(counts, shares, strict=True))
    ends = [newcombe(int(x), counts[0], int(y), counts[1]) for x, y in zip(a, b, strict=True)]
    assert 0.93 <= covering(ends, shares[0] - shares[1]) <= 0.97


@pytest.mark.parametrize(("gained", "lost"), [(0.08, 0.04), (0.2, 0.05), (0.1, 0.1)])
def test_two_answers_to_the_same_images_are_covered_as_head_and_class_names_print_them(gained, lost):
    draw = np.random.default_rng(4)
    counts = draw.multinomial(300, (gained, lost, 1 - gained - lost), DRAWS)
    ends = [paired_difference(int(b), int(c), 300) for b, c, _ in counts]
    assert 0.93 <= covering(ends, gained - lost) <= 0.97


def sound(make_case, seed, n=300, classes=5):
    """A case whose confidence keeps its word: labels are drawn by the probabilities themselves."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 3, (n, classes))
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    labels = (p.cumsum(1) < draw.random((n, 1))).sum(1)
    case = make_case(labels.clip(0, classes - 1), logits, seed=seed)
    words = tuple(str(k) for k in draw.integers(0, 4, n))
    return replace(case, groups={"site": words})


@pytest.fixture(scope="session")
def make_case():
    from checks.conftest import case_of

    return case_of


def faults(check, make_case, draws):
    return sum(check().judge(sound(make_case, seed)).status == "fault" for seed in range(draws)) / draws


@pytest.mark.parametrize("check", SOUND, ids=lambda check: check.__name__)
def test_on_sound_sets_there_is_hardly_a_fault(check, make_case, monkeypatch):
    monkeypatch.setattr(calibration, "DRAWS", 60)
    assert faults(check, make_case, 20) <= 0.1


@pytest.mark.matrix
@pytest.mark.parametrize("check", SOUND, ids=lambda check: check.__name__)
def test_on_a_thousand_sound_sets_a_twentieth_are_a_fault_at_most(check, make_case):
    assert faults(check, make_case, 1000) <= 0.05


def calibration_ends(make_case, draws):
    found = [Calibration().judge(sound(make_case, seed)) for seed in range(draws)]
    return [verdict.low for verdict in found]


def test_the_calibration_error_of_a_calibrated_network_is_not_above_zero_for_sure(make_case, monkeypatch):
    """Its truth is 0, where the interval ends: what counts is how often it lies above."""
    monkeypatch.setattr(calibration, "DRAWS", 60)
    assert np.mean(np.array(calibration_ends(make_case, 20)) > 0) <= 0.15


@pytest.mark.matrix
def test_the_calibration_interval_covers_zero_in_most_of_a_thousand(make_case):
    assert np.mean(np.array(calibration_ends(make_case, 1000)) > 0) <= 0.07
