"""Preprocessing against torchvision's own transforms, and the geometry against planted pixels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from reportgen.errors import RecipeError
from reportgen.inputs.images.preprocessing import Preprocessing, apply

RGB = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
MODES = transforms.InterpolationMode
TORCHVISION = {
    "bilinear": MODES.BILINEAR,
    "bicubic": MODES.BICUBIC,
    "nearest": MODES.NEAREST,
    "lanczos": MODES.LANCZOS,
}


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def by_torchvision(image: Image.Image, p: Preprocessing) -> np.ndarray:
    steps = [transforms.Grayscale()] if p.channels == 1 else []
    if p.resize is not None:
        steps.append(transforms.Resize(p.resize, TORCHVISION[p.interpolation]))
    if p.crop is not None:
        steps.append(transforms.CenterCrop(p.crop))
    steps += [transforms.ToTensor(), transforms.Normalize(p.mean, p.std)]
    return transforms.Compose(steps)(image).numpy()


SIZES = st.integers(1, 70)


@settings(max_examples=150, deadline=None)
@given(
    width=SIZES,
    height=SIZES,
    resize=st.one_of(st.none(), SIZES, st.tuples(SIZES, SIZES)),
    crop=st.tuples(SIZES, SIZES),
    interpolation=st.sampled_from(sorted(TORCHVISION)),
)
def test_equals_torchvision_to_the_bit(width, height, resize, crop, interpolation):
    p = Preprocessing(resize, crop, **RGB, interpolation=interpolation)
    image = noise(width, height)
    pixels, seen, geometry = apply(image, p)
    assert pixels.dtype == np.float32
    assert pixels.shape == p.input_shape == (3, *crop)
    np.testing.assert_array_equal(pixels, by_torchvision(image, p))
    assert seen.shape == (*crop, 3)
    left, top, right, bottom = geometry.crop_px
    assert (right - left, bottom - top) == (crop[1], crop[0])


def test_grey_equals_torchvision_and_keeps_one_channel():
    p = Preprocessing(28, (28, 28), (0.1307,), (0.3081,))
    pixels, seen, _ = apply(noise(40, 33), p)
    assert (pixels.shape, seen.shape) == ((1, 28, 28), (28, 28, 1))
    np.testing.assert_array_equal(pixels, by_torchvision(noise(40, 33), p))


def test_without_resize_and_crop_the_size_alone_is_fixed_by_height_and_width():
    p = Preprocessing((20, 30), None, **RGB)
    assert p.input_shape == (3, 20, 30)
    np.testing.assert_array_equal(apply(noise(9, 9), p)[0], by_torchvision(noise(9, 9), p))


def test_the_resize_of_nothing_leaves_the_pixels_alone():
    image = noise(28, 28)
    _, seen, geometry = apply(image, Preprocessing(None, (28, 28), **RGB))
    np.testing.assert_array_equal(seen, np.asarray(image))
    assert geometry.crop_original_px == (0, 0, 28, 28)


def test_the_crop_lies_on_the_original_where_the_geometry_says():
    """A planted white block is seen exactly where its original place maps to."""
    values = np.zeros((300, 600, 3), np.uint8)
    values[120:180, 240:300] = 255  # rows, columns of the original
    _, seen, geometry = apply(
        Image.fromarray(values), Preprocessing(100, (80, 60), **RGB, interpolation="nearest")
    )
    left, top, right, bottom = geometry.crop_original_px
    assert geometry.resized_px == (200, 100)
    rows, columns = np.nonzero(seen[..., 0])
    x = (right - left) / 60  # original pixels a seen pixel
    y = (bottom - top) / 80
    assert (left + columns.min() * x, left + (columns.max() + 1) * x) == (240, 300)
    assert (top + rows.min() * y, top + (rows.max() + 1) * y) == (120, 180)


def test_a_crop_larger_than_the_image_is_padded_with_black_and_says_so():
    white = Image.new("RGB", (10, 10), "white")
    _, seen, geometry = apply(white, Preprocessing(None, (13, 12), **RGB))
    assert geometry.crop_px == (-1, -1, 11, 12)
    assert seen[1:11, 1:11].min() == 255
    assert seen.sum() == 10 * 10 * 3 * 255


def test_as_json_is_json():
    p = Preprocessing(256, (224, 224), **RGB, origin="recipe")
    assert json.loads(json.dumps(p.as_json()))["crop"] == [224, 224]
    geometry = json.loads(json.dumps(apply(noise(10, 10), p)[2].as_json()))
    assert set(geometry) == {"original_px", "resized_px", "crop_px", "crop_original_px"}


def test_normalisation_undoes_to_the_pixels_seen():
    p = Preprocessing(32, (32, 32), **RGB)
    pixels, seen, _ = apply(noise(50, 40), p)
    n = p.normalisation
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (n.mean, n.std))
    back = (torch.from_numpy(pixels) * std + mean) * 255
    np.testing.assert_allclose(back.numpy(), seen.transpose(2, 0, 1), atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"resize": 256, "crop": None}, "size"),
        ({"resize": None, "crop": None}, "size"),
        ({"mean": (0.5, 0.5)}, "means"),
        ({"std": (0.5,)}, "deviations"),
        ({"std": (1.0, 0.0, 1.0)}, "normalise"),
        ({"mean": (float("nan"),) * 3}, "normalise"),
        ({"crop": (0, 5)}, "sides"),
        ({"resize": -1}, "sides"),
        ({"interpolation": "cubic"}, "interpolation"),
    ],
)
def test_contradictions_are_refused_in_words(fields, word):
    with pytest.raises(RecipeError, match=word) as caught:
        Preprocessing(**{"resize": 256, "crop": (224, 224), **RGB, **fields})
    assert caught.value.remedy
