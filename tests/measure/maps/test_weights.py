"""Shuffled weights: a map that ignores them keeps its ρ, and what stands beside it is what it is said to
be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.stats import spearmanr

from reportgen.engine.device import Packed
from reportgen.engine.onepass import OnePass
from reportgen.measure.maps.likeness import Ranked, edges, gaussian
from reportgen.measure.maps.weights import depends_on_weights
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency


def test_a_map_of_the_pixels_outlives_the_shuffling_and_a_gradient_does_not(asking, awkward):
    torch.manual_seed(0)
    pixels = torch.randn(3, 3, 32, 32)
    flat = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Flatten(), torch.nn.Linear(4 * 28 * 28, 3))
    with torch.no_grad():
        flat[0].weight.copy_(torch.ones(4, 3, 1, 1))  # one value: shuffled, it is as it was
        flat[0].bias.zero_()
    stripes = torch.where(torch.arange(28) % 3 == 0, 2.0, -1.0).expand(3, 3, 28, 28) + 0.1 * torch.randn(
        3, 3, 28, 28
    )
    found = depends_on_weights(asking(flat, stripes, Saliency(), EigenCam(layer="0")))
    for row in range(3):
        assert found["p1"][row]["all"] > 0.9
        assert abs(found["p0"][row]["all"]) < 0.3, "shuffled weights of the last layer, place by place"
    found = depends_on_weights(asking(awkward, pixels, Saliency()))
    assert set(found["p0"][0]) == {"half", "all", "others", "gaussian", "edges"}


def test_what_stands_beside_it_is_scipys_correlation(asking, quarters, bright):
    pixels = bright([0, 1, 2])
    asked = asking(quarters, pixels, EigenCam(layer="conv"), dear=0, copies=1, noise_std=1e-9)
    found = depends_on_weights(asked)["p0"]
    maps = asked.batch.maps["p0"].double()
    for row in range(3):
        rest = [
            spearmanr(maps[row].ravel(), maps[other].ravel()).statistic for other in range(3) if other != row
        ]
        assert found[row]["others"] == pytest.approx(sum(rest) / 2, abs=1e-4)
        middle = spearmanr(maps[row].ravel(), gaussian(28, 28).ravel()).statistic
        assert found[row]["gaussian"] == pytest.approx(middle, abs=1e-4)


def test_dear_methods_are_made_again_for_few_images_and_by_the_whole_network_only(asking, quarters, bright):
    windows = Occlusion(window_px=7, stride_px=7)
    found = depends_on_weights(asking(quarters, bright([0, 1, 2]), windows, Saliency(), dear=2))
    assert set(found["p0"]) == {0, 1} and set(found["p1"]) == {0, 1, 2}
    assert "half" not in found["p0"][0] and "all" in found["p0"][0]


def test_copies_that_are_asked_at_once_give_what_single_ones_give(asking, awkward, monkeypatch):
    torch.manual_seed(1)
    asked = asking(awkward, torch.randn(3, 3, 32, 32), Saliency(), GradCam(), copies=3)
    batches = []
    run = OnePass.run
    monkeypatch.setattr(OnePass, "run", lambda self, x, y: batches.append(len(x)) or run(self, x, y))

    def by(gradients):
        batches.clear()
        engine = replace(asked.engine, packed=Packed(8, gradients))
        return depends_on_weights(replace(asked, engine=engine)), list(batches)

    (single, singly), (whole, at_once) = by(1), by(100)
    # the network itself for three images, each of three others in two stages for one
    assert singly == [3] * 3 + [1] * 18 and at_once == [9] + [3] * 6
    for name in ("p0", "p1"):
        for row in range(3):
            assert whole[name][row] == pytest.approx(single[name][row], abs=2e-3)


def test_edges_are_where_the_brightness_changes_and_the_gaussian_is_in_the_middle():
    image = torch.zeros(1, 3, 8, 8)
    image[..., 4:] = 1
    found = edges(image, (8, 8))[0]
    assert set(found[:, 3:5].unique().tolist()) == {4.0} and found[:, :3].abs().max() == 0
    middle = gaussian(7, 9)
    assert middle.argmax() == 3 * 9 + 4 and torch.allclose(middle, middle.flip(0, 1))


def test_a_map_that_vanished_has_nothing_in_common_and_a_constant_one_no_rank():
    ramp, zero, flat = torch.arange(16.0).view(4, 4), torch.zeros(4, 4), torch.ones(4, 4)
    assert Ranked.of(ramp).like(Ranked.of(zero)) == 0.0
    assert Ranked.of(ramp).like(Ranked.of(flat)) is None
    assert Ranked.of(ramp).like(Ranked.of(-ramp)) == pytest.approx(-1)
    assert Ranked.of(flat).like(Ranked.of(ramp)) is None
    assert Ranked.of(torch.full((4, 4), torch.nan)).like(Ranked.of(ramp)) is None
