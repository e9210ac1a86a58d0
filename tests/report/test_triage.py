"""The worst answers come first, and an answer is referred where its own set shows from where on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.findings.verdicts import Number, Verdict
from reportgen.report.triage import is_referred, refer_below, worst_first


def record(number: int, p: float | None, correct: bool | None, loss: float | None = None) -> Any:
    best = {"class_index": 0, "class_name": "a", "logit": 1.0, "probability": p}
    said = {"status": "ok", "predictions": [best], "correct": correct, "loss": loss}
    return {"number": number, "id": f"{number:06d}", **said}


def unanswered(number: int) -> Any:
    return {**record(number, None, None), "predictions": []}


def evidence(verdict: Verdict | None) -> Any:
    return SimpleNamespace(verdicts=lambda: {"abstention": verdict} if verdict else {})


ANSWERS = st.tuples(st.floats(0, 1), st.sampled_from([True, False, None]), st.floats(0, 10))


@given(st.lists(ANSWERS, max_size=12))
def test_wrong_ones_by_their_loss_come_before_all_others_by_their_confidence(answers: list[Any]) -> None:
    records = [record(n, *answer) for n, answer in enumerate(answers)]
    order = worst_first([*records, unanswered(len(records))])
    assert order[0]["predictions"] == [], "what has no answer comes first"
    kinds = [one["correct"] is False for one in order[1:]]
    assert kinds == sorted(kinds, reverse=True)
    losses = [one["loss"] for one in order[1:] if one["correct"] is False]
    sure = [one["predictions"][0]["probability"] for one in order[1:] if one["correct"] is not False]
    assert losses == sorted(losses, reverse=True) and sure == sorted(sure)
    assert worst_first(reversed(order)) == order, "whatever order they came in"


def test_values_come_by_their_loss() -> None:
    values = [record(n, None, None, loss) for n, loss in enumerate((0.5, 2.0, None))]
    assert [one["number"] for one in worst_first(values)] == [1, 0, 2]


@pytest.mark.parametrize(("p", "referred"), [(0.79, True), (0.8, True), (0.81, False), (None, False)])
def test_what_is_not_above_the_threshold_is_referred(p: float | None, referred: bool) -> None:
    assert is_referred(record(0, p, None), 0.8) is referred
    assert is_referred(record(0, p, None), None) is False
    assert is_referred({**record(0, p, None), "answered_indices": []}, 0.8) is False, "labels, each by itself"
    assert is_referred(unanswered(0), 0.8) is False


@pytest.mark.parametrize(
    ("status", "value", "below"), [("clear", 0.8, 0.8), ("clear", 0.0, None), ("fault", 0.8, None)]
)
def test_a_threshold_is_used_where_confidence_tells_right_from_wrong(
    status: Any, value: float, below: float | None
) -> None:
    verdict = Verdict(status, "So it is.", numbers={"threshold": Number(value)})
    assert refer_below(evidence(verdict)) == below
    assert refer_below(evidence(None)) is None
    assert refer_below(evidence(Verdict("clear", "Of older evidence."))) is None
