"""A network that answers every pixel is explained by the mean of a class under each image's own mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.feed import Feed
from reportgen.engine.needs import Normalisation
from reportgen.engine.network.dense import Region
from reportgen.engine.network.head import Head
from reportgen.engine.network.output import logits_of
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.recognise import recognised
from reportgen.engine.targets import Slot
from reportgen.errors import InputError
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency
from reportgen.probes.score_cam import ScoreCam
from reportgen.probes.smoothgrad import SmoothGrad

SHAPE, SIDE = (3, 24, 20), (24, 20)
NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)


class Segmenter(nn.Module):
    """Maps of three classes, as large as the input, from layers of which one is coarser."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.coarse = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 1, 1)
        self.head = nn.Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.head(torch.tanh(self.coarse(torch.tanh(self.first(x)))))
        size = x.shape[-2:]
        return {"out": nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)}


@pytest.fixture
def batch() -> tuple[Segmenter, Tensor, Tensor]:
    torch.manual_seed(0)
    return Segmenter().eval(), torch.randn(3, *SHAPE), torch.rand(3, *SIDE) > 0.7


def passes(network: nn.Module, probes: list, x: Tensor, masks: Tensor, feed: Feed | None = None):
    """The tape of class 2 of a batch under its masks, for some probes."""
    head = Head(region=Region(None, SIDE, masked=True))
    facts = recognised(network, trace(network, SHAPE, list("abc"), head), NORMAL)
    plan = Plan(tuple(need for probe in probes for need in probe.needs(facts)), facts, 1)
    with frozen(network):
        args = (network, plan, (Slot("named", 2),), NORMAL, torch.device("cpu"), 5, facts.head)
        engine = OnePass(*args, feed or Feed()).over(masks)
        (tape,) = engine.run(x, torch.full((len(x),), -1))
    return tape


def under(network: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """The slow reference: of one image (1, C, H, W) the mean of class 2 over the places of its mask."""
    return network(x)["out"][0, 2][mask].mean()


def test_logits_saliency_and_a_class_activation_map(batch) -> None:
    network, x, masks = batch
    probes = [Saliency(), GradCam(layer="coarse")]
    tape = passes(network, probes, x, masks)
    saliency, cam = (probe.measure(tape)[0].values for probe in probes)
    for n in range(len(x)):
        leaf = x[n : n + 1].clone().requires_grad_()
        a = network.coarse(torch.tanh(network.first(leaf)))
        maps = network.head(torch.tanh(a))
        maps = nn.functional.interpolate(maps, SIDE, mode="bilinear", align_corners=False)
        score = maps[0, 2][masks[n]].mean()
        by_input, by_layer = torch.autograd.grad(score, (leaf, a))
        assert tape.logits[n, 2] == pytest.approx(score.item(), abs=1e-5)
        assert np.allclose(saliency[n], by_input[0].abs().amax(0), atol=1e-6)
        weighted = (by_layer.mean((2, 3), keepdim=True) * a).sum(1)[0].relu()
        assert np.allclose(cam[n], weighted.detach(), atol=1e-6)


@pytest.mark.parametrize("feed", [Feed(), Feed(images=5)], ids=["any batch", "batches of five"])
def test_perturbed_images_have_the_mask_of_their_image(batch, feed: Feed) -> None:
    network, x, masks = batch
    probe = Occlusion(window_px=8, stride_px=8)
    tape = passes(network, [probe], x, masks, feed)
    (need,) = (need for need in probe.needs(tape.model) if type(need).__name__ == "Scores")
    boxes = need.perturbations.boxes(*SIDE)
    grey = torch.zeros(3, 1, 1)  # (0.5 - mean) / std
    with torch.no_grad():
        for n in range(len(x)):
            for v, (top, left, bottom, right) in enumerate(boxes):
                covered = x[n : n + 1].clone()
                covered[:, :, top:bottom, left:right] = grey
                expected = under(network, covered, masks[n]).item()
                assert float(tape[need][n, v, 2]) == pytest.approx(expected, abs=1e-5)


def test_means_of_gradients_and_score_cam_use_each_mask(batch) -> None:
    """Images in one batch are explained as each is alone: their masks are not mixed up."""
    network, x, masks = batch
    probes = [SmoothGrad(samples=3), ScoreCam(layer="coarse")]
    together = [probe.measure(passes(network, probes, x, masks))[0].values for probe in probes]
    for n in range(len(x)):
        alone = passes(network, probes, x[n : n + 1], masks[n : n + 1])
        for probe, maps in zip(probes, together, strict=True):
            assert np.allclose(probe.measure(alone)[0].values[0], maps[n], atol=1e-5)


def test_coarser_maps_count_as_far_as_the_mask_covers_them() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, :2, :2], mask[0, 3, 3] = True, True  # all of the first place, a quarter of the last
    head = Head("values", region=Region(None, (4, 4), masked=True).over(mask))
    assert torch.allclose(logits_of(maps, head, 1), torch.tensor([[(1 + 4 / 4) / 1.25]]))


def test_a_detector_has_no_masks() -> None:
    found = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}]
    with pytest.raises(InputError, match="its answers are boxes"):
        Region(None, (8, 8), classes=3, masked=True).detected(found)
