"""What the trust records of single images add up to: numbers against scipy, verdicts from planted maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reportgen.audit.sanity import summarise
from reportgen.stats import t_95

LIMITS = {"randomised": 0.5, "beats_random_sd": 2.0}
GOOD, BAD = (0.5, 0.1), (0.0, 0.9)  # faithfulness, rank correlation once the upper half is shuffled
RANDOM = [-0.1, 0.0, 0.1, 0.0]
SHARE = st.floats(-1, 1)


def method(
    faithfulness: float | None = 0.5,
    rho: float | None = 0.1,
    flag: str | None = None,
    **cascade: float | None,
) -> dict[str, Any]:
    return {
        "faithfulness": faithfulness,
        "randomised": {**cascade, "half": rho},
        "stability": rho,
        "flag": flag,
    }


def record(random: list[float] | None = None, /, **methods: dict[str, Any]) -> dict[str, Any]:
    """An image's record; every two methods agree by 0.25, each with itself by 1."""
    rho = np.full((len(methods), len(methods)), 0.25) + 0.75 * np.eye(len(methods))
    return {
        "methods": methods,
        "random": {"faithfulness": random or RANDOM},
        "agreement": {"methods": list(methods), "rho": rho.tolist()},
    }


def judgement(*records: dict[str, Any], name: str = "m") -> dict[str, Any]:
    found = summarise(records, LIMITS, [name])
    assert found is not None
    return dict(found["methods"][name])


def test_without_records_there_is_nothing_to_say() -> None:
    assert summarise([], LIMITS, ["m"]) is None


@given(st.lists(st.tuples(SHARE, st.lists(SHARE, min_size=2, max_size=5)), min_size=2, max_size=6))
def test_the_numbers_are_means_over_images_with_students_interval(
    images: list[tuple[float, list[float]]],
) -> None:
    found = judgement(*(record(random, m=method(own, own)) for own, random in images))
    advantages = np.array([own - np.mean(random) for own, random in images])
    owns = [own for own, _ in images]
    assert found["judged"] == len(images)
    assert found["faithfulness"] == pytest.approx(np.mean(owns))
    assert found["random_faithfulness"] == pytest.approx(np.mean([np.mean(random) for _, random in images]))
    assert found["advantage"] == pytest.approx(advantages.mean(), abs=1e-12)
    spread = stats.t.ppf(0.975, len(images) - 1) * advantages.std(ddof=1) / np.sqrt(len(images))
    expected = np.clip([advantages.mean() - spread, advantages.mean() + spread], -2, 2)
    assert found["interval"] == pytest.approx(expected, abs=1e-9)
    assert found["randomised"]["half"] == found["stability"] == pytest.approx(np.mean(owns))
    low, high = found["randomised_interval"]
    assert -1 <= low <= high <= 1
    variance = np.mean([np.var(random, ddof=1) for _, random in images])
    if variance > 1e-9:
        z = advantages.mean() / np.sqrt(variance / len(images))
        assert found["beats_random_sd"] == pytest.approx(z, abs=1e-9)


def test_the_quantile_is_students() -> None:
    for freedom in (*range(1, 12), 29, 120, 1001):
        assert t_95(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)


def test_an_order_that_says_nothing_seldom_beats_random_orders() -> None:
    draw = np.random.default_rng(0)
    runs = 2000
    past = 0
    for _ in range(runs):
        drawn = draw.normal(size=(3, 9)).tolist()  # on each of three images its own order and eight others
        past += bool(judgement(*(record(rest, m=method(own)) for own, *rest in drawn))["beats_random"])
    assert 0.02 < past / runs < 0.06


@pytest.mark.parametrize(
    ("own", "relies", "words"),
    [
        ((0.5, 0.1), True, "responds to the weights and beats random order"),
        ((0.5, -0.1), True, "responds to the weights and beats random order"),
        (
            (0.5, 0.83),
            False,
            "does not respond to the weights (rank correlation 0.83 with a network whose upper half is "
            "shuffled): do not rely on this map",
        ),
        # an inverted map has not responded either
        ((0.5, -0.83), False, "does not respond to the weights (rank correlation -0.83"),
        ((0.0, 0.1), False, "does not beat random order (0.0 standard deviations from its mean): do not"),
        ((-0.5, 0.1), False, "does not beat random order (−"),
        ((0.0, 0.9), False, "whose upper half is shuffled) and does not beat random order (0.0 standard"),
        ((0.5, None), None, "beats random order; whether it responds to the weights could not be judged"),
        ((None, 0.1), None, "responds to the weights; whether it beats random order could not be judged"),
        ((0.0, None), False, "does not beat random order"),
        ((None, None), None, "could not be judged: the numbers that it needs"),
        ((float("nan"), float("nan")), None, "could not be judged: the numbers that it needs"),
    ],
)
def test_the_verdict_says_in_words_what_the_numbers_say(
    own: tuple[float | None, float | None], relies: bool | None, words: str
) -> None:
    found = judgement(record(m=method(*own)), record(m=method(*own)))
    assert words in found["verdict"]
    assert found["relies"] is relies
    assert ("do not rely" in found["verdict"]) == (relies is False)


@given(SHARE, st.floats(0, 1))
def test_a_map_responds_up_to_the_limit(rho: float, limit: float) -> None:
    found = summarise([record(m=method(0.5, rho))], {**LIMITS, "randomised": limit}, ["m"])
    assert found is not None
    assert found["methods"]["m"]["responds"] == (abs(rho) <= limit)
    assert found["limits"]["randomised"] == limit


def test_one_image_has_no_interval_but_a_verdict() -> None:
    found = judgement(record(m=method()))
    assert (found["interval"], found["randomised_interval"]) == (None, None)
    assert found["relies"] is True


def test_random_orders_that_do_not_differ_are_no_measure() -> None:
    found = judgement(record([0.1, 0.1, 0.1], m=method()))
    assert (found["beats_random_sd"], found["beats_random"], found["relies"]) == (None, None, None)


def test_a_map_with_a_fault_counts_in_no_mean_and_is_said() -> None:
    dead = method(*BAD, flag="all zero: nothing in this map responds to the target")
    found = judgement(record(m=method(*GOOD)), record(m=dead))
    alone = judgement(record(m=method(*GOOD)))
    assert found.pop("verdict") == alone.pop("verdict") + "; 1 of 2 maps could not be judged"
    assert found == alone
    every = judgement(record(m=dead), record(m=dead))
    assert every["verdict"] == f"could not be judged: {dead['flag']}"
    assert (every["judged"], every["relies"], every["faithfulness"]) == (0, None, None)


def test_the_cascade_is_averaged_a_stage_where_it_was_measured() -> None:
    records = [record(m=method(0.5, 0.1, head=0.9, all=None)), record(m=method(0.5, 0.3, head=0.7))]
    assert judgement(*records)["randomised"] == pytest.approx({"head": 0.8, "half": 0.2, "all": None})


def test_methods_stand_in_the_asked_order_and_only_those_that_were_judgement() -> None:
    records = [record(a=method(), b=method()), record(b=method(*BAD))]
    found = summarise(records, LIMITS, ["b", "predictions", "a"])
    assert found is not None
    assert list(found["methods"]) == found["agreement"]["methods"] == ["b", "a"]
    assert found["images"] == 2
    assert (found["methods"]["a"]["judged"], found["methods"]["b"]["judged"]) == (1, 2)
    assert found["agreement"]["rho"] == [[1.0, 0.25], [0.25, 1.0]]


def test_agreement_skips_what_is_not_known() -> None:
    first, second = record(a=method(), b=method()), record(a=method(), b=method())
    first["agreement"]["rho"][0][1] = None
    second["agreement"]["rho"][0][1] = 0.5
    found = summarise([first, second], LIMITS, ["a", "b"])
    assert found is not None
    assert found["agreement"]["rho"][0][1] == 0.5
