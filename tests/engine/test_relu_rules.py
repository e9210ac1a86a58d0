"""Guided backprop and deconvnet against a slow reference that is written from the papers, and peers."""

from __future__ import annotations

import copy

import captum.attr
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.relu_rules import RectifierRule
from reportgen.probes.guided_backprop import GuidedBackprop


def fast(network: nn.Module, x: Tensor, target: Tensor, rule: str) -> tuple[Tensor, int]:
    x = x.clone().requires_grad_()
    score = network(x.clone()).gather(1, target[:, None]).sum()
    with RectifierRule(rule) as mode:
        return torch.autograd.grad(score, x)[0], mode.rewritten


def seeded(name: str) -> nn.Module:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **options).eval()


@pytest.mark.parametrize("rule", ["guided", "deconv"])
def test_awkward_network_equals_the_slow_reference(awkward, rule, slow_gradient):
    x, target = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    expected = slow_gradient(awkward, x, target, rule)
    got, rewritten = fast(awkward, x, target, rule)
    assert rewritten == 5
    assert torch.allclose(got, expected, rtol=1e-5, atol=1e-7)
    exact, _ = fast(awkward, x, target, "exact")
    assert not torch.allclose(got, exact, rtol=1e-2), "a rule that changes nothing would pass too"


@pytest.mark.parametrize(
    ("name", "rectifiers"), [("googlenet", 57), ("mobilenet_v2", 35), ("shufflenet_v2_x1_0", 37)]
)
def test_functional_in_place_and_clipped_rectifiers_equal_the_slow_reference(name, rectifiers, slow_gradient):
    network = seeded(name)
    x, target = torch.randn(2, 3, 96, 96), torch.tensor([3, 5])
    expected = slow_gradient(network, x, target, "guided")
    got, rewritten = fast(network, x, target, "guided")
    assert rewritten == rectifiers
    assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_equals_captum_where_every_rectifier_is_a_module_of_its_own(measured):
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 6 * 6, 4),
    ).eval()
    pixels = torch.randn(3, 3, 16, 16)
    done = measured(network, pixels, GuidedBackprop())
    expected = captum.attr.GuidedBackprop(network).attribute(
        pixels.clone().requires_grad_(), target=done.tapes[0].targets
    )
    found = done.findings(GuidedBackprop())
    assert torch.allclose(torch.tensor(found["colour"].values), expected, atol=1e-6)
    assert torch.allclose(torch.tensor(found["map"].values), expected.abs().amax(1), atol=1e-6)
    assert found["coverage"].text == "2 of 2 rectifiers"


class Half(nn.Module):
    """Two rectifiers, one of which is a function that no module hook can see."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(6, 8, 3)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))


def test_captum_is_silently_wrong_for_a_functional_rectifier_and_we_are_not(slow_gradient):
    torch.manual_seed(2)
    network = Half().eval()
    x, target = torch.randn(2, 3, 12, 12), torch.tensor([0, 1])
    expected = slow_gradient(network, x, target, "guided")
    got, _ = fast(network, x, target, "guided")
    peer = captum.attr.GuidedBackprop(copy.deepcopy(network)).attribute(
        x.clone().requires_grad_(), target=target
    )
    assert torch.allclose(got, expected, rtol=1e-5, atol=1e-8)
    assert (peer - expected).abs().max() > 0.1 * expected.abs().max()


def test_leaky_hardtanh_and_other_thresholds_are_left_alone():
    network = nn.Sequential(nn.Hardtanh(-1, 1), nn.Threshold(0.5, 0.0), nn.Flatten(), nn.Linear(12, 2))
    x, target = torch.randn(2, 3, 2, 2), torch.tensor([0, 1])
    got, rewritten = fast(network, x, target, "guided")
    exact, _ = fast(network, x, target, "exact")
    assert rewritten == 0
    assert torch.equal(got, exact)
