"""The order of a report whose recipe lists no visualizations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.recipe.usual_order import NAMED, usual_order


def test_every_name_of_the_order_is_a_visualization_s() -> None:
    assert set(NAMED) <= set(methods())
    assert [name for name in usual_order(methods()) if name in NAMED] == list(NAMED)


def test_it_is_what_a_recipe_without_a_list_shows() -> None:
    assert [shown.name for shown in Recipe().visualizations] == usual_order(methods())


@pytest.mark.parametrize(
    ("like", "last", "then"),
    [
        ("filters", "activation-maximisation", "predictions"),  # no image's own
        ("saliency", "transmm", "grad-cam"),
        ("grad-cam", "guided-grad-cam", "occlusion"),
        ("feature-maps", "filter-responses", None),
    ],
)
def test_one_that_it_does_not_name_stands_at_the_end_of_its_group(like: str, last: str, then: str) -> None:
    new = replace(methods()[like], name="a-new-one")
    order = [*usual_order({**methods(), new.name: new}), None]
    at = order.index("a-new-one")
    assert (order[at - 1], order[at + 1]) == (last, then)
