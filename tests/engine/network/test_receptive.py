"""Receptive fields against the footprint of a gradient, multiply-adds against a count by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.feed import tapped
from reportgen.engine.network.trace import trace

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def example(folder: str, name: str, **options: object) -> nn.Module:
    spec = importlib.util.spec_from_file_location(f"network_of_{folder}", EXAMPLES / folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)(**options)


class Dilated(nn.Module):
    """Windows that are not square, dilated, strided and grouped, and a branch that sees less."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, (3, 5), stride=(2, 1), padding=(1, 2))
        self.wide = nn.Conv2d(4, 4, 3, padding=3, dilation=3, groups=2)
        self.narrow = nn.Conv2d(4, 4, 1)
        self.pool = nn.AvgPool2d(2)
        self.last = nn.Conv2d(4, 4, 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.pool(self.wide(x) + self.narrow(x))
        return self.last(x).mean((2, 3))


NETWORKS = {
    "zfnet": (lambda: example("zfnet", "ZFNet", hidden=4), (3, 224, 224)),
    "mnist": (lambda: example("mnist", "DigitNet"), (1, 28, 28)),
    "dilated": (Dilated, (1, 64, 64)),
    "resnet18": (lambda: torchvision.models.resnet18(weights=None).layer2, (64, 64, 64)),
    "mobilenet": (lambda: torchvision.models.mobilenet_v2(weights=None).features[:4], (3, 96, 96)),
}


class Headed(nn.Module):
    """Layers with a head, so that they are a classifier."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(x)
        return found if found.ndim == 2 else found.mean((2, 3))


def footprint(network: nn.Module, layer: str, shape: tuple[int, int, int]) -> tuple[int, int]:
    """How far the input reaches that changes the middle value of a layer's first map, down and across.

    Every weight is one and every rectifier, normalisation and maximum is linear, so that nothing cancels.
    """
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)

    def sum_pool(module: nn.MaxPool2d, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, module.kernel_size, module.stride, module.padding)

    with pytest.MonkeyPatch.context() as patch, tapped(network, [layer]) as kept:
        for kind in (nn.ReLU, nn.ReLU6, nn.BatchNorm2d):
            patch.setattr(kind, "forward", lambda self, x: x * 1)
        patch.setattr(nn.MaxPool2d, "forward", sum_pool)
        network(x)
    maps = kept[layer]
    (gradient,) = torch.autograd.grad(maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2], x)
    seen = gradient[0].abs().sum(0) > 0
    down, across = (torch.nonzero(seen.any(axis)).flatten() for axis in (1, 0))
    return int(down[-1] - down[0]) + 1, int(across[-1] - across[0]) + 1


@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_fields_are_the_footprints_of_a_gradient(name):
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    network = Headed(make()).double().eval()
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    facts = trace(network.float(), shape)
    network.double()
    checked = 0
    for layer in facts.leaves():
        if layer.spatial and layer.calls == 1 and layer.receptive_field_px <= min(shape[1:]) // 2:
            assert layer.receptive_field_px == max(footprint(network, layer.name, shape)), layer.name
            checked += 1
    assert checked >= 4


def test_macs_are_those_of_a_count_by_hand():
    """Each output of a convolution takes kernel × channels of its group; of a linear layer, its inputs."""
    for name, known in (("resnet50", 4.09e9), ("mobilenet_v2", 0.301e9), ("googlenet", 1.5e9)):
        options = {"init_weights": False} if name == "googlenet" else {}
        with torch.device("meta"):
            network = torchvision.models.get_model(name, weights=None, **options).eval()
        counted = []

        def count(module, args, result, counted=counted):
            counted.append(result.numel() * module.weight[0].numel())  # outputs × inputs of one

        weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        handles = [module.register_forward_hook(count) for module in weighted]
        network(torch.zeros(1, 3, 224, 224, device="meta"))
        for handle in handles:
            handle.remove()
        facts = trace(network, (3, 224, 224))
        assert facts.macs == sum(counted) == sum(layer.macs for layer in facts.leaves())
        assert facts.macs == pytest.approx(known, rel=0.01)
