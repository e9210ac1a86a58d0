"""Relations and planted truths of the maps of gradients and activations, and what several cost."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.network.trace import trace
from reportgen.engine.targets import Slot
from reportgen.findings import NotApplicable, faults
from reportgen.probes.cam import Cam
from reportgen.probes.deconvnet import Deconvnet
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.grad_cam_plus_plus import GradCamPlusPlus
from reportgen.probes.gradient_times_input import GradientTimesInput
from reportgen.probes.guided_grad_cam import GuidedGradCam
from reportgen.probes.integrated_gradients import IntegratedGradients
from reportgen.probes.layer_cam import LayerCam
from reportgen.probes.occlusion_class_map import OcclusionClassMap
from reportgen.probes.rise import Rise
from reportgen.probes.saliency import Saliency
from reportgen.probes.score_cam import ScoreCam
from reportgen.probes.smoothgrad import SmoothGrad


def headed(*middle: nn.Module, width: int = 6, classes: int = 4) -> nn.Module:
    """A convolution, what is given, global average pooling and a linear head."""
    torch.manual_seed(4)
    tail = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), *middle, *tail).eval()


def test_gradient_times_input_of_a_network_without_biases_adds_up_to_the_logit(measured):
    network = headed(nn.ReLU(), nn.MaxPool2d(2))
    with torch.no_grad():
        for module in (network[0], network[-1]):
            module.bias.zero_()
    done = measured(network, torch.randn(3, 3, 12, 12), probe := GradientTimesInput())
    logits = done.tapes[0].logits.amax(1)
    assert np.allclose(done.findings(probe)["map"].values.sum((1, 2)), logits, rtol=1e-5)


def test_integrated_gradients_close_the_gap_with_steps_and_say_how_wide_it_is(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    few, many = IntegratedGradients(steps=2), IntegratedGradients(steps=200)
    done = measured(awkward, pixels, few, many)
    targets = done.tapes[0].targets
    with torch.no_grad():
        logits = awkward(pixels) - awkward(torch.full_like(pixels, -2.0))  # black, normalised
    change = logits.gather(1, targets[:, None])[:, 0].numpy()
    gaps = []
    for probe in (few, many):
        found = done.findings(probe)
        stated = found["completeness-gap"].values
        by_hand = abs(found["map"].values.sum((1, 2)) - change) / abs(change)
        assert stated == pytest.approx(100 * by_hand, rel=1e-2, abs=1e-3)
        assert (found["incomplete"].values == (stated > 5)).all()
        gaps.append(stated.max())
    assert gaps[1] < 0.5 < gaps[0]


def test_integrated_gradients_of_a_linear_network_are_exact_with_one_step(measured):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2))
    done = measured(network, torch.randn(2, 3, 4, 4), probe := IntegratedGradients(steps=1, baseline="mean"))
    found, tape = done.findings(probe), done.tapes[0]
    weights = network[1].weight[tape.targets].view(2, 3, 4, 4)
    assert np.allclose(found["map"].values, (weights * tape.pixels).sum(1).detach(), atol=1e-6)
    assert found["completeness-gap"].values.max() < 1e-3


def test_smoothgrad_with_little_noise_is_saliency_and_with_more_is_not(measured):
    network, pixels = headed(nn.Softplus()), torch.randn(2, 3, 12, 12)
    little, much = SmoothGrad(samples=8, noise_std=1e-5), SmoothGrad(samples=8, noise_std=0.5)
    done = measured(network, pixels, Saliency(), little, much)
    plain, calm, blurred = (done.findings(p)["map"].values for p in (Saliency(), little, much))
    assert abs(calm - plain).max() < 1e-3 * plain.max()
    assert abs(blurred - plain).max() > 1e-2 * plain.max()


def test_noise_belongs_to_the_seed_and_not_to_the_batch(awkward, measured):
    pixels, probe = torch.randn(3, 3, 32, 32), SmoothGrad(samples=5, noise_std=0.2)
    other = SmoothGrad(samples=5, noise_std=0.2, seed=1)
    together = measured(awkward, pixels, probe, other, batch_size=4)
    alone = measured(awkward, pixels[2:], probe, batch_size=16)
    values = together.findings(probe)["map"].values
    assert np.allclose(values[2], alone.findings(probe)["map"].values[0], rtol=1e-3, atol=1e-6)
    assert not np.allclose(values, together.findings(other)["map"].values, rtol=1e-2)


class Branches(nn.Module):
    """Class 0 comes from a linear path with max-pooling, class 1 from a path with a rectifier."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.other = nn.Conv2d(3, 2, 3), nn.Conv2d(3, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        pooled = nn.functional.max_pool2d(self.linear(x), 2)
        return torch.stack([pooled.sum((1, 2, 3)), self.other(x).relu().sum((1, 2, 3))], 1)


def test_deconvnet_is_the_gradient_where_no_rectifier_is_passed_with_pooling_switches(measured):
    torch.manual_seed(6)
    pixels = torch.randn(2, 3, 10, 10)
    slots = Slot("named", 0), Slot("named", 1)
    done = measured(Branches(), pixels, Deconvnet(), Saliency(), slots=slots)
    straight, rectified = (
        [done.findings(probe, slot)["map"].values for probe in (Deconvnet(), Saliency())] for slot in (0, 1)
    )
    assert np.allclose(*straight, atol=1e-6)
    assert not np.allclose(*rectified, rtol=1e-2)


def test_cam_is_grad_cam_up_to_scale_where_positive(measured):
    network = headed(nn.ReLU())
    done = measured(network, torch.randn(3, 3, 8, 8), Cam(), cam := GradCam(layer="1"))
    found = done.findings(Cam())
    assert found["map"].layer == "1"
    assert np.allclose(found["map"].values.clip(0), 64 * done.findings(cam)["map"].values, atol=1e-5)
    biased = found["map"].values.mean((1, 2)) + network[-1].bias[done.tapes[0].targets].detach().numpy()
    assert np.allclose(biased, done.tapes[0].logits.amax(1), atol=1e-5)


class Hidden(nn.Module):
    """What stands between the maps and the head is a function, which no list of modules shows."""

    def __init__(self, between) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.conv, self.head, self.between = nn.Conv2d(3, 6, 3), nn.Linear(6, 4), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.conv(x)))


@pytest.mark.parametrize(
    ("between", "exact"),
    [
        (lambda maps: maps.mean((2, 3)), True),
        (lambda maps: maps.relu().mean((2, 3)), True),
        (lambda maps: maps.amax((2, 3)), False),
        (lambda maps: maps.sigmoid().mean((2, 3)), False),
        (lambda maps: 2 * maps.mean((2, 3)), False),
    ],
)
@pytest.mark.parametrize("images", [1, 3])
def test_cam_adds_up_or_says_that_it_does_not(measured, between, exact, images):
    network = Hidden(between)
    done = measured(network, torch.randn(images, 3, 8, 8), Cam())
    found, tape = done.findings(Cam()), done.tapes[0]
    biased = found["map"].values.mean((1, 2)) + network.head.bias[tape.targets].detach().numpy()
    assert np.allclose(biased, tape.logits.amax(1), atol=1e-5) == exact
    assert (found["other-head"].values == (not exact)).all()


@pytest.mark.parametrize(
    "head",
    [
        (nn.Flatten(), nn.Linear(4 * 36, 2)),
        (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2)),
        (nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        (nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    ],
)
def test_cam_is_refused_for_other_heads(head):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), *head)
    with pytest.raises(NotApplicable, match="global average pooling"):
        Cam().needs(trace(network, (3, 8, 8)))


def test_guided_methods_are_refused_for_smooth_activations():
    facts = trace(headed(nn.GELU()), (3, 8, 8))
    for probe in (Deconvnet(), GuidedGradCam()):
        with pytest.raises(NotApplicable):
            probe.needs(facts)
    assert Cam().needs(trace(headed(nn.ReLU()), (3, 8, 8)))


def test_eigen_cam_is_positive_where_the_maps_are_strong_whatever_their_sign(measured):
    network = headed(nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(0.1)  # every map is the brightness of its neighbourhood
        network[0].bias.zero_()
    pixels = torch.full((2, 3, 12, 12), 0.1)
    pixels[0, :, :4, :4] += 5  # a small bright object
    pixels[1, :, :, :9] += 5  # a large one
    found = measured(network, pixels, probe := EigenCam()).findings(probe)["map"].values
    assert (found[0, :3, :3] > 0).all() and (found[0, 6:, 6:] < 0).all()
    assert (found[1, 2:10, 1:7] > 0).all() and (found[1, :, 11] < 0).all()


def test_maps_that_are_not_finite_are_told_and_do_not_stop_the_others(measured):
    pixels = torch.rand(2, 3, 8, 8)
    pixels[1, 0, 2, 2] = torch.inf
    probes = (EigenCam(), GradCam(), ScoreCam(channels=2), Saliency())
    done = measured(headed(nn.ReLU()), pixels, *probes)
    sound, broken = done.findings(EigenCam())["map"].values
    assert faults(sound) is None
    assert "not finite" in faults(broken)


@pytest.mark.parametrize("kind", [GradCam, GradCamPlusPlus, LayerCam])
def test_several_layers_come_from_one_backward_and_equal_those_asked_for_alone(awkward, measured, kind):
    pixels, names = torch.randn(2, 3, 32, 32), ("left", "auto", 1)
    done = measured(awkward, pixels, several := kind(layer=names))
    assert (done.engine.counted.forwards, done.engine.counted.backwards) == (2, 2)
    found = done.findings(several)
    assert [heatmap.layer for heatmap in found.values()] == ["left", "last", "stem"]
    for heatmap, name in zip(found.values(), names, strict=True):
        alone = measured(awkward, pixels, one := kind(layer=name)).findings(one)["map"]
        assert np.allclose(heatmap.values, alone.values, atol=1e-6)


def test_all_maps_of_a_layer_share_a_backward_and_more_targets_cost_what_the_plan_says(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    gradients = (Saliency(), GradientTimesInput(), GradCam(), GradCamPlusPlus(), LayerCam(), EigenCam())
    done = measured(awkward, pixels, *gradients)
    assert (done.engine.counted.forwards, done.engine.counted.backwards) == (2, 2)
    probes = (*gradients, Deconvnet(), SmoothGrad(samples=3), IntegratedGradients(steps=4), Rise(masks=5))
    slots = tuple(Slot("predicted", k + 1) for k in range(3))
    done = measured(awkward, pixels, *probes, slots=slots, batch_size=4)
    counted = done.engine.counted
    assert vars(counted) == done.engine.plan.cost(2, 2)
    assert counted.forwards == 2 * (1 + 3 + 4), "a target more takes no forward more"
    assert counted.backwards == 2 * 3 * (2 + 3 + 4)
    assert counted.occlusion_forwards == 2 * (1 + 5)
    for slot, tape in enumerate(done.tapes):
        expected = captum.attr.Saliency(awkward).attribute(pixels.clone().requires_grad_(), tape.targets)
        assert np.allclose(done.findings(Saliency(), slot)["map"].values, expected.amax(1), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_grey_and_other_channel_counts_have_every_map(measured, channels):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(channels, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)
    )
    probes = (
        GradientTimesInput(),
        SmoothGrad(samples=2),
        IntegratedGradients(steps=4),
        Deconvnet(),
        GuidedGradCam(),
        ScoreCam(),
        Cam(),
        Rise(masks=6),
        OcclusionClassMap(),
    )
    done = measured(network, torch.randn(2, channels, 9, 11), *probes)
    assert [plan.reason for plan in done.engine.plan.planned] == [None] * len(probes)
    for probe in probes:
        for finding in done.findings(probe).values():
            if finding.name == "colour":
                assert finding.values.shape == (2, 3, 9, 11)
            elif finding.name == "map":
                assert faults(finding.values) is None and finding.values.ndim == 3
