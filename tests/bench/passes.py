"""The engine's public pass over a network and a batch, as `reportgen run` makes it, without files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from bench.networks import MEAN, STD
from reportgen.engine.allocator import memory_kept
from reportgen.engine.device import repeatable
from reportgen.engine.feed import Feed, last_is_faster
from reportgen.engine.incremental.answering import WORTH
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
    """Probes by name, asked of a network on a device. The network is placed and laid out by `feed`; what the
    engine finds out about it before the first batch is kept from one batch to the next."""

    network: nn.Module
    facts: ModelFacts
    probes: Mapping[str, Probe]
    device: torch.device
    batch_size: int = 16
    wished: Feed | None = None  # the fastest layout where none is wished

    @property
    def feed(self) -> Feed:
        return self.wished or Feed(channels_last=last_is_faster(self.device))

    @cached_property
    def _chosen(self) -> Visualizations:
        wishes = [(name, "image", probe) for name, probe in self.probes.items()]
        return Visualizations.of(wishes, self.facts, 1)

    @cached_property
    def _engine(self) -> OnePass:
        network = self.feed.placed(self.network, self.device)
        slots, normal = (Slot("predicted"),), Normalisation(MEAN, STD)
        plan, size = self._chosen.plan(), self.batch_size
        return OnePass(network, plan, slots, normal, self.device, size, feed=self.feed)

    @contextmanager
    def open(self) -> Iterator[None]:
        """The process as a whole run has it while it measures."""
        with memory_kept(self.device), repeatable(0), frozen(self._engine.network):
            yield

    def fewer_macs(self) -> float:
        """How many times fewer multiply-adds the boxes of an image took than in full, as they are counted
        before; 1 where they were asked in full."""
        found = [
            sum(map(len, each.groups)) * each.plain.macs / each.macs
            for each in self._engine.incremental.groupings.values()
            if each.gain >= WORTH
        ]
        return found[0] if found else 1.0

    def run(self, pixels: Tensor) -> dict[str, tuple[Finding, ...]]:
        """Every probe's findings of a batch (N, C, H, W), for the predicted class; without those that do not
        apply to the network."""
        (tape,) = self._engine.run(pixels, torch.full((len(pixels),), -1))
        return {v.name: tuple(v.probe.measure(tape)) for v in self._chosen.every if v.applies}
