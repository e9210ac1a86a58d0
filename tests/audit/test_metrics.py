"""Numbers over the set against their definitions."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.gate_numbers import OF_SET
from reportgen.audit.labels import GatedLabels
from reportgen.audit.metrics import UNSURE_BELOW, metrics
from reportgen.audit.quantities import gated
from reportgen.audit.values import GatedValues
from reportgen.stats import wilson

CLASSES = ("cat", "dog", "bird")


def record(probability: float, label: int | None, answer: int, loss: float = 1.0) -> dict[str, Any]:
    return {
        "status": "ok",
        "label_index": label,
        "correct": None if label is None else label == answer,
        "loss": None if label is None else loss,
        "predictions": [{"class_index": answer, "probability": probability}],
    }


REJECTED = {"status": "rejected", "label_index": 0, "correct": None, "loss": None, "predictions": []}


def test_a_set_counted_by_hand() -> None:
    records = [
        record(0.9, 0, 0, loss=0.1),
        record(0.8, 0, 1, loss=2.0),
        record(0.39, 2, 2, loss=0.9),
        record(0.5, None, 1),
        REJECTED,
    ]
    found = metrics(records, CLASSES)
    assert (found["images"], found["rejected"], found["labelled"], found["unsure"]) == (5, 1, 3, 1)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(1.0)
    assert found["mean_confidence"] == pytest.approx((0.9 + 0.8 + 0.39 + 0.5) / 4)
    assert found["lowest_class_accuracy"] == 0.5
    rows = [(row["class_name"], row["correct"], row["count"]) for row in found["per_class"]]
    assert rows == [("cat", 1, 2), ("bird", 1, 1)]


def test_what_needs_labels_is_unknown_without_them() -> None:
    found = metrics([record(0.9, None, 0), REJECTED], CLASSES)
    assert found["labelled"] == 0
    shares = ("accuracy", "accuracy_low", "accuracy_high", "lowest_class_accuracy")
    for key in (*shares, "per_class", "loss", "ece", "calibration", "confusion"):
        assert found[key] is None


def test_an_answer_just_below_the_limit_is_unsure() -> None:
    answers = (0.9, UNSURE_BELOW, math.nextafter(UNSURE_BELOW, 0))
    assert metrics([record(p, None, 0) for p in answers], CLASSES)["unsure"] == 1


def silent(label: int | None) -> dict[str, Any]:
    """The record of an image for which the model's output is not finite."""
    return record(0.0, label, 0) | {"predictions": [], "correct": None, "loss": None}


def test_an_image_without_an_answer_is_neither_right_nor_wrong() -> None:
    answered = [record(0.9, 0, 0), record(0.8, 0, 1), record(0.3, 2, 2)]
    found = metrics([*answered, silent(0), silent(1), silent(None)], CLASSES)
    without = metrics(answered, CLASSES)
    assert (found["images"], found["unanswered"], found["unanswered_labelled"]) == (6, 3, 2)
    same = ("labelled", "right", "per_class", "confusion", "ece", "calibration", "mean_confidence", "unsure")
    for key in same:
        assert found[key] == without[key]
    assert (found["labelled"], found["right"]) == (3, 2)
    for key in ("accuracy", "accuracy_low", "accuracy_high", "lowest_class_accuracy", "loss"):
        assert found[key] is None, "of all labelled images it is not known"


def test_what_is_said_of_the_labelled_does_not_hang_on_the_others() -> None:
    found = metrics([record(0.9, 0, 0), silent(None)], CLASSES)
    assert (found["accuracy"], found["unanswered"], found["unanswered_labelled"]) == (1.0, 1, 0)


def test_a_set_of_which_nothing_is_answered_has_no_numbers() -> None:
    found = metrics([silent(0), silent(1)], CLASSES)
    assert (found["unanswered"], found["labelled"], found["right"], found["unsure"]) == (2, 0, 0, 0)
    for key in ("accuracy", "per_class", "loss", "ece", "calibration", "confusion", "mean_confidence"):
        assert found[key] is None


def test_a_loss_that_is_not_finite_is_not_left_out_of_the_mean() -> None:
    found = metrics([record(0.9, 0, 0, loss=0.1), record(1.0, 0, 1, loss=None)], CLASSES)  # type: ignore[arg-type]
    assert found["loss"] is None


def test_every_metric_that_a_gate_may_name_is_there() -> None:
    found = metrics([record(0.9, 0, 0)], CLASSES)
    others = {"roc_auc", "average_precision", "top_5_accuracy", *gated(GatedLabels), *gated(GatedValues)}
    for name in OF_SET:
        assert isinstance(found[name], int | float) or name in others
    assert {name for name in others if found[name] is not None} == set()


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, table I, method 3 (the score method without continuity correction)
    for right, count, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        assert wilson(right, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    right, count = counts
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1
    assert wilson(count - right, count) == pytest.approx((1 - high, 1 - low))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_classes_make_up_the_whole(answers: list[tuple[int, int]]) -> None:
    found = metrics([record(0.5, label, answer) for label, answer in answers], CLASSES)
    rows = found["per_class"]
    assert sum(row["count"] for row in rows) == found["labelled"] == len(answers)
    assert sum(row["correct"] for row in rows) / len(answers) == pytest.approx(found["accuracy"])
    assert min(row["accuracy"] for row in rows) <= found["accuracy"]
