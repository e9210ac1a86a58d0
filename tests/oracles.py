"""What the tests against other packages share: the networks, the error of a map, the tables of errors."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Architecture:
    """What a network is known to be, found by reading its source."""

    side_px: int
    last: str  # the last layer with maps
    middle: str  # another one
    modules: bool = False  # every rectifier is a ReLU module, which captum needs
    pooled: bool = False  # it ends in global average pooling and one linear layer, which CAM needs
    options: tuple[str, ...] = ()  # arguments of the builder that are False


UNUSUAL = ("init_weights", "aux_logits")
ARCHITECTURES = {
    "vgg16": Architecture(64, "avgpool", "features.22", modules=True),
    "resnet18": Architecture(96, "layer4", "layer3", modules=True, pooled=True),
    "googlenet": Architecture(96, "inception5b", "inception4c", pooled=True, options=UNUSUAL),
    "densenet121": Architecture(96, "features", "features.transition2.conv", pooled=True),
    "mobilenet_v2": Architecture(96, "features", "features.14", pooled=True),
    "squeezenet1_1": Architecture(96, "classifier.2", "features.9", modules=True),
    "inception_v3": Architecture(112, "Mixed_7c", "Mixed_6c", pooled=True, options=UNUSUAL),
    "mnist": Architecture(28, "pool2", "conv2", modules=True),
    "crossing": Architecture(32, "branches", "separable", pooled=True),
}
QUICK = ("mnist", "crossing")  # in every run; the others are big, and marked `matrix`


class Separable(nn.Module):
    """A depthwise convolution, a clipped rectifier and a residual, rectified by function."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.clip = nn.ReLU6(inplace=True)
        self.pointwise = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.pointwise(self.clip(3 * self.norm(self.depthwise(x)))))


class Branches(nn.Module):
    """Two branches of other windows, concatenated and rectified by function."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(width, width, 1, stride=2)
        self.window = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(torch.cat([self.point(x), self.window(x)], 1)), inplace=True)


class Crossing(nn.Module):
    """What the big architectures have, each once and small."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.separable = Separable(8)
        self.branches = Branches(8)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.branches(self.separable(self.stem(x))).mean((2, 3)))


def digit_net() -> nn.Module:
    path = Path(__file__).resolve().parents[1] / "examples" / "mnist" / "network.py"
    spec = importlib.util.spec_from_file_location("network_of_the_oracles", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.DigitNet()


def in_double(network: nn.Module) -> nn.Module:
    """The network in float64; it takes float32 too, as the tracer's zeros are."""
    kind = type(network)

    class Doubled(kind):
        def forward(self, x: Tensor) -> Tensor:
            return kind.forward(self, x.double())

    network.__class__ = Doubled
    return network.double()


def built(name: str) -> tuple[nn.Module, Tensor]:
    """A network of seeded random weights and two images for it, in float64.

    Its batch norms know their statistics, so that no map dies out or explodes.
    """
    torch.manual_seed(0)
    known = ARCHITECTURES[name]
    options = dict.fromkeys(known.options, False)
    own = {"mnist": digit_net, "crossing": Crossing}
    network = own[name]() if name in own else torchvision.models.get_model(name, weights=None, **options)
    images = torch.randn(6, 1 if name == "mnist" else 3, known.side_px, known.side_px)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        with torch.no_grad():
            network.train()(images[2:])
    return in_double(network.eval().requires_grad_(False)), images[:2].double()


@pytest.fixture(scope="session")
def network_and_images() -> Callable[[str], tuple[nn.Module, Tensor]]:
    """Builds one of the architectures by name."""
    return built


@pytest.fixture(scope="session")
def off_by() -> Callable[[Any, Any], float]:
    """max|ours - expected| / max|expected|; a map that says nothing is no evidence."""

    def error(ours: Any, expected: Any) -> float:
        mine, theirs = (np.asarray(torch.as_tensor(v).detach(), dtype=np.float64) for v in (ours, expected))
        assert mine.shape == theirs.shape
        assert np.isfinite(theirs).all() and np.ptp(theirs) > 0, "the oracle's own map is degenerate"
        return float(abs(mine - theirs).max() / abs(theirs).max())

    return error


@pytest.fixture(scope="session")
def peer_map() -> Callable[..., np.ndarray]:
    """A map by a class of the grad-cam package before it scales and resizes it, (N, h, w).

    The peer gets gradients in `units` and activations in the inverse. A `guarded` layer is one whose
    output nothing rewrites after the peer has kept it.
    """

    def measure(
        kind: type,
        network: nn.Module,
        pixels: Tensor,
        targets: Tensor,
        layer: nn.Module,
        units: float = 1.0,
        guarded: bool = True,
    ) -> np.ndarray:
        with kind(network, [layer]) as peer:  # its hook comes before the guard
            guard = layer.register_forward_hook(lambda _m, _args, out: out.clone() if guarded else None)
            scores = peer.activations_and_grads(pixels.clone().requires_grad_())
            scores.gather(1, targets[:, None]).sum().backward()
            guard.remove()
            a = peer.activations_and_grads.activations[0].numpy()
            g = peer.activations_and_grads.gradients[0].numpy()
            return peer.get_cam_image(pixels, layer, None, a / units, g * units, False)

    return measure


def oracle_table(rows: list[list[Any]]) -> list[str]:
    """Markdown: a row a method, a column an architecture, `*` where the second oracle was used."""
    cells: dict[str, dict[str, str]] = {}
    oracles: dict[str, list[str]] = {}
    for method, architecture, error, oracle in rows:
        known = oracles.setdefault(method, [])
        if oracle and oracle not in known:
            known.append(oracle)
        text = "–" if error is None else f"{error:.0e}{'*' * known.index(oracle)}"
        cells.setdefault(method, {})[architecture] = text
    architectures = list(dict.fromkeys(row[1] for row in rows))
    head = [f"| method | oracle | {' | '.join(architectures)} |", "|---|---|" + "---|" * len(architectures)]
    return head + [
        f"| {method} | {'; *'.join(oracles[method])} | {' | '.join(found.values())} |"
        for method, found in cells.items()
    ]


def peer_table(rows: list[list[Any]]) -> list[str]:
    """Markdown: how far other tools are off."""
    head = ["| tool | network | off by | because |", "|---|---|---|---|"]
    return head + [f"| {peer} | {network} | {error:.0%} | {why} |" for peer, network, error, why in rows]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what the tests against oracles and of peers have recorded, as Markdown."""
    kept = [item for report in terminalreporter.stats.get("passed", []) for item in report.user_properties]
    for name, table in (("oracle", oracle_table), ("peer", peer_table)):
        if rows := [value for key, value in kept if key == name]:
            terminalreporter.write_line("\n" + "\n".join(table(rows)))
