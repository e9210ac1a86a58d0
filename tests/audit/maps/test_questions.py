"""What each question compares, by hand, and what it says in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reportgen.audit.maps import amount, counts, of_class, on_object, picture, steady, weights
from reportgen.recipe import TrustLimits

LIMITS: dict[str, Any] = TrustLimits().model_dump()


def test_weights_are_compared_with_the_greatest_of_what_unrelated_maps_share() -> None:
    rows = [{"all": rho, "others": 0.1, "gaussian": 0.3, "edges": 0.9} for rho in (0.2, 0.4, 0.5)]
    found = weights.asked(rows, LIMITS)
    (comparison,) = found.comparisons
    assert comparison.differences == pytest.approx((0.2, 0.0, -0.1)), "0.1 above the Gaussian's is allowed"
    assert (found.value, found.reference) == pytest.approx((1.1 / 3, 0.3))
    assert "0.37 once all weights are shuffled, 0.30 with a Gaussian" in found.words
    assert "0.90 with plain edges" in found.words
    assert weights.asked([{"all": None, "others": 0.1}], LIMITS).refused


def test_edges_excuse_nothing_a_map_of_edges_alone_does_not_depend_on_the_weights() -> None:
    rows = [{"all": 0.95, "others": 0.05, "gaussian": 0.1, "edges": 0.98}] * 5
    assert weights.asked(rows, LIMITS).comparisons[0].mean < -0.7


def test_what_counts_is_a_share_of_the_greediest_gain_by_both_fills(image, answers) -> None:
    records = [image(m=answers(counts=gain)) for gain in (0.4, 0.2, 0.6)]
    rows = [record["methods"]["m"]["asked"]["counts"] for record in records]
    found = counts.asked(rows, records, LIMITS)
    assert [c.differences for c in found.comparisons] == [pytest.approx((0.5, 0.25, 0.75))] * 2
    gains = records[0]["random"]["gain"]["blur"]
    spread = np.sqrt(3 * np.mean(np.square(gains))) / 3
    assert found.comparisons[0].limit == pytest.approx(max(0.2, 1.645 * spread / 0.8))
    assert "0.50 where it is blurred and 0.50 where it is filled in" in found.words


def test_random_orders_are_past_the_limit_once_in_twenty_times() -> None:
    draw = np.random.default_rng(0)
    past, runs = 0, 2000
    for _ in range(runs):
        gains = draw.normal(0, 0.1, (10, 5))  # on each of ten images its own order and four others
        records = [{"random": {"gain": {"blur": [*rest, *(-rest)]}}} for rest in gains[:, 1:]]
        past += bool(gains[:, 0].mean() > 1.645 * counts.random_sd(records, "blur"))
    assert 0.035 < past / runs < 0.07


def test_where_even_the_greediest_order_gains_nothing_it_is_not_asked(image, answers) -> None:
    record = image(m=answers()) | {"greedy": {"blur": -0.1, "imputed": 0.5}}
    rows = [record["methods"]["m"]["asked"]["counts"]]
    assert "even the better of two orders" in counts.asked(rows, [record], LIMITS).refused
    broken = image(m=answers(counts=None))
    assert "not finite" in counts.asked([{"blur": None, "imputed": None}], [broken], LIMITS).refused


def test_the_class_is_compared_with_nine_tenths_of_itself() -> None:
    found = of_class.asked([{"itself": 1.0, "rival": 0.95}, {"itself": 0.5, "rival": 0.1}], LIMITS)
    assert found.comparisons[0].differences == pytest.approx((-0.05, 0.35))
    assert "three classes" in of_class.asked([], LIMITS).refused
    assert of_class.asked([{"itself": None, "rival": None}], LIMITS).refused


def test_the_picture_is_compared_with_more_than_a_quarter() -> None:
    found = picture.asked([{"share": 0.5}, {"share": None}, {"share": 0.25}], LIMITS)
    (comparison,) = found.comparisons
    assert (comparison.differences, comparison.limit) == ((0.5, 0.25), 0.3)
    assert picture.asked([], LIMITS).refused


def test_how_much_is_compared_with_other_images_maps_and_with_the_gaussian() -> None:
    found = amount.asked([{"rho": 0.5, "others": 0.1, "gaussian": 0.4}] * 3, LIMITS)
    assert [c.mean for c in found.comparisons] == pytest.approx([0.4, 0.1])
    assert found.reference == pytest.approx(0.4)


def test_steady_is_compared_with_one_half() -> None:
    (comparison,) = steady.asked([{"itself": 0.6}, {"itself": 0.4}], LIMITS).comparisons
    assert (comparison.mean, comparison.limit) == pytest.approx((0.5, 0.5))


def test_the_object_is_compared_with_the_gaussian_and_needs_boxes() -> None:
    found = on_object.asked([{"mass": 0.4, "gaussian": 0.3, "points": 1.0}] * 3, LIMITS)
    assert found.comparisons[0].mean == pytest.approx(0.1)
    assert "3 of 3" in found.words
    assert "images.parts" in on_object.asked([], LIMITS).refused
