"""Yes, no or not decided: intervals against scipy, words against simulated truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reportgen.audit.maps.judging import LEVEL, Asked, Comparison, answered, two
from reportgen.stats import t_beyond

DIFFERENCES = st.lists(st.floats(-1, 1), min_size=3, max_size=12).filter(lambda values: np.std(values) > 1e-3)


@given(DIFFERENCES, st.floats(-0.5, 0.5))
def test_interval_and_p_are_scipys(values: list[float], limit: float) -> None:
    found = Comparison(tuple(values), limit)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found.interval == pytest.approx((low, high), abs=1e-9)
    expected = stats.ttest_1samp(values, limit, alternative="greater").pvalue
    assert found.p_yes() == pytest.approx(expected, abs=1e-9)
    assert found.p_no() == pytest.approx(1 - expected, abs=1e-9)


@given(st.floats(-40, 40), st.integers(1, 60))
def test_the_tail_of_students_t_is_scipys(t: float, freedom: int) -> None:
    assert t_beyond(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-9)


def word(*several: Comparison) -> str:
    return answered({"m": Asked(several)})["m"]["answer"]


def test_one_method_alone_is_answered_where_its_interval_lies_on_one_side() -> None:
    draw = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        values = tuple(draw.normal(draw.normal(0, 0.3), 0.3, 10))
        low, high = Comparison(values).interval
        expected = "yes" if low > 0 else "no" if high < 0 else "undecided"
        assert word(Comparison(values)) == expected
        seen.add(expected)
    assert seen == {"yes", "no", "undecided"}


def test_what_is_too_little_to_matter_is_a_no_be_it_ever_so_surely_more_than_nothing() -> None:
    little = (0.004, -0.002, 0.001, -0.003, 0.0)
    assert word(Comparison(little)) == "undecided"
    assert word(Comparison(little, 0.05)) == "no"
    assert word(Comparison((0.02, 0.021, 0.019, 0.02), 0.05)) == "no"


@pytest.mark.parametrize("truth", [-0.02, 0.0, 0.02, 0.05, 0.08])
def test_no_truth_is_yes_by_one_sample_of_images_and_no_by_another(truth: float) -> None:
    draw = np.random.default_rng(0)
    words = [word(Comparison(tuple(draw.normal(truth, 0.05, 20)), 0.05)) for _ in range(2000)]
    rarer = min(words.count("yes"), words.count("no"))
    assert rarer / len(words) <= 0.035  # 2.5 % at the limit itself, and twice the error of the count


def test_all_comparisons_have_to_be_won_and_one_that_is_lost_suffices() -> None:
    good, bad, open_ = (0.5, 0.6, 0.4, 0.5), (-0.5, -0.6, -0.4, -0.5), (0.5, -0.5, 0.4, -0.4)
    assert word(Comparison(good), Comparison(good)) == "yes"
    assert word(Comparison(good), Comparison(bad)) == "no"
    assert word(Comparison(good), Comparison(open_)) == "undecided"
    # lost by a hair of one comparison in two it is not lost for sure
    hair = tuple(stats.norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9]) * 0.3 - 0.41)
    assert LEVEL / 2 < Comparison(hair).p_no() < LEVEL
    assert (word(Comparison(hair)), word(Comparison(hair), Comparison(good))) == ("no", "undecided")


def test_of_twenty_methods_that_say_nothing_hardly_any_is_told_yes_or_no() -> None:
    draw = np.random.default_rng(1)
    runs, false = 300, 0
    for _ in range(runs):
        asked = {f"m{n}": Asked((Comparison(tuple(draw.normal(0, 0.2, 8))),)) for n in range(20)}
        false += any(answer["answer"] != "undecided" for answer in answered(asked).values())
    assert false / runs < 0.09, "5 % in either direction, by Holm"


def test_how_many_images_would_decide_is_about_right() -> None:
    draw = np.random.default_rng(2)
    values = draw.normal(0, 1, 8)
    values += 0.4 - values.mean()
    needed = Comparison(tuple(values)).needed()
    assert needed is not None
    for count, decided in ((needed // 3, False), (4 * needed, True)):
        repeated = np.resize(values, 8 * max(1, count // 8))
        assert (word(Comparison(tuple(repeated))) == "yes") is decided
    assert Comparison(tuple(values - 0.3999)).needed() is None


def test_fewer_than_three_images_decide_nothing_and_what_was_not_asked_says_why() -> None:
    few = answered({"m": Asked((Comparison((0.9, 0.9)),), 0.9, 0.0, "words")})["m"]
    assert few["answer"] == "undecided" and "2 of its maps" in few["sentence"] and few["low"] is None
    why = answered({"m": Asked(refused="there are no boxes")})["m"]
    assert (why["answer"], why["sentence"], why["images"]) == ("not asked", "there are no boxes", 0)


def test_images_that_all_say_the_same_decide() -> None:
    assert word(Comparison((0.1, 0.1, 0.1))) == "yes"
    assert word(Comparison((-0.1, -0.1, -0.1))) == "no"
    assert word(Comparison((0.0, 0.0, 0.0))) == "undecided"


def test_numbers_in_words_have_no_negative_zero() -> None:
    assert [two(-0.001), two(-0.25), two(0.999)] == ["0.00", "−0.25", "1.00"]
