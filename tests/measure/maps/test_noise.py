"""Steady, and about the class: maps under noise that leaves the answer as it is."""

from __future__ import annotations

import pytest
import torch

from reportgen.measure.maps.noise import LEVELS, steady_and_of_the_class
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.saliency import Saliency


def test_a_map_without_a_class_is_as_like_anothers_as_itself_and_a_gradient_is_not(asking, quarters, bright):
    asked = asking(
        quarters, bright([0, 1]), Saliency(), EigenCam(layer="conv"), targets=[0, 1], rivals=[1, 0]
    )
    found = steady_and_of_the_class(asked)
    for row in range(2):
        gradient, component = found["p0"][row], found["p1"][row]
        assert component["rival"] == component["itself"] > 0.9
        assert gradient["itself"] > 0.9 and gradient["rival"] < 0.2, "the quarters are disconnected"


def test_the_noise_is_the_strongest_that_leaves_the_logits_as_they_are(asking, quarters, bright):
    asked = asking(quarters, bright([0, 3]), Saliency(), targets=[0, 3])
    levels = [found["noise"] for found in steady_and_of_the_class(asked)["p0"].values()]
    for row, level in enumerate(levels):
        changes = []
        for tried in LEVELS:
            draw = torch.Generator().manual_seed(0)
            x = asked.batch.pixels[row]
            noise = torch.randn(x.shape, generator=draw) * (x.max() - x.min())
            with torch.no_grad():
                own, other = quarters(torch.stack([x, x + tried * noise])).double()
            changes.append(float((other - own).norm() / (own - own.mean()).norm()))
        expected = next((t for t, change in zip(LEVELS, changes, strict=True) if change < 0.01), LEVELS[-1])
        assert level == pytest.approx(expected)


def test_without_a_second_class_only_the_likeness_to_itself_is_known(asking, quarters, bright):
    (found,) = steady_and_of_the_class(asking(quarters, bright([0]), Saliency()))["p0"].values()
    assert found["rival"] is None and found["itself"] > 0.9
