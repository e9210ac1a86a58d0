"""Other ways to preprocess: each view's input is what a recipe that says so would make of the same file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reportgen.checks.case import View
from reportgen.engine.adapted import adapted, tracking
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import frozen
from reportgen.engine.perturb.asking import Asker
from reportgen.inputs.images.preprocessing import Preprocessing, apply
from reportgen.measure.checks.views import Scale, grouped, viewed, worked_out

OWN = Preprocessing(32, (28, 28), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


@pytest.fixture
def photo() -> Image.Image:
    draw = np.random.default_rng(5)
    return Image.fromarray(draw.integers(0, 256, (50, 80, 3), dtype=np.uint8))


def seen_by(view: View, photo: Image.Image) -> torch.Tensor:
    x = torch.from_numpy(apply(photo, viewed(view, OWN))[0])[None]
    own = Scale.of(OWN)
    return worked_out(view, x, own, Scale.of_images(x, own))[0]


def as_recipe(photo: Image.Image, **keys) -> torch.Tensor:
    return torch.from_numpy(apply(photo, replace(OWN, **keys))[0])


def test_a_view_is_what_its_recipe_would_be(photo):
    none = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    for view, expected in (
        (View("none", mean=(0.0,), std=(1.0,)), as_recipe(photo, **none)),
        (View("squashed", fit="squash"), as_recipe(photo, resize=(28, 28), crop=None)),
        (View("nearest", interpolation="nearest"), as_recipe(photo, interpolation="nearest")),
        (View("turned", turned=90), as_recipe(photo).rot90(1, (1, 2))),
    ):
        torch.testing.assert_close(seen_by(view, photo), expected, atol=1e-5, rtol=1e-5)


def test_channels_and_values_are_turned_round_before_they_are_normalised(photo):
    bgr = Image.merge("RGB", photo.split()[::-1])
    torch.testing.assert_close(seen_by(View("bgr", reversed=True), photo), as_recipe(bgr), atol=1e-5, rtol=0)
    negative = Image.fromarray(255 - np.asarray(photo))
    plain = viewed(View(""), OWN)
    expected = torch.from_numpy(apply(negative, plain)[0])
    found = seen_by(View("inverted", inverted=True), photo)
    torch.testing.assert_close(found, expected, atol=0.02 / 0.2, rtol=0)  # a resize rounds to 8 bit


def test_by_the_images_own_scale_they_have_mean_zero_and_deviation_one(photo):
    x = seen_by(View("own", mean="images", std="images"), photo)
    torch.testing.assert_close(x.mean((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((1, 2), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_padded_image_is_seen_whole_with_black_above_and_below(photo):
    pixels = Scale.of(OWN).undone(seen_by(View("padded", fit="pad"), photo)[None])[0]
    rows = pixels.amax((0, 2))
    assert pixels.shape == (3, 28, 28)
    height = round(50 * 28 / 80)  # the longer side fills the input
    top = (28 - height) // 2
    assert (rows[:top] < 1e-6).all() and (rows[top + height :] < 1e-6).all()
    assert (rows[top : top + height] > 0.2).all()


def test_views_are_grouped_by_what_they_decode():
    views = [View("a"), View("b", fit="pad"), View("c", inverted=True), View("d", adapted=True)]
    views += [View("e", stepped=0.1), View("f", interpolation=OWN.interpolation)]
    found = [(g.places, g.adapted, g.stepped) for g in grouped(views, OWN)]
    assert found == [((0, 2, 5), False, 0), ((1,), False, 0), ((3,), True, 0), ((4,), False, 0.1)]


def test_adapted_statistics_are_those_of_the_images_and_leave_no_trace():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))
    x = torch.randn(8, 3, 8, 8) * 3 + 1
    network.eval()(x)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    asker = Asker(network, trace(network, (3, 8, 8)), torch.device("cpu"), 8)
    with frozen(network):
        plain = asker.forward(x)[0]
        with adapted(asker, [x]):
            maps = network[0](x)
            torch.testing.assert_close(network[1].running_mean, maps.mean((0, 2, 3)), atol=1e-5, rtol=1e-5)
            assert not torch.allclose(asker.forward(x)[0], plain)
        assert torch.equal(asker.forward(x)[0], plain)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    (norm,) = tracking(network)
    assert (norm.training, norm.momentum) == (False, 0.1)
