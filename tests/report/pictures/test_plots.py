"""Lines, ticks and class maps against planted values."""

from __future__ import annotations

import numpy as np
import pytest

from reportgen.findings import ClassMap, Comparison, Curve, Picture, Scalar
from reportgen.report.cards.blocks import Scene, block
from reportgen.report.pictures.class_map import NAMED, class_map, hatched
from reportgen.report.pictures.plots import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    inner_ticks,
    of_comparison,
    of_curve,
    plot,
    ticks,
)
from reportgen.report.render.templates import environment

WORDS = {"name": "new-method", "title": "New", "summary": "what is new."}
SCENE = Scene("i000000", "000000 a.png", np.zeros((64, 64, 3), np.uint8), classes=("ant", "bee", "cat"))
X = np.linspace(0, 1, 3)


def places(points: str) -> np.ndarray:
    return np.array([[float(n) for n in pair.split(",")] for pair in points.split()])


@pytest.mark.parametrize("low, high", [(0, 1), (0, 0.52), (-3.1, 8), (0, 1e-4), (7, 7), (99, 12345)])
def test_ticks_are_round_evenly_apart_and_reach_over_the_range(low: float, high: float) -> None:
    held = np.array(ticks(low, high))
    assert 2 <= len(held) <= 5
    assert held[0] <= low <= high <= held[-1]
    steps = np.diff(held)
    np.testing.assert_allclose(steps, steps[0])
    leading = f"{steps[0]:e}".split("e")[0]
    assert float(leading) in (1, 2, 5)


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (-60, 60, (-50, 0, 50)),
        (1, np.float32(1.8), (1, 1.2, 1.4, 1.6, 1.8)),
        (0, 1, (0, 0.5, 1)),
        (-3, 4, (-2, 0, 2, 4)),
    ],
)
def test_an_axis_that_ends_with_its_data_has_round_ticks_inside(low, high, expected) -> None:
    assert inner_ticks(float(low), float(high)) == expected


def test_turns_are_counted_in_quarters() -> None:
    assert inner_ticks(0, 360, turned=True) == (0, 90, 180, 270, 360)
    assert inner_ticks(0, 720, turned=True) == (0, 180, 360, 540, 720)
    assert inner_ticks(-45, 45, turned=True) == (-40, -20, 0, 20, 40)


def test_a_line_starts_and_ends_at_the_frame_and_long_numbers_have_room() -> None:
    x = np.array([-60.0, 0, 60])
    drawn = plot(x, [("far", np.array([0, 2.0e4, 0]))], {}, "moved down, px", "distance, L2")
    held = places(drawn.lines[0].points)
    assert (held[0, 0], held[-1, 0]) == (drawn.left, drawn.right)
    assert [tick.text for tick in drawn.y_ticks] == ["0", "10,000", "20,000"]
    assert drawn.left > LEFT, "six characters are wider than the room of three"


def test_a_curve_of_its_own_is_drawn_larger_within_the_limits_of_its_quantity() -> None:
    held = Curve("c", "Curve", np.array([[0.5, 0.6, 0.5]]), X, ("p",), "part", "p", None, (0.0, 1.0))
    drawn = of_curve(held)
    assert [tick.text for tick in drawn.y_ticks] == ["0", "0.5", "1"]
    assert drawn.width > plot(X, [("p", X)], {}, "part", "p").width


def test_a_comparison_has_a_dot_a_row_and_the_bar_of_its_reference() -> None:
    held = Comparison(
        "d",
        "Delta",
        np.array([0.2, 0.4]),
        np.array([[0.3, 0.35, 0.4], [0.2, 0.3, 0.4]]),
        ("left eye", "a name that is far too long to stand beside it"),
        "share",
        "dot: the part",
    )
    drawn = of_comparison(held)
    assert [tick.text for tick in drawn.y_ticks] == ["left eye", "a name that is far too long to …"]
    assert [(point.x, point.y) for point in drawn.points] == [
        (drawn.left, drawn.y_ticks[0].at),
        (drawn.right, drawn.y_ticks[1].at),
    ]
    middle = places(drawn.lines[0].points)
    assert middle[0, 0] == middle[1, 0] == pytest.approx((drawn.left + 3 * drawn.right) / 4, abs=0.06)
    bar = places(drawn.lines[0].band)
    assert (bar[:, 0].min(), bar[:, 0].max()) == (pytest.approx((drawn.left + drawn.right) / 2), drawn.right)
    (figure,) = block(WORDS, (held,), SCENE).figures
    assert figure.caption == "dot: the part"
    assert figure.alt.endswith("a name that is far too long to stand beside it 0.400")


def test_a_line_runs_from_corner_to_corner_where_its_values_do() -> None:
    drawn = plot(X, [("rising", X), ("falling", 1 - X)], {}, "x", "y")
    middle = [(LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2]
    np.testing.assert_allclose(
        places(drawn.lines[0].points), [[LEFT, BOTTOM], middle, [RIGHT, TOP]], atol=0.06
    )
    np.testing.assert_allclose(
        places(drawn.lines[1].points), [[LEFT, TOP], middle, [RIGHT, BOTTOM]], atol=0.06
    )
    assert [(tick.at, tick.text) for tick in drawn.y_ticks] == [
        (BOTTOM, "0"),
        ((TOP + BOTTOM) / 2, "0.5"),
        (TOP, "1"),
    ]
    assert drawn.lines[0].style != drawn.lines[1].style, "told apart without colour"


def test_a_band_is_closed_around_its_line_and_stays_inside_the_frame() -> None:
    drawn = plot(X, [("line", X)], {0: (X - 0.5, X + 0.5)}, "x", "y", (0, 1))
    held = places(drawn.lines[0].band)
    assert len(held) == 2 * len(X)
    assert held[:, 1].min() == TOP
    assert held[:, 1].max() == BOTTOM
    np.testing.assert_array_equal(held[:3, 0], held[:2:-1, 0])


def test_the_band_of_a_curve_belongs_to_its_last_line() -> None:
    values = np.array([[0, 1, 0], [1, 0, 1]], np.float32)
    held = Curve(
        "c", "Curve", values, X, ("first", "last"), "part", "p", np.array([values[1] - 1, values[1] + 1])
    )
    drawn = of_curve(held)
    assert [line.label for line in drawn.lines] == ["first", "last"]
    assert [bool(line.band) for line in drawn.lines] == [False, True]


def test_a_curve_is_a_figure_with_its_lines_named() -> None:
    held = Curve("c", "Curve", np.array([[0.0, 1.0, 0.5]]), X, ("deletion",), "part", "p", None)
    (figure,) = block(WORDS, (held,), SCENE).figures
    assert figure.plot is not None
    assert figure.alt.endswith("deletion")


def test_a_curve_that_is_not_finite_is_told_in_words() -> None:
    held = Curve("c", "Curve", np.array([[0.0, np.nan, 0.5]]), X, ("deletion",), "part", "p", None)
    (figure,) = block(WORDS, (held,), SCENE).figures
    assert figure.plot is None
    assert figure.words == "1 of 3 values are not finite"


def test_a_number_stands_under_the_figure_that_it_is_named_after() -> None:
    colours = np.random.default_rng(0).uniform(size=(3, 8, 8))
    found = (
        *(Picture(name, name, colours, "colours") for name in ("pca", "pca-2")),
        *(Scalar(name, name, 0.5) for name in ("pca-2-share", "pca-share", "share")),
    )
    held = block(WORDS, found, SCENE)
    assert [[fact.name for fact in figure.facts] for figure in held.figures] == [
        ["pca-share"],
        ["pca-2-share"],
    ]
    assert [fact.name for fact in held.facts] == ["share"]


def test_the_legend_names_the_classes_of_a_class_map_with_their_shares() -> None:
    values = np.array([[2, 2, 2, 0], [2, 2, 2, 1]])
    (figure,) = block(WORDS, (ClassMap("classes", "Answers", values, "by window"),), SCENE).figures
    assert [(key.name, key.share) for key in figure.keys] == [
        ("cat", "75.0 %"),
        ("ant", "12.5 %"),
        ("bee", "12.5 %"),
    ]
    assert figure.picture is not None
    pixels = figure.picture.pixels
    assert "cat 75.0 %" in figure.alt
    assert len(np.unique(pixels[:64, :64].reshape(-1, 3), axis=0)) == 1, "the first class is plain"
    assert len(np.unique(pixels[:64, -64:].reshape(-1, 3), axis=0)) == 2, "another one is hatched"


def test_classes_past_the_named_ones_share_an_entry() -> None:
    values = np.arange(NAMED + 3)[None].repeat(2, 0)
    _, keys = class_map(values, [f"class {n}" for n in range(NAMED + 3)])
    assert len(keys) == NAMED + 1
    assert keys[-1].name == "3 other classes"
    shares = [float(key.share.removesuffix(" %")) for key in keys]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_named_classes_differ_in_grey_print_too() -> None:
    """By the hatching: brightness alone would not tell them apart."""
    swatches = [hatched(np.full((42, 42), rank)).astype(float) for rank in range(NAMED)]
    patterns = [swatch[..., 0] < swatch[..., 0].max() for swatch in swatches]
    for a in range(NAMED):
        for b in range(a):
            assert (patterns[a] != patterns[b]).mean() > 0.1


def test_a_comparison_of_many_rows_has_one_key_and_whole_names():
    names = tuple(f"another way to prepare {n}" for n in range(18))
    reference = np.tile([0.2, 0.4, 0.6], (18, 1))
    drawn = of_comparison(Comparison("ways", "Ways", np.full(18, 0.5), reference, names, "share", "dot: one"))
    assert [tick.text for tick in drawn.y_ticks] == list(names)
    assert drawn.left >= 6 * max(map(len, names)) and drawn.right <= drawn.width
    common = environment(str).get_template("draw/common.html.j2").make_module()
    assert common.legend(drawn.lines).count('class="key"') == 1
