"""Calibration: logits that were scaled are found, with the scale; what is calibrated is clear."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.checks import calibration_error
from reportgen.checks.calibration import Calibration
from reportgen.checks.calibration_error import debiased
from reportgen.checks.temperature import fitted


def calibrated(make_case, scale=1.0, seed=0, n=600, classes=6, spread=3.0):
    """Labels drawn from the softmax of the logits, which are then scaled."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, spread, (n, classes))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > draw.random(n)[:, None]).argmax(1)
    return make_case(labels, logits * scale, seed=seed)


@pytest.mark.parametrize("scale", [5.0, 2.5, 0.4, 0.2])
@pytest.mark.parametrize("seed", range(2))
def test_scaled_logits_are_found_with_their_scale(make_case, scale, seed):
    said = Calibration().judge(calibrated(make_case, scale, seed))
    assert said.status == "fault"
    assert said.sentence.startswith("Over-confident" if scale > 1 else "Under-confident")
    rows = dict(said.figures[0].rows)
    assert rows["temperature of the least log loss"] == pytest.approx(scale, rel=0.2)


def test_sure_and_nearly_right_answers_with_logits_five_times_too_large(make_case):
    said = Calibration().judge(calibrated(make_case, 5.0, spread=20.0))
    assert said.effect < 0.05 and said.status in ("warning", "fault")
    assert said.sentence.startswith("Over-confident") and "temperature of" in said.sentence


def test_what_is_calibrated_is_hardly_ever_an_alarm(make_case):
    statuses = [
        Calibration().judge(calibrated(make_case, 1.0, seed, spread=spread)).status
        for seed in range(4)
        for spread in (1.0, 3.0, 8.0)
    ]
    assert statuses.count("fault") == 0 and statuses.count("warning") <= 1
    assert statuses.count("clear") >= 6


def test_a_slight_under_confidence_is_no_finding(make_case):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, 600)
    logits = np.where(np.eye(5)[labels] > 0, 4.2, 0.0)  # 94 % sure
    wrong = draw.random(600) < 0.02
    said = Calibration().judge(make_case(np.where(wrong, (labels + 1) % 5, labels), logits))
    assert said.status in ("clear", "undecided")


@pytest.mark.parametrize("draws", [60, pytest.param(200, marks=pytest.mark.matrix)])
def test_the_interval_of_a_constant_error_covers(draws, monkeypatch):
    monkeypatch.setattr(calibration_error, "DRAWS", draws)
    inside, draw = 0, np.random.default_rng(0)
    for seed in range(40):
        sure = draw.uniform(0.6, 1.0, 300)
        right = (draw.random(300) < sure - 0.1).astype(float)
        _, low, high = debiased(sure, right, seed)
        inside += low <= 0.1 <= high
    assert inside >= 35  # 38 expected, and 34 or fewer in one of forty series


def test_the_temperature_is_that_of_the_least_loss():
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (4000, 4))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > draw.random(4000)[:, None]).argmax(1)
    assert fitted(3 * logits, labels) == pytest.approx(3, rel=0.1)


def test_few_or_no_labels(make_case):
    assert Calibration().judge(calibrated(make_case, n=60)).status == "undecided"
    assert Calibration().judge(make_case([-1, -1], np.eye(2))).status == "untested"


def test_a_large_gain_that_is_not_sure_is_not_clear(make_case):
    draw = np.random.default_rng(2)
    labels = draw.integers(0, 5, 300)
    logits = np.eye(5)[labels] * draw.uniform(15, 40, (300, 1))
    wrong = np.flatnonzero(draw.random(300) < 0.02)
    logits[wrong] = np.roll(logits[wrong], 1, axis=1)
    said = Calibration().judge(make_case(labels, logits))
    assert said.high <= 0.05, "by the error alone it would be clear"
    assert said.status in ("undecided", "warning") and "lower" in said.sentence


@pytest.mark.parametrize("seed", range(3))
def test_ten_mistakes_told_with_certainty_are_found(make_case, seed):
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 6, 360)
    logits = draw.normal(0, 1, (360, 6)) + 5 * np.eye(6)[labels]
    wrong = draw.choice(360, 10, replace=False)
    logits[wrong] = draw.normal(0, 1, (10, 6)) + 3 * np.eye(6)[(labels[wrong] + 1) % 6]
    mended, flaw = (Calibration().judge(make_case(labels, scale * logits, seed=seed)) for scale in (1, 5))
    assert flaw.status in ("fault", "warning") and flaw.sentence.startswith("Over-confident")
    assert flaw.high <= 0.05, "the error alone does not show it"
    assert mended.status in ("clear", "undecided")


def test_under_confidence_by_ten_points_is_no_alarm_and_by_thirty_is(make_case):
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 6, 400)
    wrong = draw.random(400) < 0.05
    answers = np.where(wrong, (labels + 1) % 6, labels)
    for logit, bad in ((3.55, False), (2.2, True)):  # 87 % and 64 % sure of 95 %
        said = Calibration().judge(make_case(labels, logit * np.eye(6)[answers]))
        assert (said.status in ("fault", "warning")) is bad
        assert said.limit == 0.1 and "second look" in said.limit_reason


def test_a_temperature_at_the_end_of_those_tried_is_no_remedy(make_case):
    labels = np.arange(600) % 6
    said = Calibration().judge(make_case(labels, 0.02 * np.eye(6)[labels]))
    assert said.status == "fault" and "temperature of" not in said.sentence
    assert "1/20" in said.remedy
