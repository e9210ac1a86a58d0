"""Maps in levels: what is printed of them stays exact, and what is drawn of them stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.evidence import levels
from reportgen.evidence.levels import Steps
from reportgen.findings.printed import MANY
from reportgen.report.pictures import figures
from reportgen.report.pictures.scales import bar, scale, tile_scale

DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy tails": lambda rng, n: rng.standard_t(1.5, n),
    "amounts": lambda rng, n: rng.exponential(size=n) ** 3,
    "mostly zero": lambda rng, n: rng.normal(size=n) * (rng.random(n) > 0.999),
    "few values": lambda rng, n: rng.integers(-2, 3, n),
    "far from zero": lambda rng, n: 1e6 + rng.random(n),
    "tiny": lambda rng, n: 1e-38 * rng.normal(size=n),
    "one place": lambda rng, n: 1e30 * (np.arange(n) == rng.integers(n)),
    "constant": lambda rng, n: np.full(n, -0.3),
}


def kept(values, steps: Steps):
    """What is read back of maps (G, places)."""
    head, codes = levels.coded(values, steps)
    tables, read = levels.decoded(head + b"and more", len(values))
    assert read == len(head)
    return np.stack([table[row] for table, row in zip(tables, codes, strict=True)])


def kept_map(values, signed: bool, count: int = 16384):
    """What is read back of one map (h, w)."""
    steps = Steps(count, None, "sizes" if signed else "values")
    return kept(values.reshape(1, -1), steps).reshape(values.shape)


def drawn_from(kind: str, seed: int, side: int = 40):
    return DRAWS[kind](np.random.default_rng(seed), side * side).astype(np.float32).reshape(side, side)


@given(
    st.sampled_from(sorted(DRAWS)), st.integers(0, 1000), st.booleans(), st.sampled_from([2, 64, 2048, 16384])
)
def test_a_map_s_scale_is_that_of_what_was_measured_bit_by_bit(kind, seed, signed, count):
    values = drawn_from(kind, seed)
    back = kept_map(values, signed, count)
    assert back.dtype == np.float32
    assert (back.min(), back.max()) == (values.min(), values.max())
    assert (np.sign(back) == np.sign(values))[values == 0].all()  # zero is zero
    assert (np.sign(back) * np.sign(values) >= 0).all()  # and no sign is turned
    if values.min() < values.max():
        assert scale(back, signed) == scale(values, signed)
        assert bar(scale(back, signed)) == bar(scale(values, signed))
    order = np.argsort(values, axis=None, kind="stable")
    assert (np.diff(back.ravel()[order]) >= 0).all()  # monotone: ranks become ties, and are never turned


@given(st.sampled_from(sorted(DRAWS)), st.integers(0, 1000), st.booleans())
def test_what_is_drawn_is_off_by_half_a_step_at_most(kind, seed, signed):
    values = drawn_from(kind, seed)
    count = 16384
    back = kept_map(values, signed, count)
    if values.min() == values.max():
        assert np.array_equal(back, values)
        return
    by = scale(values, signed)
    inside = (values >= by.low) & (values <= by.high)
    height = by.high - min(by.low, 0.0)
    rounding = np.abs(values) * 2.0**-23  # of float32 itself
    error = np.abs(back.astype(np.float64) - values)
    assert (error <= height / count / 2 + rounding)[inside].all()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("kind", ["normal", "heavy tails", "amounts"])
def test_a_figure_is_the_same_within_one_level_of_its_palette(kind, signed):
    values = drawn_from(kind, 1, 224)
    back = kept_map(values, signed)
    was, now = (figures.raw_map(v, scale(v, signed), True).levels.astype(int) for v in (values, back))
    assert np.abs(was - now).max() <= 1
    assert (was != now).mean() < 0.02


def test_tiles_and_colours_are_drawn_the_same_within_one_level():
    rng = np.random.default_rng(0)
    tiles = rng.standard_t(3, (5, 40, 41)).astype(np.float32)
    back = kept(tiles.reshape(5, -1), Steps(2048, 2)).reshape(tiles.shape)
    for signed in (True, False):
        assert [tile_scale(t, signed, False) for t in back] == [tile_scale(t, signed, False) for t in tiles]
    colours = rng.standard_t(3, (3, 60, 60)).astype(np.float32)
    again = kept(colours.reshape(1, -1), Steps(2048, None, "sizes")).reshape(colours.shape)
    (was, by), (now, same) = (figures.signed_colour(v) for v in (colours, again))
    assert by == same
    assert np.abs(was.pixels.astype(int) - now.pixels).max() <= 1
    eighths = rng.integers(0, 256, (3, 60, 60)) / np.float32(255)  # pixels as they are, in float32
    rgb = kept(eighths.astype(np.float32).reshape(1, -1), Steps(2048)).reshape(eighths.shape)
    assert np.array_equal(figures.rgb_picture(rgb).pixels, figures.rgb_picture(eighths).pixels)


def test_groups_are_the_maps_of_an_image():
    row = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert np.array_equal(Steps(1, 2).groups(row), row.reshape(6, 20))
    assert np.array_equal(Steps(1, 3).groups(row), row.reshape(2, 60))
    assert np.array_equal(Steps(1).groups(row), row.reshape(1, 120))


def test_levels_are_for_finite_maps_of_many_places_only():
    assert levels.applies(np.zeros((2, MANY + 1), np.float32))
    assert not levels.applies(np.zeros((2, MANY), np.float32))
    assert not levels.applies(np.zeros((2, MANY + 1), np.float64))
    for value in (np.nan, np.inf):
        broken = np.zeros((2, MANY + 1), np.float32)
        broken[1, 7] = value
        assert not levels.applies(broken)
