"""Segmentation networks of torchvision: what answers beside the main head is no layer of `auto`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.segmentation.fcn import FCN, FCNHead

from reportgen.engine.network.trace import trace


class Mean(nn.Module):
    """The mean of a segmentation's logits over the image, or of those beside them: what is explained."""

    def __init__(self, net: nn.Module, key: str = "out") -> None:
        super().__init__()
        self.net, self.key = net, key

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)[self.key].mean((2, 3))
        return logits


class Backbone(nn.Module):
    """Two stages, as torchvision's backbones give them out."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x).relu()
        return {"aux": low, "out": self.high(low).relu()}


@pytest.mark.parametrize(("key", "auto"), [("out", "net.classifier"), ("aux", "net.aux_classifier")])
def test_an_auxiliary_classifier_is_on_no_way_to_the_answer(key, auto):
    net = FCN(Backbone(), FCNHead(8, 3), FCNHead(8, 3))
    facts = trace(Mean(net, key).eval(), (3, 32, 48))
    assert facts.auto.startswith(auto)
    other = "net.aux_classifier" if key == "out" else "net.classifier"
    network = Mean(net, key).eval()
    score = network(torch.randn(1, 3, 32, 48))[0, 0]
    beside = list(network.get_submodule(other).parameters())
    gradients = torch.autograd.grad(score, beside, allow_unused=True)
    assert all(gradient is None for gradient in gradients)  # what was followed is what autograd says
    assert facts.layer(other).spatial  # it may be named
