"""Maps as they travel: read back by another library, and never further off than is said."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from reportgen.report.pictures import figures
from reportgen.report.pictures.levels import RawMap, png, shrunk, thinned
from reportgen.report.pictures.rasters import Encoding, carried, kept, screen
from reportgen.report.pictures.scales import Scale, fractions, levels, scale

DRAW = np.random.default_rng(0)
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)


def between(low: float, high: float, signed: bool = False) -> Scale:
    return Scale("coolwarm" if signed else "inferno", low, high, False, signed)


@given(arrays.arrays(np.uint8, SHAPES))
def test_a_png_is_read_back_by_another_library(held: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(held)))), held)
    indexed = Image.open(io.BytesIO(png(held, figures.table("viridis"))))
    assert indexed.mode == "P"
    np.testing.assert_array_equal(np.asarray(indexed), held)
    np.testing.assert_array_equal(np.asarray(indexed.convert("RGB")), figures.table("viridis")[held])


def test_a_small_map_is_small_and_a_smooth_one_packs_well() -> None:
    assert len(png(DRAW.integers(0, 256, (14, 14), dtype=np.uint8))) < 300
    smooth = figures.resample(DRAW.integers(0, 256, (7, 7)).astype(np.float32), 224, 224)
    assert len(png(smooth.astype(np.uint8))) < 224 * 224 / 4


@pytest.mark.parametrize("signed", [False, True])
@given(st.integers(0, 255))
def test_every_third_level_is_within_one_level(signed: bool, level: int) -> None:
    by = between(-1.0 if signed else 0.0, 1.0, signed)
    level = min(level, by.top)
    made = int(thinned(np.array([[level]], np.uint8), by, 3)[0, 0])
    assert abs(made - level) <= 1
    assert 0 <= made <= by.top


@pytest.mark.parametrize("step", [1, 3, 5, 9, 15])
def test_zero_of_a_signed_map_stays_zero(step: int) -> None:
    by = scale(np.array([[-1.0, 3.0]]), signed=True)
    zero = thinned(levels(np.zeros((1, 1)), by), by, step)
    assert by.low + int(zero[0, 0]) * (by.high - by.low) / by.top == 0


@pytest.mark.parametrize("signed", [False, True])
@given(st.floats(-5, 5))
def test_a_level_stands_for_its_value_to_half_a_level(signed: bool, value: float) -> None:
    by = between(-2.0 if signed else 0.5, 2.0, signed)
    level = int(levels(np.array([[value]]), by)[0, 0])
    inside = min(max(value, by.low), by.high)
    half = (by.high - by.low) / by.top / 2
    assert abs(by.low + level * (by.high - by.low) / by.top - inside) <= half * 1.001


def test_a_map_alone_is_drawn_as_before_its_levels_were_kept() -> None:
    """Within one level of 255: the picture of the levels and that of the exact values."""
    for signed in (False, True):
        values = DRAW.normal(size=(90, 70)).astype(np.float32) + (0 if signed else 5)
        by = scale(values, signed)
        exact = np.rint(fractions(values, by) * 255).astype(int)
        drawn = figures.heat(values, by).pixels
        candidates = [figures.table(by.palette)[np.clip(exact + off, 0, 255)] for off in (-1, 0, 1)]
        assert np.any([(drawn == held).all(axis=2) for held in candidates], axis=0).all()


def test_shrinking_keeps_the_mean() -> None:
    held = DRAW.integers(0, 256, (128, 128), dtype=np.uint8)
    made = shrunk(held, 0.5)
    assert made.shape == (64, 64)
    blocks = held.reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(made - blocks).max() <= 1


def raw(side: int, alone: bool) -> RawMap:
    values = DRAW.random((side, side))
    return figures.raw_map(values, scale(values, False), alone)


def test_what_a_page_gives_up_of_a_map() -> None:
    least = Encoding(40, 0.5, 0)
    assert kept(raw(14, True), least).shape == (14, 14), "small maps are whole at any price"
    assert carried(raw(14, True), least)
    assert not carried(raw(224, True), least)
    assert carried(raw(224, False), least)
    assert kept(raw(224, True), Encoding(40, 0.5, 15)).shape == (112, 112)
    assert kept(raw(896, True), Encoding(60)).shape == (448, 448), "no larger than it is shown"
    over = raw(224, False)
    np.testing.assert_array_equal(kept(over, Encoding(60, 1.0, 3)), over.levels)


def test_a_map_alone_is_its_own_picture() -> None:
    values = DRAW.random((80, 80))
    by = scale(values, False)
    made = screen(figures.heat(values, by), Encoding(60, step=1))
    assert made.media_type == "image/png"
    opened = Image.open(io.BytesIO(made.data))
    np.testing.assert_array_equal(np.asarray(opened), levels(values, by))
    np.testing.assert_array_equal(np.asarray(opened.convert("RGB")), figures.heat(values, by).pixels)
    lossy = screen(figures.heat(values, by), Encoding(40, 0.5, 0))
    assert lossy.media_type == "image/webp"
