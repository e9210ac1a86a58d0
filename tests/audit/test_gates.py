"""Gates: what passes, what fails, and why."""

from __future__ import annotations

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
