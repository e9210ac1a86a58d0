"""Every method finds what a network is known to rest on, and none of those that follow the network place by
place finds anything where it is disconnected (Rao et al. 2022, Towards Better Understanding Attribution
Methods, DiFull, arXiv:2205.10435)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.targets import Slot
from reportgen.probes.cam import Cam
from reportgen.probes.deconvnet import Deconvnet
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.grad_cam_plus_plus import GradCamPlusPlus
from reportgen.probes.gradient_times_input import GradientTimesInput
from reportgen.probes.guided_backprop import GuidedBackprop
from reportgen.probes.guided_grad_cam import GuidedGradCam
from reportgen.probes.integrated_gradients import IntegratedGradients
from reportgen.probes.layer_cam import LayerCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.rise import Rise
from reportgen.probes.saliency import Saliency
from reportgen.probes.score_cam import ScoreCam
from reportgen.probes.smoothgrad import SmoothGrad

LABEL = Slot("label")
SIDE = 32
PATCH = (slice(20, 28), slice(4, 12))  # rows and columns; a sixteenth of the image
OF_PLACES = (
    Saliency(),
    GradientTimesInput(),
    SmoothGrad(samples=4),
    IntegratedGradients(steps=8),
    GuidedBackprop(),
    Deconvnet(),
    LayerCam(layer="act"),
    Occlusion(window_px=8, stride_px=8),  # no window stands in two quarters
)


class Quarters(nn.Module):
    """Class k is what is bright in quarter k: the quarters are disconnected."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        a = self.act(self.conv(x)).mean(1)
        half = SIDE // 2
        parts = [a[:, y : y + half, z : z + half] for y in (0, half) for z in (0, half)]
        return torch.stack([part.mean((1, 2)) for part in parts], 1)


@pytest.mark.parametrize("probe", OF_PLACES, ids=lambda probe: probe.method.name)
def test_a_disconnected_quarter_has_exactly_no_relevance(measured, probe):
    torch.manual_seed(0)
    network, pixels = Quarters(), torch.randn(4, 3, SIDE, SIDE)
    done = measured(network, pixels, probe, labels=torch.arange(4), slots=(LABEL,))
    maps = done.findings(probe)["map"].values
    half = SIDE // 2
    for number in range(4):
        y, x = half * (number // 2), half * (number % 2)
        inside = np.zeros((SIDE, SIDE), bool)
        inside[y : y + half, x : x + half] = True
        assert np.any(maps[number][inside])
        assert not np.any(maps[number][~inside]), "what no path leads to moves nothing"


class Red(nn.Module):
    """Class 0 is how much red there is, classes 1 and 2 how much green and blue: it rests on the patch, where
    the only colour is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU()
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Linear(3, 3)
        with torch.no_grad():
            wish = 1.5 * torch.eye(3) - 0.5  # a colour less the mean of the others
            self.conv.weight.copy_(wish[:, :, None, None].expand(3, 3, 3, 3) / 9)
            self.conv.bias.fill_(-0.05)
            self.head.weight.copy_(40 * (1.5 * torch.eye(3) - 0.5))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.act(self.conv(x))).mean((2, 3)))


FINDING = (
    Saliency(),
    GradientTimesInput(),
    SmoothGrad(samples=4, noise_std=0.02),
    IntegratedGradients(steps=8),
    GuidedBackprop(),
    Occlusion(window_px=8, stride_px=8),
    Cam(),
    GradCam(layer="pool"),
    GradCamPlusPlus(layer="pool"),
    LayerCam(layer="pool"),
    EigenCam(layer="pool"),
    ScoreCam(layer="pool"),
    GuidedGradCam(layer="pool"),
    Rise(masks=400, cells=8),
)


def in_the_patch(measured, probe) -> list[float]:
    """How many times as much of each map, above its least value, lies in the patch as elsewhere, place by
    place."""
    torch.manual_seed(0)
    pixels = torch.randn(2, 1, SIDE, SIDE).mul(0.3).expand(2, 3, SIDE, SIDE).clone()  # grey noise
    pixels[:, 0, PATCH[0], PATCH[1]] += 2
    done = measured(Red(), pixels, probe)
    assert done.tapes[0].logits.argmax(1).tolist() == [0, 0]
    values = torch.from_numpy(done.findings(probe)["map"].values)[:, None].float()
    large = nn.functional.interpolate(values, (SIDE, SIDE), mode="bilinear")[:, 0]
    maps = large - large.amin((1, 2), keepdim=True)
    inside = maps[:, PATCH[0], PATCH[1]]
    rest = (maps.sum((1, 2)) - inside.sum((1, 2))) / (SIDE**2 - inside[0].numel())
    return (inside.mean((1, 2)) / rest).tolist()


@pytest.mark.parametrize("probe", FINDING, ids=lambda probe: probe.method.name)
def test_every_method_finds_the_patch_that_the_answer_rests_on(measured, probe):
    assert min(in_the_patch(measured, probe)) > 1.5


def test_deconvnet_does_not_where_no_pooling_has_switches(measured):
    """Its rule looks at the gradient and not at what the network saw: of this image it knows nothing."""
    assert max(in_the_patch(measured, Deconvnet())) < 1.5
