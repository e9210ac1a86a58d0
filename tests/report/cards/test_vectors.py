"""The probability of every class: bars in the model's order, a plot by rank, what they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.findings import Distribution
from reportgen.report.cards.blocks import Scene, block
from reportgen.report.cards.cards import cards
from reportgen.report.cards.vectors import vector
from reportgen.report.pictures.plots import LEAST, ranked
from reportgen.report.render import templates
from reportgen.report.values.card import Vector
from reportgen.report.wording import ordinal

WORDS = {"name": "predictions", "title": "Predictions", "summary": "what the model answers."}


def of(values: list[float], label: int | None = None) -> Vector | None:
    names = [f"class {n}" for n in range(len(values))]
    finding = Distribution("probabilities", "All", np.array(values, np.float32), "softmax")
    return vector(finding, "i000000-predictions", "000000 a.png", names, label)


def test_few_classes_are_bars_in_the_models_order_with_the_label_marked() -> None:
    held = of([0.05, 0.6, 0.1, 0.0, 0.05, 0.2], label=4)
    assert held is not None and held.figure is None
    assert [row.class_name for row in held.rows] == [f"class {n}" for n in range(6)]
    assert [row.probability for row in held.rows] == ["0.050", "0.600", "0.100", "0.000", "0.050", "0.200"]
    assert [row.percent for row in held.rows] == [5, 60, 10, 0, 5, 20]
    assert [row.is_label for row in held.rows] == [False, False, False, False, True, False]


def test_classes_that_the_answers_list_whole_are_not_listed_twice() -> None:
    assert of([0.2] * 5) is None


@pytest.mark.parametrize("count, drawn", [(20, False), (21, True), (1000, True)])
def test_more_than_twenty_classes_are_drawn_by_rank(count: int, drawn: bool) -> None:
    held = of([1 / count] * count)
    assert held is not None
    assert (held.figure is not None, len(held.rows)) == (drawn, 0 if drawn else count)


def test_the_plot_by_rank_is_logarithmic_in_both_directions() -> None:
    """p = 1/(100·rank) is a straight line of slope -1 a decade, from 0.01 at rank 1."""
    falling = 0.01 / np.arange(1, 1001)
    drawn = ranked(falling, 5, 100)
    decade_x, decade_y = (drawn.right - drawn.left) / 3, (drawn.bottom - drawn.top) / 6
    for pair in drawn.lines[0].points.split():
        x, y = map(float, pair.split(","))
        decades = (x - drawn.left) / decade_x
        assert y - drawn.top == pytest.approx((2 + decades) * decade_y, abs=0.2)
    *answers, label = drawn.points
    assert len(answers) == 5
    assert [point.text for point in answers] == [""] * 5
    assert label.text == "label"
    assert (label.x, label.y) == pytest.approx((drawn.left + 2 * decade_x, drawn.top + 4 * decade_y), abs=0.1)
    assert [tick.text for tick in drawn.x_ticks] == ["1", "10", "100", "1,000"]
    assert [tick.text for tick in drawn.y_ticks] == ["1", "0.01", "1e−4", "1e−6"]
    even = float(drawn.lines[1].points.split()[0].split(",")[1])
    assert even == pytest.approx(drawn.top + 3 * decade_y, abs=0.1), "1/C = 0.001 is three decades down"


@settings(deadline=None)
@given(st.integers(21, 3000), st.integers(0, 50), st.integers(0, 2**32))
def test_every_point_lies_in_the_frame_and_the_line_falls(count: int, least: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    falling = np.sort(10.0 ** -draw.uniform(0, least, count))[::-1]
    drawn = ranked(falling, 5, int(draw.integers(1, count + 1)))
    held = np.array([[float(n) for n in pair.split(",")] for pair in drawn.lines[0].points.split()])
    assert held[0, 0] == drawn.left and held[-1, 0] == drawn.right
    assert (np.diff(held[:, 0]) >= 0).all() and (np.diff(held[:, 1]) >= 0).all()
    assert held[:, 1].min() >= drawn.top and held[:, 1].max() <= drawn.bottom
    if falling[-1] < LEAST:
        assert held[-1, 1] == drawn.bottom
    gaps = np.diff([tick.at for tick in drawn.x_ticks])
    assert (gaps > 18).all(), "the ticks do not run into each other"
    assert len(drawn.lines[0].points) < 2000, "a thousand cards stay small"


def test_the_words_count_what_the_plot_shows() -> None:
    values = [0.4, 0.3, 0.1] + [0.2 / 97] * 97
    held = of(values, label=2)
    assert held is not None and held.figure is not None
    assert [(fact.label, fact.value) for fact in held.figure.facts] == [
        ("more probable than an even guess", "3"),
        ("rank of the label", "3"),
    ]
    assert "the label class 2 is 3rd with 0.100" in held.figure.alt
    unlabelled = of(values)
    assert unlabelled is not None and unlabelled.figure is not None
    assert "label" not in unlabelled.figure.alt


@pytest.mark.parametrize("count", [10, 100])
def test_probabilities_that_are_not_finite_are_told_in_words(count: int) -> None:
    held = of([math.nan] * count)
    assert held is not None
    assert (held.rows, held.figure) == ((), None)
    assert held.words == f"{count} of {count} values are not finite"


@pytest.mark.parametrize(
    "n, text",
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th"), (23, "23rd"), (1001, "1,001st")],
)
def test_places_in_a_row(n: int, text: str) -> None:
    assert ordinal(n) == text


@pytest.mark.parametrize("count", [10, 1000])
@pytest.mark.parametrize("page", ["screen", "print"])
def test_screen_and_print_show_every_class(count: int, page: str, rendered: Path) -> None:
    from reportgen.evidence import Evidence

    card = next(cards(Evidence(rendered / "evidence")))
    names = tuple(f"class {n}" for n in range(count))
    scene = Scene("i000000", "000000 a.png", np.zeros((8, 8, 3), np.uint8), classes=names, label=7)
    p = np.exp(-np.arange(count) / 3)
    found = (Distribution("probabilities", "All", p / p.sum(), "softmax"),)
    made = templates.environment(lambda raster: "").from_string(
        '{% import "draw/common.html.j2" as common %}{% import "draw/' + page + '.html.j2" as draw %}'
        '{% include "sections/predictions.html.j2" %}'
    )
    text = made.render(card=card, block=block(WORDS, found, scene))
    assert text.count('id="i000000-predictions-probabilities"') == 1
    if count == 10:
        assert text.count("class ") >= count
        assert '<li class="label"><span class="who">class 7 <span class="tag note">label</span>' in text
    else:
        assert '<svg class="plot"' in text
        assert "rank of the label <b>8</b>" in text
