"""Abstention: a threshold holds on images it was not found on; confidence that orders nothing is found."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from reportgen.checks.abstention import Abstention, auroc


def answered(make_case, seed, n=400, wrong=0.1, ordered=True, classes=5):
    """Answers that are wrong for a share, less surely (or as surely) as the right ones."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, classes, n)
    err = draw.random(n) < wrong
    answers = np.where(err, (labels + draw.integers(1, classes, n)) % classes, labels)
    logits = np.zeros((n, classes))
    sure = (
        draw.gamma(8, 0.6, n) if not ordered else np.where(err, draw.gamma(2, 0.6, n), draw.gamma(8, 0.6, n))
    )
    logits[np.arange(n), answers] = 0.1 + sure
    return make_case(labels, logits, seed=seed)


@pytest.mark.parametrize("wrong", [0.1, 0.25])
def test_confidence_that_orders_nothing_is_a_fault_and_one_that_does_is_clear(make_case, wrong):
    statuses = [
        Abstention().judge(answered(make_case, s, wrong=wrong, ordered=False)).status for s in range(10)
    ]
    assert statuses.count("fault") >= (6 if wrong == 0.1 else 9)
    clean = [Abstention().judge(answered(make_case, s, wrong=wrong)).status for s in range(20)]
    assert clean.count("clear") >= 19 and "fault" not in clean


def test_the_threshold_is_told_on_images_it_was_not_found_on(make_case):
    case = answered(make_case, 1, n=2000)
    said = Abstention(accuracy=0.98).judge(case)
    words = said.sentence.split("Below ")[1].split(" ")[0]
    first = case.first_half
    given = ~first & (case.answers.confidence > float(words))
    right = case.answers.right[given].mean()
    assert f"above, {100 * right:.1f} %" in said.sentence
    assert f"on {100 * given.sum() / (~first).sum():.1f} % of the {(~first).sum():,} images" in said.sentence
    on_a = first & (case.answers.confidence > float(words))
    assert case.answers.right[on_a].mean() >= 0.98 > case.answers.right[first].mean()
    rows = dict(said.figures[1].rows)
    assert rows["share of such sets that hold it, on the other half"] == pytest.approx(0.95, abs=0.02)
    assert rows["classes in a set that holds the label for 95.0 %, mean"] >= 1


def test_area_and_interval():
    draw = np.random.default_rng(0)
    right, sure = draw.random(300) < 0.8, np.round(draw.random(300), 1)
    assert auroc(sure, right)[0] == pytest.approx(roc_auc_score(right, sure))
    inside = 0
    true = 0.7602499  # the chance that N(1, 1) is above N(0, 1)
    for _ in range(1000):
        area, low, high = auroc(
            np.concatenate([draw.normal(1, 1, 150), draw.normal(0, 1, 40)]), np.arange(190) < 150
        )
        inside += low <= true <= high
    assert 0.93 <= inside / 1000 <= 0.97
    area, low, high = auroc(np.arange(20.0), np.arange(20) >= 10)
    assert area == 1 and 0.7 < low < 1


def test_the_curve_ends_at_the_share_that_is_wrong(make_case):
    case = answered(make_case, 0)
    curve = Abstention().judge(case).figures[0]
    assert curve.values[-1, -1] == pytest.approx((~case.answers.right).mean())
    assert curve.x[-1] == 1 and (curve.values[1] >= curve.values[0] - 1e-9).all()
    assert (curve.band[0] <= curve.values[1]).all() and (curve.values[1] <= curve.band[1]).all()


def test_few_images_or_few_mistakes_decide_nothing(make_case):
    assert Abstention().judge(answered(make_case, 0, n=60)).status == "undecided"
    perfect = Abstention().judge(answered(make_case, 0, wrong=0.0))
    assert perfect.status == "undecided" and "Without any threshold 100 %" in perfect.sentence
    assert Abstention().judge(make_case([-1, -1], np.eye(2))).status == "untested"


def test_one_confidence_for_all_has_no_threshold(make_case):
    labels = np.arange(200) % 4
    logits = np.eye(4)[np.where(np.arange(200) % 5 == 0, (labels + 1) % 4, labels)]
    said = Abstention().judge(make_case(labels, logits))
    assert "No threshold was found above which 99.0 % are right." in said.sentence and said.effect == 0.5
