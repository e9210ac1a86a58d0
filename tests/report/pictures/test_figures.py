"""Pixels against what they stand for: planted values, an independent resampler, relations."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from reportgen.report.pictures import figures
from reportgen.report.pictures.rasters import Encoding, Raster, jpeg_or_png, webp
from reportgen.report.pictures.scales import Scale, fractions, scale

DRAW = np.random.default_rng(0)


def test_maps_are_enlarged_as_torch_does_with_align_corners_false() -> None:
    values = DRAW.normal(size=(7, 5)).astype(np.float32)
    expected = interpolate(torch.tensor(values)[None, None], (224, 190), mode="bilinear")[0, 0]
    np.testing.assert_allclose(figures.resample(values, 224, 190), expected, atol=1e-5)


def test_palettes_rise_or_diverge_evenly_in_lightness() -> None:
    def lightness(palette: str) -> np.ndarray:
        linear = (figures.table(palette) / 255.0) ** 2.2
        return np.cbrt(linear @ np.array([0.2126, 0.7152, 0.0722]))

    assert (np.diff(lightness("inferno")) > -0.01).all()
    assert (np.diff(lightness("viridis")) > -0.01).all()
    middle = lightness("coolwarm")
    assert abs(int(middle.argmax()) - 128) < 8, "the diverging palette is lightest at zero"
    assert abs(middle[0] - middle[-1]) < 0.1, "both signs weigh the same"


def test_a_signed_map_has_zero_in_the_middle_of_its_palette() -> None:
    by = scale(np.array([[-1.0, 3.0]]), signed=True)
    assert (by.low, by.high) == (-3, 3)
    assert fractions(np.array([[0.0]]), by)[0, 0] == 0.5


def test_an_amount_is_scaled_from_zero_and_says_when_it_is_clipped() -> None:
    values = np.zeros((100, 100), np.float32)
    values[:50] = 1
    values[0, 0] = 1000
    by = scale(values, signed=False)
    assert (by.palette, by.low, by.clipped) == ("inferno", 0, True)
    assert by.high == pytest.approx(np.percentile(values, 99.5))
    assert not scale(values[:10, :10] * 0 + np.eye(10), signed=False).clipped


@pytest.mark.parametrize("signed", [False, True])
def test_an_overlay_shows_the_grey_photograph_where_the_map_is_zero(signed: bool) -> None:
    photo = DRAW.integers(0, 255, (80, 80, 3), dtype=np.uint8)
    values = np.zeros((80, 80), np.float32)
    values[:, 60:] = 1
    drawn = figures.overlay(values, scale(values, signed), photo).pixels
    luma = np.asarray(Image.fromarray(photo).convert("L"), np.float32)
    assert np.abs(drawn[:, :50, 0].astype(float) - luma[:, :50]).max() <= 2
    assert (np.ptp(drawn[:, :50].astype(int), axis=2) <= 1).all(), "no colour where there is none"
    assert (np.ptp(drawn[:, 70:].astype(int), axis=2) > 30).all()


def test_a_map_on_the_original_lies_where_the_crop_was() -> None:
    out = io.BytesIO()
    Image.new("RGB", (200, 100), (90, 90, 90)).save(out, "JPEG")
    whole = figures.Whole(out.getvalue(), (400, 200), (200.0, 0.0, 400.0, 200.0))  # the right half
    values = np.zeros((10, 10), np.float32)
    values[5, 5] = 1  # the middle of the crop: (300, 100) in the original
    raw = figures.raw_map(values, scale(values, False), alone=False)
    drawn = figures.on_original(raw, whole).pixels.astype(int)
    colour = np.ptp(drawn, axis=2)
    row, column = np.unravel_index(colour.argmax(), colour.shape)
    assert drawn.shape == (100, 200, 3)
    assert abs(column - 155) < 8
    assert abs(row - 55) < 8
    assert colour[:, :99].max() <= 1, "nothing is laid over what the model did not see"


def test_the_crop_is_framed_and_what_lies_outside_is_dimmed() -> None:
    out = io.BytesIO()
    Image.new("RGB", (100, 50), (250, 0, 0)).save(out, "JPEG", quality=95)
    drawn = figures.original(figures.Whole(out.getvalue(), (100, 50), (25.0, 0.0, 75.0, 50.0)))
    assert drawn.pixels[25, 50, 0] > 240
    assert np.ptp(drawn.pixels[25, 5].astype(int)) < 120
    assert (drawn.pixels[25, 25] == 255).all()
    untouched = figures.Whole(out.getvalue(), (100, 50), (0.0, 0.0, 100.0, 50.0))
    assert not untouched.cropped
    assert (figures.original(untouched).pixels[..., 0] > 240).all()


def test_a_crop_that_was_padded_is_framed_within_the_image() -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), (100, 100, 100)).save(out, "JPEG")
    whole = figures.Whole(out.getvalue(), (40, 40), (-20.0, -20.0, 60.0, 60.0))
    values = np.eye(8, dtype=np.float32)
    raw = figures.raw_map(values, scale(values, False), alone=False)
    assert figures.on_original(raw, whole).pixels.shape == (40, 40, 3)


def test_the_masked_photograph_is_the_photograph_inside_and_veiled_outside() -> None:
    photo = DRAW.integers(0, 255, (100, 100, 3), dtype=np.uint8)
    chosen = np.zeros((100, 100), bool)
    chosen[20:40, 30:60] = True
    drawn = figures.through_mask(chosen, photo).pixels
    assert (drawn[chosen] == photo[chosen]).all()
    assert drawn[~chosen].min() > 190
    assert (figures.mask(chosen).pixels[..., 0] == 255).sum() == chosen.sum()


def test_segments_are_told_apart() -> None:
    values = np.arange(12).repeat(100).reshape(30, 40)
    assert len(np.unique(figures.segments(values).pixels.reshape(-1, 3), axis=0)) == 12


def test_signed_colour_is_mid_grey_at_zero_and_symmetric() -> None:
    values = DRAW.normal(size=(3, 80, 80)).astype(np.float32)
    values[:, 10, 10] = 0
    drawn, _ = figures.signed_colour(values)
    opposite, _ = figures.signed_colour(-values)
    assert (np.abs(drawn.pixels[10, 10].astype(int) - 127.5) <= 1).all()
    assert (np.abs(drawn.pixels.astype(int) + opposite.pixels - 255) <= 1).all()


def test_a_gallery_scales_each_tile_or_all_alike_and_leaves_gaps() -> None:
    tiles = np.stack([np.eye(4), 10 * np.eye(4), np.full((4, 4), 3.0)]).astype(np.float32)
    each, none = figures.sprite(tiles, signed=False, scaled="each", columns=3)
    grid, by = figures.sprite(tiles, signed=False, scaled="grid", columns=3)
    width = (each.width - 2 * figures.GAP_PX) // 3
    first, second, third = (each.pixels[:, at * (width + figures.GAP_PX) :][:, :width, :3] for at in range(3))
    assert none is None
    assert by == Scale("viridis", 0.0, 10.0, False, False)
    assert (first == second).all()
    assert (third == 128).all(), "a constant tile is not stretched"
    assert (grid.pixels[:, :width, :3] != grid.pixels[:, width + figures.GAP_PX :][:, :width, :3]).any()
    assert (each.pixels[:, width : width + figures.GAP_PX, 3] == 0).all()


@pytest.mark.parametrize("encode", [webp, jpeg_or_png])
def test_exact_pictures_lose_nothing_and_others_little(
    encode: Callable[[Raster, Encoding], object],
) -> None:
    pixels = DRAW.integers(0, 255, (28, 28, 3), dtype=np.uint8)
    exact = encode(Raster(pixels, exact=True), Encoding(10, 0.5))
    assert (np.asarray(Image.open(io.BytesIO(exact.data)).convert("RGB")) == pixels).all()
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[:, None], (100, 1, 3)).reshape(100, 200, 3)
    lossy = encode(Raster(ramp), Encoding(80))
    found = np.asarray(Image.open(io.BytesIO(lossy.data)).convert("RGB"), float)
    assert np.abs(found - ramp).mean() < 3
    assert Image.open(io.BytesIO(encode(Raster(ramp), Encoding(80, 0.5)).data)).size == (100, 50)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_whatever_the_model_sees_can_be_drawn(channels: int) -> None:
    seen = DRAW.integers(0, 255, (20, 30, channels), dtype=np.uint8)
    drawn = figures.photo(seen)
    assert drawn.shape == (20, 30, 3)
    assert (drawn[..., 0] == seen[..., 0]).all()
