"""The one pass: one forward with all taps, one backward a rule, then the packed perturbations.

All maps of an image explain the logits of its one forward; perturbed images are forwards of their own.
Weights are frozen while a pass is open: no backward ever computes a gradient of one. Hooks, modes
and flags are undone when it closes, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from reportgen.engine.device import Packed, placed
from reportgen.engine.feed import ANY, Feed
from reportgen.engine.fusing.forwards import Fused
from reportgen.engine.incremental.answering import Incremental
from reportgen.engine.needs import INPUT, Activation, Backward, Gradient, Need, Normalisation, Rule, score_of
from reportgen.engine.network.head import Head
from reportgen.engine.network.output import Output
from reportgen.engine.perturb.asking import Asker, Counter
from reportgen.engine.perturb.makers import Maker, Source
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.perturb.responses import of_images
from reportgen.engine.plan import Plan
from reportgen.engine.relu_rules import RectifierRule
from reportgen.engine.solvers import Batch, solve
from reportgen.engine.tape import BatchTape
from reportgen.engine.targets import Slot


@contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """The network in eval mode with frozen weights; modes and flags come back as they were."""
    training = [(module, module.training) for module in network.modules()]
    required = [(p, p.requires_grad) for p in network.parameters()]
    try:
        network.eval()
        for parameter, _ in required:
            parameter.requires_grad_(False)
        yield network
    finally:
        for parameter, flag in required:
            parameter.requires_grad_(flag)
        for module, flag in training:
            module.training = flag


@dataclass
class OnePass:
    """Runs a plan over batches. `network` is on `device` and frozen (see `frozen`).

    `progress` is called with the number of perturbed forwards that `counted` holds so far.
    """

    network: nn.Module
    plan: Plan
    slots: tuple[Slot, ...]
    normalisation: Normalisation
    device: torch.device
    batch_size: int
    output: Output = None
    feed: Feed = ANY
    counted: Counter = field(default_factory=Counter)
    progress: Callable[[int], None] = lambda done: None
    incremental: Incremental = field(default_factory=Incremental)
    fused: Fused = field(default_factory=Fused)
    packed: Packed | None = None  # how many perturbations a batch holds; None for as many as images

    @property
    def asker(self) -> Asker:
        """The network, asked and counted as this pass is."""
        return Asker(
            self.network,
            self.plan.facts,
            self.device,
            self.batch_size,
            self.output,
            self.feed,
            self.counted,
            self.progress,
            self.incremental,
            self.fused,
            self.packed,
        )

    def over(self, masks: Tensor | None) -> OnePass:
        """The pass over one batch whose images have masks, bool (N, H, W), under which the network's answers
        are taken; the same one where they have none, or answers are taken elsewhere. Both count into the same
        counter."""
        if masks is None or not isinstance(self.output, Head) or self.output.region is None:
            return self
        if not self.output.region.masked:  # masks say where things are, and not where answers are taken
            return self
        region = self.output.region.over(placed(masks, self.device))
        return replace(self, output=replace(self.output, region=region))

    def score(self, pixels: Tensor) -> Tensor:
        """The logits (N, classes) of a batch (N, C, H, W), and nothing else."""
        with torch.no_grad():
            return self.asker.forward(self._placed(pixels))[0]

    @torch.no_grad()
    def scores(self, x: Tensor, maker: Maker) -> Tensor:
        """The logits of every perturbation of a batch x (N, C, H, W), packed: (N, V, classes)."""
        none = x.new_empty(0, self.plan.facts.class_count)
        logits = [scores for _, scores, _ in self.asker.perturbed(len(x), maker)]
        return of_images([none, *logits], len(x), maker)

    def run(self, pixels: Tensor, labels: Tensor, part_boxes: PartBoxes | None = None) -> list[BatchTape]:
        """A tape for every target slot of one batch: pixels (N, C, H, W), labels (N,), -1 for none.

        `part_boxes` say where the recipe's parts lie, where any need is about them.
        """
        x = self._placed(pixels)
        labels = placed(labels, self.device)
        shared, by_slot, logits = self._differentiated(x, labels)
        taps = {need.layer: shared[need] for need in shared if isinstance(need, Activation)}
        if part_boxes:
            part_boxes = PartBoxes(placed(part_boxes.boxes, self.device), part_boxes.numbers)
        targets = [slot.of(logits, labels) for slot in self.slots]
        gradients = [dict(own) for own, _ in by_slot]
        source = Source(x, self.normalisation, taps, part_boxes)
        batch = Batch(self.asker, self.plan, source, targets, gradients)
        for need in self.plan.needs:
            for solved, values in solve(need, batch).items():
                for (own, _), value in zip(by_slot, values, strict=True):
                    own[solved] = value
        return [
            BatchTape(
                model=self.plan.facts,
                normalisation=self.normalisation,
                pixels=x,
                logits=logits,
                targets=target,
                labels=labels,
                coverage=coverage,
                values={**shared, **own},
            )
            for target, (own, coverage) in zip(targets, by_slot, strict=True)
        ]

    def _placed(self, pixels: Tensor) -> Tensor:
        return self.feed.laid(placed(pixels, self.device))

    def _differentiated(
        self, x: Tensor, labels: Tensor
    ) -> tuple[dict[Need, Tensor], list[tuple[dict[Need, Tensor], dict[Rule, int]]], Tensor]:
        """One forward and every backward: activations, each slot's gradients and coverage, logits."""
        rules = [need.rule for need in self.plan.of(Backward)]
        needs_graph = bool(rules)
        leaf = x.clone().requires_grad_(needs_graph)
        with torch.set_grad_enabled(needs_graph):
            logits, kept = self.asker.forward(leaf, self.plan.taps)
        outputs = {INPUT: leaf, **kept}
        jobs = [(slot, rule) for slot in self.slots for rule in rules]
        by_slot: list[tuple[dict[Need, Tensor], dict[Rule, int]]] = [({}, {}) for _ in self.slots]
        for number, (slot, rule) in enumerate(jobs):
            target = slot.of(logits.detach(), labels)
            score = score_of(logits, target, self.plan.facts.score).sum()
            last = number == len(jobs) - 1
            gradients, coverage = by_slot[self.slots.index(slot)]
            gradients |= self._backward(score, rule, outputs, coverage, last)
        activations: dict[Need, Tensor] = {
            Activation(name): self.plan.facts.as_maps(name, value.detach()) for name, value in kept.items()
        }
        return activations, by_slot, logits.detach()

    def _backward(
        self,
        score: Tensor,
        rule: Rule,
        outputs: dict[str, Tensor],
        coverage: dict[Rule, int],
        last: bool,
    ) -> dict[Need, Tensor]:
        """One rule's gradients of the summed scores: images do not mix, so each gets its own."""
        names = [need.wrt for need in self.plan.of(Gradient) if need.rule == rule]
        with RectifierRule(rule) as mode:
            gradients = torch.autograd.grad(
                score,
                [outputs[name] for name in names],
                retain_graph=not last,
                allow_unused=True,
            )
        self.counted.backwards += len(outputs[INPUT])
        coverage[rule] = mode.rewritten
        return {
            # a layer that the score does not depend on has a gradient of zero
            Gradient(name, rule): self._as_maps(name, outputs[name], value)
            for name, value in zip(names, gradients, strict=True)
        }

    def _as_maps(self, place: str, like: Tensor, gradient: Tensor | None) -> Tensor:
        gradient = torch.zeros_like(like) if gradient is None else gradient
        return gradient if place == INPUT else self.plan.facts.as_maps(place, gradient)
