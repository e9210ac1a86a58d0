"""A figure that another one equals stands once, and is said there; one that differs stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.findings import ClassMap, Heatmap
from reportgen.report.cards.blocks import Scene, block
from reportgen.report.cards.repeated import once, strengths
from reportgen.report.values.card import Group

SCENE = Scene("i000000", "000000 a.png", np.zeros((32, 32, 3), np.uint8), classes=("cat", "dog"))
DRAW = np.random.default_rng(0)
POSITIVE = DRAW.random((7, 7)).astype(np.float32)


def made(name: str, values: Any, signed: bool = False, target: int = 0, kind: Any = Heatmap) -> Any:
    words = {"name": name, "title": name.title(), "summary": "a map."}
    if kind is ClassMap:
        return block(words, (ClassMap("classes", name, np.asarray(values), "by place"),), SCENE)
    found = Heatmap("map", name, np.asarray(values, np.float32), "a quantity", signed=signed, explains=target)
    return block(words, (found,), SCENE)


def shown(*blocks: Any, failed: bool = False) -> list[tuple[str, str]]:
    """What stands, and what is said of it besides."""
    groups = once((Group("", blocks, failed=failed),))
    every = [figure for group in groups for figure in group.figures]
    return [
        (figure.title, next((d for d in figure.details if d.startswith("the same")), "")) for figure in every
    ]


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-6, 1e6), st.booleans())
def test_a_map_times_a_number_is_the_same_map_whether_its_scale_knows_negatives(
    factor: float, signed: bool
) -> None:
    assert shown(made("grad-cam", POSITIVE), made("cam", factor * POSITIVE, signed)) == [
        ("grad-cam", "the same in Cam")
    ]


def test_what_speaks_against_the_class_is_not_lost() -> None:
    against = POSITIVE - 0.4
    both = shown(made("grad-cam", np.maximum(against, 0)), made("cam", against, signed=True))
    assert both == [("grad-cam", ""), ("cam", "")]


@pytest.mark.parametrize(
    "other",
    [
        made("b", POSITIVE.T),
        made("b", POSITIVE, target=1),
        made("b", np.repeat(POSITIVE, 2, 0)),
        made("b", 1 - POSITIVE),
    ],
    ids=["another map", "another class", "another grid", "its reverse"],
)
def test_maps_that_differ_both_stand(other: Any) -> None:
    assert shown(made("a", POSITIVE), other) == [("a", ""), ("b", "")]


def test_maps_of_classes_are_compared_by_their_classes() -> None:
    one, two = np.zeros((5, 5), np.int64), np.ones((5, 5), np.int64)
    one[2:, :] = two[:2, :] = 1
    a, same, other = (made(n, v, kind=ClassMap) for n, v in (("a", one), ("b", one), ("c", two)))
    assert shown(a, same) == [("a", "the same in B")]
    assert [title for title, _ in shown(a, other)] == ["a", "c"]


def test_several_that_are_equal_are_named_together_and_a_row_that_is_empty_goes() -> None:
    first, *others = (made(name, POSITIVE) for name in ("a", "b", "c"))
    (group,) = once((Group("", (first,), tuple((other,) for other in others)),))
    assert group.rows == ()
    assert group.blocks[0].figures[0].details[-1] == "the same in B and C"


def test_maps_that_failed_their_test_stand_for_nothing_and_stay() -> None:
    failed = Group("failed", (made("a", POSITIVE),), failed=True)
    groups = once((Group("", (made("b", POSITIVE),)), failed))
    assert [len(group.figures) for group in groups] == [1, 1]


def test_strengths_are_shares_of_the_end_of_the_scale() -> None:
    figure = made("a", POSITIVE).figures[0]
    found = strengths(figure)
    assert found is not None
    assert np.abs(found - POSITIVE / figure.picture.map.by.high).max() <= 1 / 255
