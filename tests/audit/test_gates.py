"""Gates: what passes, what fails, and why."""

from __future__ import annotations

import re
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.gate_numbers import OF_MAPS, OF_SET, OF_TWO
from reportgen.audit.gates import evaluate
from reportgen.stats import paired_difference, wilson

SET = {"unanswered": 0, "unanswered_labelled": 0, "labelled": 5}
TESTS = {
    **dict.fromkeys(OF_TWO, 0),
    "accuracy_change": -0.01,
    "unanswered": 0,
    "unanswered_labelled": 0,
}
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE)
def test_a_limit_is_met_at_the_limit_and_on_its_side(value: float, limit: float) -> None:
    low, high = evaluate([{"metric": "loss", "min": limit, "max": limit}], SET | {"loss": value})
    assert low["passed"] == (value >= limit)
    assert high["passed"] == (value <= limit)
    assert low["passed"] or high["passed"]
    for row, (good, bad) in zip((low, high), (("at least", "below"), ("at most", "above")), strict=True):
        assert row["outcome"] == ("passed" if row["passed"] else "failed")
        assert (row["value"], row["limit"]) == (value, limit)
        assert f", {good if row['passed'] else bad} " in row["reason"]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_numbers_of_a_reason_are_in_the_order_of_the_real_ones(value: float, limit: float) -> None:
    (row,) = evaluate([{"metric": "loss", "min": limit}], SET | {"loss": value})
    told = re.fullmatch(r"loss is (\S+), (?:at least|below) (\S+)", row["reason"].replace("−", "-"))
    assert told
    shown, bound = map(float, told.groups())
    assert (shown < bound, shown > bound) == (value < limit, value > limit)
    assert bound == limit


def test_what_is_not_known_cannot_be_judged() -> None:
    unlabelled = SET | {"accuracy": None, "labelled": 0}
    (row,) = evaluate([{"metric": "accuracy", "min": None, "max": 0.5}], unlabelled)
    assert (row["passed"], row["outcome"], row["value"]) == (False, "cannot be judged", None)
    assert row["reason"] == "accuracy is not known: no image has a label"


def numbered(
    value: float | None, low: float | None = None, high: float | None = None
) -> list[dict[str, Any]]:
    """A verdict that has a number."""
    number = {"value": value, "low": low, "high": high}
    return [{"name": "corruptions", "sentence": "So it is.", "numbers": {"blur.holds_to_px": number}}]


@pytest.mark.parametrize(
    ("number", "bound", "outcome"),
    [
        (numbered(2, 2, 2), {"min": 1.5}, "passed"),
        (numbered(1, 1, 1), {"min": 1.5}, "failed"),
        (numbered(1, 1, 3), {"min": 1.5}, "cannot be judged"),
        (numbered(1, 1, 3), {"min": 1}, "passed"),
        (numbered(1, 1, 3), {"min": 3.5}, "failed"),
        (numbered(25, 10, 25), {"max": 20}, "cannot be judged"),
        (numbered(25, 10, 25), {"max": 30}, "passed"),
        (numbered(0.25), {"max": 0.2}, "failed"),
        (numbered(None), {"max": 0.2}, "cannot be judged"),
        ([], {"max": 0.2}, "cannot be judged"),
    ],
)
def test_a_number_of_a_check_is_judged_where_both_of_its_ends_say_the_same(
    number: list[dict[str, Any]], bound: dict[str, float], outcome: str
) -> None:
    (row,) = evaluate([{"metric": "corruptions.blur.holds_to_px", **bound}], {}, None, None, number)
    assert (row["outcome"], row["passed"]) == (outcome, outcome == "passed")
    assert row["reason"].startswith("corruptions.blur.holds_to_px is ")
    if outcome == "cannot be judged" and number and number[0]["numbers"]["blur.holds_to_px"]["low"]:
        assert "not decided: it lies between" in row["reason"]


def test_shares_are_told_in_percent_and_a_near_miss_from_its_limit() -> None:
    (row,) = evaluate([{"metric": "accuracy", "min": 0.9}], SET | {"accuracy": 0.89996})
    assert (row["name"], row["reason"]) == ("accuracy ≥ 90 %", "accuracy is 89.996 %, below 90 %")
    (row,) = evaluate([{"metric": "accuracy", "max": 0.07}], SET | {"accuracy": 2 / 3})
    assert (row["name"], row["reason"]) == ("accuracy ≤ 7 %", "accuracy is 66.67 %, above 7 %")
    (row,) = evaluate([{"metric": "loss", "max": 0.5}], SET | {"loss": 0.25})
    assert (row["name"], row["reason"]) == ("loss ≤ 0.5", "loss is 0.25, at most 0.5")
    (row,) = evaluate([{"metric": "beside.accuracy_change", "min": -0.02}], {}, None, TESTS)
    assert row["name"] == "beside.accuracy_change ≥ −2 percentage points"
    assert row["reason"] == "beside.accuracy_change is −1 percentage points, at least −2 percentage points"


SHARES = {"accuracy", "lowest_class_accuracy", "top_5_accuracy", "micro_f1", "hamming_loss"}
SHARES |= {"macro_precision", "macro_recall", "macro_f1"}
OF_LABELLED = ("loss", "ece", "roc_auc", "average_precision", "mean_average_precision", "mae", "rmse")
OF_LABELLED += tuple(sorted(SHARES))
OF_ANSWERS = ("mean_confidence", "unsure")
COUNTS = ("images", "rejected", "unanswered", "labelled")


def test_every_metric_of_the_set_is_of_one_of_three_kinds() -> None:
    assert {*OF_LABELLED, *OF_ANSWERS, *COUNTS} == set(OF_SET)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("metric", [*OF_LABELLED, *OF_ANSWERS, *COUNTS])
def test_a_gate_on_a_set_with_an_image_that_has_no_answer(metric: str, labelled: bool) -> None:
    """Only what hangs on that image cannot be judged: accuracy not, where it has no label."""
    found = SET | {"unanswered": 1, "unanswered_labelled": int(labelled), metric: 1}
    (row,) = evaluate([{"metric": metric, "min": 0}], found)
    hangs = metric in OF_ANSWERS or (metric in OF_LABELLED and labelled)
    assert row["outcome"] == ("cannot be judged" if hangs else "passed")
    assert row["passed"] is not hangs
    assert ("no answer, as the output there is not finite" in row["reason"]) == hangs


@pytest.mark.parametrize("number", OF_TWO)
def test_a_gate_on_two_models_of_which_one_did_not_answer(number: str) -> None:
    tests = TESTS | {"unanswered": 1, "unanswered_labelled": 1}
    (row,) = evaluate([{"metric": f"beside.{number}", "min": -1}], {}, None, tests)
    assert (row["outcome"], row["passed"]) == ("cannot be judged", False)
    assert "no answer by one of the models" in row["reason"]
    (row,) = evaluate([{"metric": f"beside.{number}", "min": -1}], {}, None, TESTS)
    assert row["outcome"] == "passed"


def test_no_gates_no_rows() -> None:
    assert evaluate([], {"accuracy": 0.1}) == []


TRUST = {
    "stage": "all",
    "methods": {
        "grad-cam": {"judged": 0, "advantage": None, "verdict": "could not be judged: all zero"},
        "saliency": {
            "judged": 3,
            "randomised": {"head": None, "half": 0.9, "all": 0.7},
            "faithfulness": 0.3,
            "advantage": 0.2,
            "beats_random_sd": 4.0,
            "gain": 0.6,
            "stability": None,
        },
    },
}


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("trust.saliency.randomised", 0.7),  # of the stage that the verdict is about
        ("trust.saliency.faithfulness", 0.3),
        ("trust.saliency.advantage", 0.2),
        ("trust.saliency.beats_random_sd", 4.0),
        ("trust.saliency.gain", 0.6),
    ],
)
def test_a_gate_can_be_about_the_trust_of_a_map(metric: str, value: float) -> None:
    (row,) = evaluate([{"metric": metric, "min": value}], {}, TRUST)
    assert (row["value"], row["passed"]) == (value, True)
    (row,) = evaluate([{"metric": metric, "max": value - 0.1}], {}, TRUST)
    assert not row["passed"]
    assert row["outcome"] == "failed"
    assert row["reason"].startswith(f"{metric} is {value:g}, above ")


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
    assert (row["passed"], row["outcome"]) == (False, "cannot be judged")
    assert row["reason"] == f"{metric} is not known: {why}"


@pytest.mark.parametrize(
    ("metric", "known", "why"),
    [
        (
            "loss",
            {"labelled": 5},
            "the loss of a labelled image is infinite: its label has the probability 0",
        ),
        ("loss", {"labelled": 0}, "no image has a label"),
        ("mean_confidence", {"labelled": 0}, "no image has an answer"),
    ],
)
def test_a_number_that_is_not_known_says_why(metric: str, known: dict[str, int], why: str) -> None:
    (row,) = evaluate([{"metric": metric, "max": 1.0}], SET | known | {metric: None})
    assert (row["outcome"], row["passed"], row["value"]) == ("cannot be judged", False, None)
    assert row["reason"] == f"{metric} is not known: {why}"


def test_without_a_second_model_a_gate_on_it_cannot_be_judged() -> None:
    (row,) = evaluate([{"metric": "beside.broken", "max": 0}], {}, None, None)
    assert (row["outcome"], row["passed"]) == ("cannot be judged", False)
    assert row["reason"] == "beside.broken is not known: no second model was measured"


def test_labels_that_no_two_answers_share_leave_the_change_unknown() -> None:
    (row,) = evaluate([{"metric": "beside.mended", "min": 0}], {}, None, TESTS | {"mended": None})
    assert row["outcome"] == "cannot be judged"
    assert row["reason"].endswith("no image that both models answered has a label")


def test_a_gate_with_two_limits_is_two_rows_the_lower_first() -> None:
    gates = [{"metric": "images", "min": 3, "max": 2}, {"metric": "unsure", "max": 1}]
    rows = evaluate(gates, SET | {"images": 2, "unsure": 1})
    assert [row["name"] for row in rows] == ["images ≥ 3", "images ≤ 2", "unsure ≤ 1"]
    assert [row["outcome"] for row in rows] == ["failed", "passed", "passed"]


def test_every_number_that_may_be_named_says_what_it_rests_on_and_is_told_in() -> None:
    """The marks stand beside the types; a new metric needs no other line."""
    assert {name for name, mark in OF_SET.items() if mark.unit} == SHARES
    assert OF_TWO["accuracy_change"].unit == " percentage points"
    assert {mark.rests_on for mark in OF_MAPS.values()} == {"maps"}
    assert OF_TWO["changed"].rests_on == "answers"  # no label is needed to see that an answer changed


VERDICTS = [
    {"name": name, "status": name, "sentence": f"It is {name}."}
    for name in ("clear", "undecided", "warning", "fault", "untested")
]


@pytest.mark.parametrize(
    "at_worst, outcomes",
    [
        (None, ["passed", "passed", "passed", "failed", "cannot be judged"]),
        ("undecided", ["passed", "passed", "failed", "failed", "cannot be judged"]),
        ("clear", ["passed", "cannot be judged", "failed", "failed", "cannot be judged"]),
    ],
)
def test_a_gate_on_a_check_goes_by_its_verdict(at_worst, outcomes):
    gates = [{"check": verdict["name"], "at_worst": at_worst} for verdict in VERDICTS]
    rows = evaluate(gates, {}, checks=VERDICTS)
    assert [row["outcome"] for row in rows] == outcomes
    assert [row["passed"] for row in rows] == [outcome == "passed" for outcome in outcomes]
    assert rows[3]["reason"] == "fault is fault: It is fault"
    assert [row["value"] for row in rows] == [0, 1, 2, 3, None]
    (absent,) = evaluate([{"check": "nobody"}], {}, checks=VERDICTS)
    assert absent["outcome"] == "cannot be judged"


COUNTED = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def of_answers(right: int, labelled: int) -> dict[str, Any]:
    """The numbers of a set of which so many of the labelled answers are right."""
    low, high = wilson(right, labelled)
    share = {"accuracy": right / labelled, "accuracy_low": low, "accuracy_high": high}
    return SET | share | {"labelled": labelled}


@given(COUNTED, st.floats(0, 1))
def test_a_gate_on_an_end_of_the_interval_asks_more_than_one_on_the_value(
    counts: tuple[int, int], limit: float
) -> None:
    found = of_answers(*counts)
    bounds = ("min", "max", "min_lower", "max_upper")
    rows = {bound: evaluate([{"metric": "accuracy", bound: limit}], found, checks=())[0] for bound in bounds}
    assert rows["min_lower"]["passed"] == (found["accuracy_low"] >= limit)
    assert rows["max_upper"]["passed"] == (found["accuracy_high"] <= limit)
    assert rows["min_lower"]["passed"] <= rows["min"]["passed"]
    assert rows["max_upper"]["passed"] <= rows["max"]["passed"]
    for row in rows.values():
        assert (row["margin"] >= 0) == row["passed"]
        assert (row["low"], row["high"], row["n"]) == (
            found["accuracy_low"],
            found["accuracy_high"],
            counts[1],
        )


@given(COUNTED, st.integers(1, 400))
def test_with_fewer_images_than_a_gate_asks_for_it_cannot_be_judged(
    counts: tuple[int, int], at_least: int
) -> None:
    gate = {"metric": "accuracy", "min": 0, "at_least": at_least}
    (row,) = evaluate([gate], of_answers(*counts))
    assert row["outcome"] == ("passed" if counts[1] >= at_least else "cannot be judged")
    assert ("are asked for" in row["reason"]) == (counts[1] < at_least)


def test_words_of_a_gate_on_an_end() -> None:
    (row,) = evaluate([{"metric": "accuracy", "min_lower": 0.95}], of_answers(490, 500))
    assert row["name"] == "accuracy, lower end of its interval ≥ 95 %"
    assert row["reason"] == "the lower end of the 95 % interval of accuracy is 96.36 %, at least 95 %"
    (row,) = evaluate([{"metric": "accuracy", "min_lower": 0.95, "at_least": 501}], of_answers(490, 500))
    assert row["reason"] == "accuracy is not judged: it rests on 500 images, and 501 images are asked for"


def test_the_lowest_class_is_held_to_the_lowest_end_of_any_class() -> None:
    """A class of few images may be worse than the one that was seen to be worst."""
    rows = [
        {"accuracy": right / n, "count": n, **dict(zip(("low", "high"), wilson(right, n), strict=True))}
        for right, n in ((80, 100), (5, 6))
    ]
    found = SET | {"lowest_class_accuracy": 0.8, "per_class": rows, "labelled": 106}
    (row,) = evaluate([{"metric": "lowest_class_accuracy", "min_lower": 0.5}], found)
    z = NormalDist().inv_cdf(1 - 0.025 / 2)  # of two classes
    assert (row["low"], row["high"], row["n"]) == (wilson(5, 6)[0], wilson(80, 100, z)[1], 100)
    assert row["outcome"] == "failed"


def test_the_lowest_of_many_classes_is_seldom_above_its_upper_end() -> None:
    """Fifty classes of fifty images, all right for 80 %: the lowest is 0.8, whatever chance shows."""
    draw = np.random.default_rng(0)
    below = 0
    for _ in range(400):
        right = draw.binomial(50, 0.8, 50)
        rows = [
            {"accuracy": r / 50, "count": 50, **dict(zip(("low", "high"), wilson(r, 50), strict=True))}
            for r in right.tolist()
        ]
        found = SET | {"lowest_class_accuracy": min(right) / 50, "per_class": rows, "labelled": 2500}
        (row,) = evaluate([{"metric": "lowest_class_accuracy", "min_lower": 0.5}], found)
        below += row["high"] < 0.8
    assert below / 400 < 0.05


def test_a_number_without_an_interval_is_not_judged_by_its_end() -> None:
    found = SET | {"mae": 0.5, "values": {"per_value": [{}, {}]}}
    (row,) = evaluate([{"metric": "mae", "max_upper": 1}], found)
    assert (row["outcome"], row["reason"]) == ("cannot be judged", "mae is 0.5 without an interval")
    one = {"per_value": [{"mae_interval": [0.25, 0.75]}]}
    (row,) = evaluate([{"metric": "mae", "max_upper": 1}], found | {"values": one})
    assert (row["outcome"], row["low"], row["high"], row["margin"]) == ("passed", 0.25, 0.75, 0.25)


def test_the_change_between_two_models_and_the_advantage_of_maps_have_intervals() -> None:
    tests = TESTS | {"accuracy_change": 0.1, "mended": 12, "broken": 2, "labelled": 100}
    (row,) = evaluate([{"metric": "beside.accuracy_change", "min_lower": 0}], {}, None, tests)
    assert (row["low"], row["high"]) == paired_difference(12, 2, 100)
    assert row["passed"]
    (row,) = evaluate([{"metric": "trust.saliency.advantage", "min_lower": 0}], {}, TRUST)
    assert row["reason"] == "trust.saliency.advantage is 0.2 without an interval"
    tested = TRUST["methods"]["saliency"] | {"interval": [-0.1, 0.5]}
    trust = TRUST | {"methods": {"saliency": tested}}
    (row,) = evaluate([{"metric": "trust.saliency.advantage", "min_lower": 0}], {}, trust)
    assert (row["outcome"], row["low"], row["n"]) == ("failed", -0.1, 3)


def test_a_check_that_rests_on_too_few_images_is_not_judged() -> None:
    clear = {"name": "clear", "status": "clear", "sentence": "So it is.", "n": 40}
    few, enough = ({"check": "clear", "at_least": n} for n in (41, 40))
    outcomes = [row["outcome"] for row in evaluate([few, enough], {}, checks=[clear])]
    assert outcomes == ["cannot be judged", "passed"]
