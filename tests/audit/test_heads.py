"""Numbers of heads that give labels or values, against sums that are written out slowly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from reportgen.audit.gates import evaluate
from reportgen.audit.labels import of_labels
from reportgen.audit.metrics import metrics
from reportgen.audit.ranking import average_precision, roc_auc
from reportgen.audit.values import of_values

RANDOM = np.random.default_rng(0)


def slow_average_precision(holds: list[bool], scores: list[float]) -> float:
    """For every score that occurs, as a threshold: the gain in recall, times the precision there."""
    total, before, found = sum(holds), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        above = [h for h, s in zip(holds, scores, strict=True) if s >= threshold]
        recall = sum(above) / total
        found += (recall - before) * sum(above) / len(above)
        before = recall
    return found


@pytest.mark.parametrize("levels", [3, 1000])
def test_average_precision_and_roc_are_those_of_the_definitions(levels: int) -> None:
    for _ in range(20):
        holds, scores = RANDOM.random(40) < 0.3, RANDOM.integers(0, levels, 40).astype(float)
        if not 0 < holds.sum() < 40:
            continue
        expected = slow_average_precision(holds.tolist(), scores.tolist())
        assert average_precision(holds, scores) == pytest.approx(expected)
        u = stats.mannwhitneyu(scores[holds], scores[~holds]).statistic
        assert roc_auc(holds, scores) == pytest.approx(u / (holds.sum() * (~holds).sum()))


def test_known_rankings() -> None:
    holds = np.array([True, False, True, False])
    assert average_precision(holds, np.array([4.0, 3, 2, 1])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(holds, np.array([2.0, 1, 2, 1])) == roc_auc(holds, np.array([2.0, 1, 2, 1])) == 1
    assert average_precision(holds, np.zeros(4)) == roc_auc(holds, np.zeros(4)) == 0.5
    assert average_precision(~holds & holds, np.zeros(4)) is None
    assert roc_auc(holds | ~holds, np.zeros(4)) is None


def record(number: int, **known) -> dict:
    base = {"number": number, "status": "ok", "label_index": None, "correct": None, "loss": None}
    return {**base, "predictions": [{"class_index": 0, "logit": 0.0, "probability": 0.5}], **known}


def test_labels_each_by_itself() -> None:
    p = np.array([[0.9, 0.2, 0.7], [0.6, 0.8, 0.1], [0.1, 0.3, 0.2], [0.4, 0.7, 0.6]])
    holds = [[0, 2], [0], [], [2]]
    answered = [np.flatnonzero(row >= 0.5).tolist() for row in p]
    records = [
        record(n, label_indices=h, answered_indices=a, correct=h == a, loss=0.5)
        for n, (h, a) in enumerate(zip(holds, answered, strict=True))
    ]
    found = metrics(records, ["red", "green", "blue"], "labels", lambda _: p)
    assert (found["labelled"], found["right"], found["accuracy"]) == (4, 2, 0.5)  # exact matches
    assert found["per_class"] is found["confusion"] is found["calibration"] is None
    labels = found["labels"]
    red, green, blue = labels["per_label"]
    assert (red["precision"], red["recall"], red["f1"], red["average_precision"]) == (1, 1, 1, 1)
    assert (green["count"], green["answered"], green["precision"]) == (0, 2, 0)
    assert green["recall"] is green["average_precision"] is None and green["f1"] == 0
    assert blue["average_precision"] == 1 and blue["roc_auc"] == 1
    assert found["mean_average_precision"] == 1  # of the two labels that hold anywhere
    assert labels["macro_f1"] == pytest.approx(2 / 3)
    assert found["micro_f1"] == pytest.approx(2 * 4 / (4 + 6))
    assert found["hamming_loss"] == pytest.approx(2 / 12)
    assert labels["top_1"] == pytest.approx(1 / 3)  # red; green twice, which does not hold
    gates = evaluate([{"metric": "mean_average_precision", "min": 0.9}, {"metric": "mae", "max": 1}], found)
    assert [gate["outcome"] for gate in gates] == ["passed", "cannot be judged"]


def test_an_image_of_which_no_label_holds_is_labelled() -> None:
    unlabelled = record(0, label_indices=None, answered_indices=[])
    none = record(1, label_indices=[], answered_indices=[], correct=True, loss=0.1)
    found = metrics([unlabelled, none], ["a", "b"], "labels", lambda _: np.zeros((1, 2)))
    assert found["labelled"] == found["right"] == 1
    assert of_labels([], np.zeros((0, 2)), ["a", "b"]) is None


def test_values_and_their_intervals() -> None:
    truth, said = RANDOM.normal(size=30) * 5 + 40, RANDOM.normal(size=30) * 5 + 41
    records = [record(n, truth=[float(t)], predictions=[{"probability": None}]) for n, t in enumerate(truth)]
    found = metrics(records, ["age"], "values", lambda _: said[:, None])
    errors = said - truth
    assert found["mae"] == pytest.approx(np.abs(errors).mean())
    assert found["rmse"] == pytest.approx(math.sqrt((errors**2).mean()))
    assert (found["labelled"], found["unsure"]) == (30, 0)
    assert found["accuracy"] is found["mean_confidence"] is None
    (row,) = found["values"]["per_value"]
    mean, sem = np.abs(errors).mean(), stats.sem(np.abs(errors))
    assert row["mae_interval"] == pytest.approx(list(stats.t.interval(0.95, 29, mean, sem)), rel=1e-4)
    assert row["r2"] == pytest.approx(1 - (errors**2).sum() / ((truth - truth.mean()) ** 2).sum())
    (gate,) = evaluate([{"metric": "mae", "max": 100}], found)
    assert gate["passed"]


def test_one_image_has_an_error_and_no_interval() -> None:
    found = of_values([{"truth": [2.0]}], np.array([[5.0]]), ["value"])
    (row,) = found["per_value"]
    assert (row["mae"], row["bias"]) == (3, 3)
    assert row["mae_interval"] is row["rmse_interval"] is row["r2"] is None


def one_of(n: int, label: int, answer: int, rest: list[int], logit: float = 1.0) -> dict:
    order = [answer, *rest]
    predictions = [
        {"class_index": k, "logit": logit - at, "probability": 0.5 / (at + 1)} for at, k in enumerate(order)
    ]
    return record(n, label_index=label, correct=label == answer, loss=1.0, predictions=predictions)


def test_precision_recall_f1_and_top_5_of_classes() -> None:
    pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (2, 0), (2, 5)]
    records = [one_of(n, label, answer, [3, 4, 6, 2]) for n, (label, answer) in enumerate(pairs)]
    found = metrics(records, list("abcdefg"))
    zero, one, two = found["per_class"]
    assert (zero["precision"], zero["recall"], zero["f1"]) == (0.5, 0.5, 0.5)
    assert (one["precision"], one["recall"]) == (pytest.approx(2 / 3), 1)
    assert (two["precision"], two["recall"], two["f1"], two["answered"]) == (None, 0, 0, 0)
    assert found["macro_precision"] == pytest.approx((0.5 + 2 / 3) / 3)
    assert found["macro_f1"] == pytest.approx((0.5 + 0.8) / 3)
    assert found["top_5_accuracy"] == pytest.approx(5 / 6)  # 2 is the fifth of the last two, 0 nowhere
    assert found["roc_auc"] is None


def test_two_classes_have_a_roc() -> None:
    logits = [2.0, -1.0, 0.5, -3.0, 0.1]
    labels = [1, 1, 0, 0, 1]
    records = []
    for n, (z, label) in enumerate(zip(logits, labels, strict=True)):
        both = [{"class_index": k, "logit": s, "probability": 0.5} for k, s in ((1, z), (0, -z))]
        records.append(record(n, label_index=label, correct=True, loss=1.0, predictions=both))
    found = metrics(records, ["good", "defect"], "binary")
    assert found["roc_auc"] == pytest.approx(4 / 6)
    expected = slow_average_precision([bool(label) for label in labels], logits)
    assert found["average_precision"] == pytest.approx(expected)
    assert found["top_5_accuracy"] is None
