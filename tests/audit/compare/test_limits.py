"""Limits within so much of a baseline: at the limit is within it, whatever floats make of the difference."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.audit.compare.limits import judged
from reportgen.audit.compare.sides import Side, read_side
from reportgen.audit.compare.verdicts import requirement_changes


@pytest.fixture(scope="session")
def results(nights: Any) -> Any:
    return json.loads((nights.report("first") / "results.json").read_bytes())


def held(results: Any, metric: str, within: float, was: float, now: float) -> Any:
    """The row of one limit, of two audits that gave such numbers."""
    new, old = ({**results, "metrics": {**results["metrics"], metric: value}} for value in (now, was))
    (row,) = judged([{"metric": metric, "within": within}], {}, {}, new, old)  # type: ignore[typeddict-item]
    return row


HUNDREDTHS = st.integers(0, 100).map(lambda n: Decimal(n) / 100)


@settings(deadline=None)  # a slow machine is no failure
@given(was=HUNDREDTHS, now=HUNDREDTHS, within=HUNDREDTHS)
def test_a_fall_is_judged_as_in_exact_arithmetic(
    results: Any, was: Decimal, now: Decimal, within: Decimal
) -> None:
    row = held(results, "accuracy", float(within), float(was), float(now))
    assert row["passed"] == (now >= was - within)
    rise = held(results, "ece", float(within), float(was), float(now))
    assert rise["passed"] == (now <= was + within)


def test_the_words_are_round_and_the_name_holds_no_number_of_the_baseline(results: Any) -> None:
    at = held(results, "accuracy", 0.1, 0.8, 0.7)
    assert at["reason"] == "accuracy is 70 %, no more than 10 % below the baseline's 80 %"
    past = held(results, "accuracy", 0.1, 2 / 3, 0.5)
    assert past["reason"] == "accuracy is 50 %, more than 10 % below the baseline's 66.6667 %"
    assert at["name"] == past["name"] == "accuracy within 10 % of the baseline's"
    small = held(results, "mae", 1e-8, 2e-8, 4e-8)
    assert not small["passed"]


def test_a_limit_within_a_baseline_is_no_requirement_of_the_audit_before(results: Any) -> None:
    own = held(results, "accuracy", 0.1, 0.9, 0.85)
    plain = {**own, "compares": False, "limit": 0.5, "margin": 0.35}
    old = Side("old", {**results, "gates": [plain, own]}, None)
    new = Side("new", {**results, "gates": [plain]}, None)
    (row,) = requirement_changes(new, old)
    assert (row["old_margin"], row["new_margin"]) == (0.35, 0.35)


def test_curves_of_other_checks_are_not_taken_for_corruptions(nights: Any) -> None:
    import numpy as np

    from reportgen.audit.compare.curves import curve_changes
    from reportgen.findings import Curve, Verdict

    def curve(name: str, values: list[float]) -> Curve:
        x = np.arange(3.0)
        return Curve(name, name, np.array([values]), x, ("right",), "severity", "share", None, (0.0, 1.0))

    class Known:
        def __init__(self, fall: float) -> None:
            self.figures = (curve("axis-blur", [1.0, 1.0 - fall, 0.5]), curve("roc", [0.0, fall, 1.0]))

        def verdicts(self) -> dict[str, Verdict]:
            return {
                name: Verdict(status="clear", sentence="It holds.", figures=self.figures)
                for name in ("corruptions", "foreign")
            }

    sides = [Side(str(fall), {}, Known(fall)) for fall in (0.4, 0.1)]  # type: ignore[arg-type]
    (row,) = curve_changes(*sides)
    assert (row["check"], row["title"], row["at"]) == ("corruptions", "axis-blur", 1.0)
    assert row["largest_fall"] == pytest.approx(0.3)
    assert curve_changes(read_side(nights.report("second")), read_side(nights.report("first"))) == []


@pytest.mark.parametrize(
    ("new", "old", "further"),
    [
        ((2.0, 3.0), (0.5, 1.0), "new"),
        ((0.5, 1.0), (2.0, 2.0), "old"),
        ((0.5, 2.0), (2.0, 3.0), None),  # what the one may bear, the other surely does
        ((0.0, 5.0), (1.0, 1.0), None),
    ],
)
def test_models_are_told_apart_where_their_intervals_do_not_meet(new: Any, old: Any, further: Any) -> None:
    import numpy as np

    from reportgen.audit.compare.curves import curve_changes, is_apart
    from reportgen.findings import Curve, Number, Verdict

    class Known:
        """Each was asked at severities of its own."""

        def __init__(self, ends: tuple[float, float], x: list[float]) -> None:
            band = np.array([[0.8, 0.5, 0.3], [1.0, 0.7, 0.5]])
            curve = Curve(
                "axis-jpeg", "JPEG", np.array([[0.9, 0.6, 0.4]]), np.array(x), ("right",), "x", "y", band
            )
            # the amounts fall with the severity: only severities say which of the two is further
            numbers = {
                "jpeg.holds_to_quality": Number(85.0, 25.0, 85.0),
                "jpeg.holds_to_severity": Number(ends[0], *ends),
            }
            self.verdict = Verdict(status="clear", sentence="So.", figures=(curve,), numbers=numbers)

        def verdicts(self) -> dict[str, Verdict]:
            return {"corruptions": self.verdict}

    sides = Known(new, [0.0, 2.0, 3.0]), Known(old, [0.0, 0.5, 1.0])
    (row,) = curve_changes(*(Side(name, {}, each) for name, each in zip("ba", sides, strict=True)))  # type: ignore[arg-type]
    assert row["holds"] == {"new": list(new), "old": list(old), "further": further}
    assert is_apart(row) == bool(further)
    assert row["x"] == [0.0] and row["largest_fall"] == 0, "they have only the pictures as they are in common"
    assert row["new_line"]["x"] == [0.0, 2.0, 3.0]
    assert row["old_line"]["high"] == pytest.approx([1.0, 0.7, 0.5])
