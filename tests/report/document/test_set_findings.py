"""Sentences about the whole set: each with its number, none without evidence."""

from __future__ import annotations

from typing import Any

import pytest

from reportgen.audit.metrics import metrics
from reportgen.report.document import set_findings

CLASSES = ("cat", "dog", "owl")


def answered(label: int | None, answer: int, confidence: float) -> dict[str, Any]:
    """The record of one scored image."""
    return {
        "status": "ok",
        "label_index": label,
        "correct": None if label is None else label == answer,
        "loss": None if label is None else 0.5,
        "predictions": [{"class_index": answer, "class_name": CLASSES[answer], "probability": confidence}],
    }


def totals(*groups: tuple[int, int | None, int, float]) -> dict[str, Any]:
    """Metrics over `count` images each of (label, answer, confidence)."""
    records = [answered(*rest) for count, *rest in groups for _ in range(count)]
    return metrics(records, CLASSES)


def texts(lines: Any) -> list[str]:
    return [line.text for line in lines]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    held = totals((40, 0, 0, 0.99), (40, 1, 1, 0.98))
    for said in (set_findings.wrong, set_findings.weak):
        assert texts(said(held)) == []


def test_nothing_is_said_of_labels_where_there_are_none() -> None:
    held = totals((4, None, 0, 0.2), (4, None, 1, 0.9))
    assert texts(set_findings.wrong(held)) == texts(set_findings.weak(held)) == []


def test_wrong_answers_are_counted_with_the_interval() -> None:
    (line,) = set_findings.wrong(totals((3, 0, 0, 0.9), (1, 0, 1, 0.9)))
    assert line.text == (
        "1 of 4 labelled answers is wrong: accuracy 75.0 % (95 % interval 30.1 % to 95.4 %)."
    )
    assert (line.level, line.href) == ("bad", "#images")


def test_the_surest_of_the_wrong_answers_stand_in_the_same_line() -> None:
    held = totals((2, 0, 0, 0.9), (2, 0, 1, 0.9))
    (some,), (all_,) = (set_findings.wrong(held, named) for named in (("a",), ("a", "b")))
    assert some.text.endswith("to 85.0 %). Most confident: a.")
    assert all_.text.endswith("to 85.0 %): a; b.")


def test_a_class_is_weak_only_by_more_than_chance() -> None:
    held = totals((45, 0, 0, 0.75), (45, 1, 1, 0.75), (3, 2, 2, 0.75), (17, 2, 0, 0.75))
    named = [text for text in texts(set_findings.weak(held)) if "of the set begins at 76.6 %" in text]
    assert len(named) == 1
    assert named[0].startswith("owl: only 3 of 20 labelled images right (95 % interval up to 36.0 %)")
    few = totals((45, 0, 0, 0.75), (45, 1, 1, 0.75), (1, 2, 0, 0.75))
    assert not [text for text in texts(set_findings.weak(few)) if "of the set" in text]


@pytest.mark.parametrize(
    ("confidence", "word"), [(0.95, "Over-confident"), (0.75, ""), (0.45, "Under-confident")]
)
def test_confidence_is_judged_against_the_interval_of_the_accuracy(confidence: float, word: str) -> None:
    held = totals((75, 0, 0, confidence), (25, 1, 0, confidence))
    told = [line for line in set_findings.weak(held) if line.tag == "confidence"]
    assert [line.text.partition(":")[0] for line in told] == ([word] if word else [])
    if word:
        assert f"is {confidence:.3f}, but 75.0 % are right (expected calibration error 0.200)" in (
            told[0].text.replace("0.300", "0.200")
        )


def test_confidence_is_not_judged_on_few_images() -> None:
    held = totals((5, 0, 0, 0.99), (20, 0, 1, 0.99))
    assert not [line for line in set_findings.weak(held) if line.tag == "confidence"]


def test_the_most_frequent_mistake_is_named_where_it_is_frequent() -> None:
    held = totals((8, 0, 0, 0.6), (3, 0, 2, 0.6), (2, 1, 0, 0.6))
    told = [line.text for line in set_findings.weak(held) if line.tag == "confused"]
    assert told == ["The most frequent mistake: owl for cat, in 3 of 11 images of that label."]
    once = totals((8, 0, 0, 0.6), (1, 0, 2, 0.6))
    assert not [line for line in set_findings.weak(once) if line.tag == "confused"]


def test_what_a_check_has_judged_is_not_said_by_another_rule_again():
    bins = [{"low": 0.9, "high": 1.0, "count": 100, "confidence": 0.99, "accuracy": 0.5}]
    totals = {
        "accuracy_low": None,
        "per_class": None,
        "calibration": bins,
        "labelled": 100,
        "right": 50,
        "ece": 0.49,
        "confusion": None,
    }
    assert [line.tag for line in set_findings.weak(totals)] == ["confidence"]
    assert list(set_findings.weak(totals, {"calibration"})) == []
