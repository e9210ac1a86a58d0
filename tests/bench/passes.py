"""The engine's public pass over a network and a batch, as `reportgen run` makes it, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.networks import MEAN, STD
from reportgen.engine.device import repeatable
from reportgen.engine.feed import Feed
from reportgen.engine.needs import ModelFacts, Normalisation, Probe
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.targets import Slot
from reportgen.findings import Finding
from reportgen.measure.visualizations import Visualizations


def facts_of(network: nn.Module, side_px: int) -> ModelFacts:
    """What the network is, its classes with names."""
    facts = trace(network, (3, side_px, side_px))
    return replace(facts, classes=tuple(f"class {k}" for k in range(facts.class_count)))


@dataclass(frozen=True)
class Pass:
    """Probes by name, asked of a network on a device. The network is placed and laid out by `feed`."""

    network: nn.Module
    facts: ModelFacts
    probes: Mapping[str, Probe]
    device: torch.device
    batch_size: int = 16
    feed: Feed = Feed()  # noqa: RUF009  # frozen

    def run(self, pixels: Tensor) -> dict[str, tuple[Finding, ...]]:
        """Every probe's findings of a batch (N, C, H, W), for the predicted class; without those that do not
        apply to the network."""
        wishes = [(name, "image", probe) for name, probe in self.probes.items()]
        chosen = Visualizations.of(wishes, self.facts, 1)
        slots, normal = (Slot("predicted"),), Normalisation(MEAN, STD)
        network = self.feed.placed(self.network, self.device)
        engine = OnePass(network, chosen.plan(), slots, normal, self.device, self.batch_size, feed=self.feed)
        with repeatable(0), frozen(network):
            (tape,) = engine.run(pixels, torch.full((len(pixels),), -1))
            return {v.name: tuple(v.probe.measure(tape)) for v in chosen.every if v.applies}


def floats(findings: Sequence[Finding]) -> dict[str, Any]:
    """The arrays of numbers that are drawn, a name each: maps, pictures, curves, rows of small pictures."""
    return {f.name: f.values for f in findings if getattr(f, "values", None) is not None}
