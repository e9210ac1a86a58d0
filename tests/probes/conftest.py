"""Nine architectures with seeded random weights, each measured with the methods that a file tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from oracles import ARCHITECTURES, QUICK, Architecture, built
from torch import Tensor, nn

from reportgen.engine.needs import Probe

TOLERANCE = 1e-4  # of the oracle's largest magnitude


@dataclass(frozen=True)
class Case:
    """One architecture, measured by the engine with every method that the test file names, in one pass."""

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


NETWORKS = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.matrix) for name in ARCHITECTURES
]


@pytest.fixture(scope="module", params=NETWORKS)
def case(request, measured) -> Case:
    """Each architecture in turn. The test file says what is measured: its `probes(architecture)` gives the
    probes by name, with options that are cheap. With -m "" the big ones, too."""
    known = ARCHITECTURES[request.param]
    network, pixels = built(request.param)
    wanted = request.module.probes(known)
    done = measured(network, pixels, *wanted.values(), batch_size=24)
    pairs = zip(wanted, done.chosen.every, strict=True)
    refused = {name: chosen.reason for name, chosen in pairs if chosen.reason}
    return Case(request.param, known, network, pixels, done, wanted, refused)


@pytest.fixture
def agrees(case, off_by, record_property) -> Callable[..., None]:
    """Asserts that maps equal the oracle's, and records the largest error for the table."""

    def check(method: str, oracle: str, ours: list[Any], expected: list[Any]) -> None:
        errors = [off_by(mine, theirs) for mine, theirs in zip(ours, expected, strict=True)]
        record_property("oracle", [method, case.name, max(errors), oracle])
        assert max(errors) <= TOLERANCE, (method, errors)

    return check
