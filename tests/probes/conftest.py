"""Eight architectures with seeded random weights, each measured with every attribution method."""

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

from reportgen.engine.needs import AUTO, Probe
from reportgen.probes import methods

TOLERANCE = 1e-4  # of the oracle's largest magnitude


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
}


def digit_net() -> nn.Module:
    path = Path(__file__).resolve().parents[2] / "examples" / "mnist" / "network.py"
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
    network = digit_net() if name == "mnist" else torchvision.models.get_model(name, weights=None, **options)
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


def small(side: int, middle: str) -> dict[str, Probe]:
    """Every method that explains an answer, with few copies; CAMs of two layers where they take several.

    Three windows a side, the last one clipped by the border.
    """
    occluded = {"window_px": side // 2, "stride_px": side // 3, "baseline": "black"}
    both = {"layer": (AUTO, middle)}
    options: dict[str, dict[str, Any]] = {
        "smoothgrad": {"samples": 2, "noise_std": 0.1, "seed": 7},
        "integrated-gradients": {"steps": 4, "baseline": "black"},
        "grad-cam": both,
        "grad-cam-plus-plus": both,
        "layer-cam": both,
        "score-cam": {"channels": 4},
        "occlusion": occluded,
        "occlusion-class-map": occluded,
        "invariance": {"steps": 2},
        "rise": {"masks": 8, "cells": 4, "baseline": "black"},
    }
    beside = ("occlusion-class-map", "occlusion-study", "invariance")  # of one image's copies, too
    known = {name: method for name, method in methods().items() if method.explains or name in beside}
    return {name: method.probe(**options.get(name, {})) for name, method in known.items()}


@dataclass(frozen=True)
class Case:
    """One architecture, measured by the engine with every method in one pass."""

    name: str
    known: Architecture
    network: nn.Module
    pixels: Tensor
    done: Any
    probes: dict[str, Probe]
    refused: dict[str, str]

    @property
    def targets(self) -> Tensor:
        return self.done.tapes[0].targets

    @property
    def layers(self) -> tuple[nn.Module, nn.Module]:
        """The last layer with maps, and the one in the middle."""
        return self.network.get_submodule(self.known.last), self.network.get_submodule(self.known.middle)

    def leaf(self) -> Tensor:
        return self.pixels.clone().requires_grad_()

    def found(self, method: str) -> dict[str, Any]:
        return self.done.findings(self.probes[method])

    def maps(self, method: str) -> list[np.ndarray]:
        found = self.found(method)
        return [found[name].values for name in ("map", "map-2") if name in found]

    def logits(self, x: Tensor) -> Tensor:
        """The target's logit of each image, (N,)."""
        return self.network(x).gather(1, self.targets[:, None])[:, 0]

    def probabilities(self, x: Tensor) -> Tensor:
        """The target's probability of each image, (N,)."""
        return self.network(x).softmax(1).gather(1, self.targets[:, None])[:, 0]

    def activation(self) -> Tensor:
        """The last layer's maps, (N, C, h, w)."""
        kept = []
        handle = self.layers[0].register_forward_hook(lambda _m, _args, out: kept.append(out.clone()))
        self.network(self.pixels)
        handle.remove()
        return kept[0]


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def case(request, measured) -> Case:
    known = ARCHITECTURES[request.param]
    network, pixels = built(request.param)
    wanted = small(known.side_px, known.middle)
    done = measured(network, pixels, *wanted.values(), batch_size=24)
    planned = zip(wanted, done.engine.plan.planned, strict=True)
    refused = {name: plan.reason for name, plan in planned if plan.reason}
    return Case(request.param, known, network, pixels, done, wanted, refused)


@pytest.fixture(scope="session")
def off_by() -> Callable[[Any, Any], float]:
    """max|ours - expected| / max|expected|; a map that says nothing is no evidence."""

    def error(ours: Any, expected: Any) -> float:
        mine, theirs = (np.asarray(torch.as_tensor(v).detach(), dtype=np.float64) for v in (ours, expected))
        assert mine.shape == theirs.shape
        assert np.isfinite(theirs).all() and np.ptp(theirs) > 0, "the oracle's own map is degenerate"
        return float(abs(mine - theirs).max() / abs(theirs).max())

    return error


@pytest.fixture
def agrees(case, off_by, record_property) -> Callable[..., None]:
    """Asserts that maps equal the oracle's, and records the largest error for the table."""

    def check(method: str, oracle: str, ours: list[Any], expected: list[Any]) -> None:
        errors = [off_by(mine, theirs) for mine, theirs in zip(ours, expected, strict=True)]
        record_property("oracle", [method, case.name, max(errors), oracle])
        assert max(errors) <= TOLERANCE, (method, errors)

    return check


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
