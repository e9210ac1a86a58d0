"""Planted truths of the maps that change the image: RISE, Score-CAM, the class by window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from reportgen.engine.needs import RandomMasks
from reportgen.engine.targets import Slot
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.occlusion_class_map import OcclusionClassMap
from reportgen.probes.rise import Rise
from reportgen.probes.score_cam import ScoreCam


class Quadrant(nn.Module):
    """Class 1 is a bright upper left quarter; nothing else counts."""

    def forward(self, x: Tensor) -> Tensor:
        half = x.shape[-1] // 2
        bright = x[..., :half, :half].mean((1, 2, 3))
        return torch.stack([-3 * bright, 3 * bright], 1)


def test_rise_is_bright_where_visibility_counts_and_flat_elsewhere(measured):
    probe = Rise(masks=600, cells=8, baseline="black")
    found = measured(
        Quadrant(), torch.ones(1, 3, 32, 32), probe, slots=(Slot("named", 1),), batch_size=200
    ).findings(probe)["map"].values[0]
    inside, outside = found[:14, :14], found[20:, 20:]
    top, left = np.unravel_index(found.argmax(), found.shape)
    assert top < 16 and left < 16
    assert inside.mean() > outside.mean() + 4 * outside.std()


@settings(max_examples=30, deadline=None)
@given(
    side=st.tuples(st.integers(5, 40), st.integers(5, 40)), cells=st.integers(2, 9), keep=st.floats(0.2, 0.8)
)
def test_random_masks_cover_the_image_and_show_the_share_they_say(side, cells, keep):
    need = RandomMasks(400, cells, keep)
    masks = need.masks(*side)
    assert masks.shape == (400, *side)
    assert masks.min() >= -1e-6 and masks.max() <= 1 + 1e-6
    # coins of 400 masks, at least 4 cells each; neighbours of one mask are not independent
    assert float(masks.mean()) == pytest.approx(keep, abs=5 * (keep * (1 - keep) / 400) ** 0.5)
    assert torch.equal(masks, need.masks(*side))
    assert not torch.equal(masks, RandomMasks(400, cells, keep, seed=1).masks(*side))


def test_score_cam_prefers_the_map_that_shows_what_counts(measured):
    class TwoMaps(nn.Module):
        """Map 0 is the image's upper left, map 1 its lower right; only the first one counts."""

        def __init__(self) -> None:
            super().__init__()
            self.maps = nn.Conv2d(3, 2, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            self.maps(x)
            return 4 * Quadrant()(x)

    network = TwoMaps()
    with torch.no_grad():
        network.maps.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, :, None, None])
    pixels = torch.zeros(1, 3, 16, 16)
    pixels[:, 0, :8, :8] = 2
    pixels[:, 1, 8:, 8:] = 2
    # by name: the logits do not depend on this layer, so that it is not the one of `auto`
    found = measured(network, pixels, probe := ScoreCam("maps"), slots=(Slot("named", 1),)).findings(probe)
    values = found["map"].values[0]
    assert values[:8, :8].mean() > 2 * values[8:, 8:].mean() > 0
    assert found["channels"].text == "2 of 2 channels"


def test_score_cam_takes_the_channels_that_vary_most(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    few, every = ScoreCam(layer="last", channels=3), ScoreCam(layer="last", channels="all")
    done = measured(awkward, pixels, few, every)
    assert done.findings(few)["channels"].text == "3 of 12 channels"
    assert done.findings(every)["channels"].text == "12 of 12 channels"
    assert done.engine.counted.perturbed_forwards == 2 * (3 + 12)


def test_class_map_names_the_answer_that_is_left(measured):
    class Brightest(nn.Module):
        """The class is the brightest quarter: upper left, upper right, lower left, lower right."""

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 2).flatten(1)

    pixels = torch.zeros(1, 3, 16, 16)
    pixels[..., :8, :8], pixels[..., :8, 8:], pixels[..., 8:, 8:] = 3, 2, 1
    probe = OcclusionClassMap(window_px=8, stride_px=8, baseline="black")
    done = measured(Brightest(), pixels, probe, same := Occlusion(window_px=8, stride_px=8, baseline="black"))
    found = done.findings(probe)
    assert found["classes"].values.tolist() == [[[1, 0], [0, 0]]]
    assert found["classes-kept"].values.tolist() == [75]
    assert done.findings(same)["probability"].values.shape == (1, 2, 2)
    assert done.engine.counted.perturbed_forwards == 4, "both read the same windows"
