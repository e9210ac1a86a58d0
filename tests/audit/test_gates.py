"""Gates: what passes, what fails, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.gates import evaluate

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_a_limit_is_met_at_the_limit_and_on_its_side(value: float, limit: float) -> None:
    low, high = evaluate([{"metric": "loss", "min": limit, "max": limit}], {"loss": value})
    assert low["passed"] == (value >= limit)
    assert high["passed"] == (value <= limit)
    assert low["passed"] or high["passed"]
    for row in (low, high):
        assert (row["reason"] is None) == row["passed"]
        assert (row["value"], row["limit"]) == (value, limit)


def test_what_is_not_known_has_not_passed() -> None:
    (row,) = evaluate([{"metric": "accuracy", "min": None, "max": 0.5}], {"accuracy": None})
    assert not row["passed"]
    assert "no image has a label" in row["reason"]


def test_the_reason_tells_a_near_miss_from_its_limit() -> None:
    (row,) = evaluate([{"metric": "accuracy", "min": 0.9}], {"accuracy": 0.89996})
    assert row["name"] == "accuracy >= 0.9"
    assert row["reason"] == "accuracy is 0.89996, below 0.9"


def test_no_gates_no_rows() -> None:
    assert evaluate([], {"accuracy": 0.1}) == []


TRUST = {
    "stage": "half",
    "methods": {
        "grad-cam": {"judged": 0, "advantage": None, "verdict": "could not be judged: all zero"},
        "saliency": {
            "judged": 3,
            "randomised": {"head": 0.9, "half": 0.7, "all": 0.25},
            "faithfulness": 0.3,
            "advantage": 0.2,
            "beats_random_sd": 4.0,
            "stability": None,
        }
    }
}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("trust.saliency.randomised", 0.7),  # of the stage that the verdict is about
        ("trust.saliency.faithfulness", 0.3),
        ("trust.saliency.advantage", 0.2),
        ("trust.saliency.beats_random_sd", 4.0),
    ],
)
def test_a_gate_can_be_about_the_trust_of_a_map(metric: str, value: float) -> None:
    (row,) = evaluate([{"metric": metric, "min": value}], {}, TRUST)
    assert (row["value"], row["passed"]) == (value, True)
    (row,) = evaluate([{"metric": metric, "max": value - 0.1}], {}, TRUST)
    assert not row["passed"]
    assert row["reason"] == f"{metric} is {value!r}, above {value - 0.1!r}"


@pytest.mark.parametrize(
    ("metric", "trust", "why"),
    [
        ("trust.saliency.stability", TRUST, "no map of saliency gave this number"),
        ("trust.grad-cam.advantage", TRUST, "could not be judged: all zero"),
        ("trust.guided-backprop.stability", TRUST, "no map of guided-backprop was put to the test"),
        ("trust.saliency.stability", None, "no map of saliency was put to the test"),
    ],
)
def test_a_map_that_was_not_tested_has_not_passed(metric: str, trust: dict | None, why: str) -> None:
    (row,) = evaluate([{"metric": metric, "max": 1.0}], {}, trust)
    assert not row["passed"]
    assert row["reason"] == f"{metric} is not known: {why}"
