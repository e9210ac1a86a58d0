"""Whole images moved, scaled and turned, against torch's own moves and a bilinear loop written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.engine.needs import Normalisation, Transformed
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.perturb.transforms import matrices, warp

MIDGREY = Normalisation((0.5,) * 3, (0.25,) * 3)


def image(height: int = 9, width: int = 9, channels: int = 3) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(height * width))


def copies(x: torch.Tensor, kind: str, *values: float, border: str = "edge") -> torch.Tensor:
    """Every copy of one image, (V, C, H, W)."""
    made = maker(Transformed(kind, values, border), Source(x, MIDGREY, {}))
    number = torch.arange(made.count)
    return made.make(torch.zeros_like(number), number)


def slow(picture: torch.Tensor, kind: str, value: float, outside: float | None) -> torch.Tensor:
    """One channel (H, W), pixel by pixel: where does its colour come from, and between which four?"""
    height, width = picture.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2

    def colour(row: int, column: int) -> float:
        if 0 <= row < height and 0 <= column < width:
            return float(picture[row, column])
        if outside is not None:
            return outside
        return float(picture[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])

    found = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            y, x = row - middle_y, column - middle_x
            if kind == "translation-y":
                y -= value
            elif kind == "translation-x":
                x -= value
            elif kind == "scale":
                y, x = y / value, x / value
            else:  # in a picture y points down, so this turns the contents counter-clockwise
                angle = math.radians(value)
                y, x = (
                    math.cos(angle) * y + math.sin(angle) * x,
                    math.cos(angle) * x - math.sin(angle) * y,
                )
            y, x = y + middle_y, x + middle_x
            top, left = math.floor(y + 1e-9), math.floor(x + 1e-9)
            down, right = y - top, x - left
            found[row, column] = (
                (1 - down) * (1 - right) * colour(top, left)
                + (1 - down) * right * colour(top, left + 1)
                + down * (1 - right) * colour(top + 1, left)
                + down * right * colour(top + 1, left + 1)
            )
    return found


@pytest.mark.parametrize(
    "kind, value",
    [("translation-y", 0), ("translation-x", 0), ("scale", 1), ("rotation", 0), ("rotation", 360)],
)
@pytest.mark.parametrize("border", ["edge", "grey", "mean"])
def test_no_change_leaves_the_image_bit_for_bit(kind, value, border):
    x = image(11, 7)
    assert torch.equal(copies(x, kind, value, border=border), x)


@pytest.mark.parametrize("shift", [-4, -1, 1, 3, 20])
def test_a_shift_by_whole_pixels_is_exact_and_the_edge_is_drawn_out(shift):
    x = image(9, 12)
    rows = (torch.arange(9) - shift).clamp(0, 8)
    columns = (torch.arange(12) - shift).clamp(0, 11)
    assert torch.equal(copies(x, "translation-y", shift), x[:, :, rows])
    assert torch.equal(copies(x, "translation-x", shift), x[..., columns])


def test_what_comes_in_from_outside_is_the_baseline_in_pixel_space():
    x = image()
    (moved,) = copies(x, "translation-y", 2, border="black")
    assert torch.equal(moved[:, 2:], x[0, :, :-2])
    assert torch.equal(moved[:, :2], torch.full((3, 2, 9), (0 - 0.5) / 0.25))


@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_are_exact(side):
    x = image(side, side)
    found = copies(x, "rotation", 90, 180, 270, -90)
    for copy, quarters in zip(found, (1, 2, 3, 3), strict=True):
        assert torch.equal(copy, torch.rot90(x[0], quarters, (1, 2)))


def test_twice_the_size_shows_the_middle_half():
    x = image(16, 16)
    (found,) = copies(x, "scale", 2)
    middle = torch.nn.functional.interpolate(x[..., 3:13, 3:13], scale_factor=2, mode="bilinear")[0]
    assert torch.allclose(found, middle[:, 2:18, 2:18], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    side=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    change=st.one_of(
        st.tuples(st.sampled_from(["translation-y", "translation-x"]), st.floats(-12, 12)),
        st.tuples(st.just("scale"), st.floats(0.3, 4)),
        st.tuples(st.just("rotation"), st.floats(-400, 400)),
    ),
    grey=st.booleans(),
)
def test_any_change_is_the_slow_loops(side, change, grey):
    x, (kind, value) = image(*side, channels=1), change
    source = Source(x, Normalisation((0.5,), (0.25,)), {})
    made = maker(Transformed(kind, (value,), "grey" if grey else "edge"), source)
    found = made.make(torch.tensor([0]), torch.tensor([0]))[0, 0]
    assert torch.allclose(found, slow(x[0, 0], kind, value, 0.0 if grey else None), atol=2e-4)


def test_each_copy_has_its_own_image_and_its_own_change():
    x = torch.cat([image(), image() + 5])
    matrix = matrices(Transformed("translation-y", (1.0, 2.0)), 9, 9)
    both = warp(x, matrix, None)
    assert torch.equal(both[0, :, 1:], x[0, :, :-1])
    assert torch.equal(both[1, :, 2:], x[1, :, :-2])
