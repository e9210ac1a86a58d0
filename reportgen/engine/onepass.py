"""The one pass: one forward with all taps, one backward a rule, then the packed variants.

All maps of an image explain the logits of its one forward; perturbed images are forwards of their own.
Weights are frozen while a pass is open: no backward ever computes a gradient of one. Hooks, modes
and flags are undone when it closes, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reportgen.engine.feed import ANY, Feed
from reportgen.engine.needs import (
    INPUT,
    Activation,
    Gradient,
    MeanGradient,
    Need,
    Normalisation,
    Parts,
    Reference,
    Responses,
    Rule,
    Scores,
    Variants,
    Weights,
)
from reportgen.engine.perturb.makers import Maker, Source, maker, packed
from reportgen.engine.perturb.part_boxes import Places
from reportgen.engine.perturb.responses import kept, of_images
from reportgen.engine.plan import Plan
from reportgen.engine.relu_rules import RectifierRule
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
class Counter:
    """What was really spent, in images."""

    forwards: int = 0
    backwards: int = 0
    occlusion_forwards: int = 0


@dataclass
class OnePass:
    """Runs a plan over batches. `network` is on `device` and frozen (see `frozen`).

    `progress` is called with the number of variants that `counted` holds so far.
    """

    network: nn.Module
    plan: Plan
    slots: tuple[Slot, ...]
    normalisation: Normalisation
    device: torch.device
    batch_size: int
    output: str | int | None = None
    feed: Feed = ANY
    counted: Counter = field(default_factory=Counter)
    progress: Callable[[int], None] = lambda done: None

    def score(self, pixels: Tensor) -> Tensor:
        """The logits (N, classes) of a batch (N, C, H, W), and nothing else."""
        with torch.no_grad():
            return self._forward(self._placed(pixels))[0]

    def run(self, pixels: Tensor, labels: Tensor, places: Places | None = None) -> list[BatchTape]:
        """A tape for every target slot of one batch: pixels (N, C, H, W), labels (N,), -1 for none.

        `places` are those of the recipe's parts, where any need is about them.
        """
        x = self._placed(pixels)
        labels = labels.to(self.device)
        shared, by_slot, logits = self._differentiated(x, labels)
        taps = {need.layer: shared[need] for need in shared if isinstance(need, Activation)}
        places = places and Places(places.boxes.to(self.device), places.numbers)
        source = Source(x, self.normalisation, taps, places)
        for need in self.plan.needs:
            if isinstance(need, Reference):
                shared[need] = source.baseline(need.baseline)
            elif isinstance(need, Weights):
                weight: Any = self.network.get_submodule(need.layer).weight  # a norm may compute it
                shared[need] = weight
            elif isinstance(need, Parts) and places:
                shared[need] = places.boxes
        for variants, responses in self.plan.families.items():
            shared |= self._answered(source, variants, responses)
        targets = [slot.of(logits, labels) for slot in self.slots]
        for averaged in self.plan.averaged:
            means = self._mean_gradients(source, averaged, targets)
            for (gradients, _), mean in zip(by_slot, means, strict=True):
                gradients[averaged] = mean
        return [
            BatchTape(
                model=self.plan.facts,
                normalisation=self.normalisation,
                pixels=x,
                logits=logits,
                targets=target,
                labels=labels,
                coverage=coverage,
                values={**shared, **gradients},
            )
            for target, (gradients, coverage) in zip(targets, by_slot, strict=True)
        ]

    def _placed(self, pixels: Tensor) -> Tensor:
        return self.feed.laid(pixels.to(self.device))

    def _forward(self, x: Tensor, taps: Sequence[str] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        self.counted.forwards += len(x)
        return self.feed.ask(self.network, x, self.output, taps)

    def _differentiated(
        self, x: Tensor, labels: Tensor
    ) -> tuple[dict[Need, Tensor], list[tuple[dict[Need, Tensor], dict[Rule, int]]], Tensor]:
        """One forward and every backward: activations, each slot's gradients and coverage, logits."""
        needs_graph = bool(self.plan.rules)
        leaf = x.clone().requires_grad_(needs_graph)
        with torch.set_grad_enabled(needs_graph):
            logits, kept = self._forward(leaf, self.plan.taps)
        places = {INPUT: leaf, **kept}
        jobs = [(slot, rule) for slot in self.slots for rule in self.plan.rules]
        by_slot: list[tuple[dict[Need, Tensor], dict[Rule, int]]] = [({}, {}) for _ in self.slots]
        for number, (slot, rule) in enumerate(jobs):
            score = logits.gather(1, slot.of(logits.detach(), labels)[:, None]).sum()
            last = number == len(jobs) - 1
            gradients, coverage = by_slot[self.slots.index(slot)]
            gradients |= self._backward(score, rule, places, coverage, last)
        activations: dict[Need, Tensor] = {
            Activation(name): self.plan.facts.as_maps(name, value.detach()) for name, value in kept.items()
        }
        return activations, by_slot, logits.detach()

    def _backward(
        self,
        score: Tensor,
        rule: Rule,
        places: dict[str, Tensor],
        coverage: dict[Rule, int],
        last: bool,
    ) -> dict[Need, Tensor]:
        """One rule's gradients of the summed scores: images do not mix, so each gets its own."""
        names = self.plan.rules[rule]
        with RectifierRule(rule) as mode:
            found = torch.autograd.grad(
                score,
                [places[name] for name in names],
                retain_graph=not last,
                allow_unused=True,
            )
        self.counted.backwards += len(places[INPUT])
        coverage[rule] = mode.rewritten
        return {
            # a layer that the score does not depend on has a gradient of zero
            Gradient(name, rule): self._as_maps(name, places[name], value)
            for name, value in zip(names, found, strict=True)
        }

    def _as_maps(self, place: str, like: Tensor, gradient: Tensor | None) -> Tensor:
        gradient = torch.zeros_like(like) if gradient is None else gradient
        return gradient if place == INPUT else self.plan.facts.as_maps(place, gradient)

    @torch.no_grad()
    def scores(self, x: Tensor, made: Maker) -> Tensor:
        """The logits of every copy of a batch x (N, C, H, W), packed: (N, V, classes)."""
        none = x.new_empty(0, self.plan.facts.class_count)
        return of_images([none, *(logits for _, logits, _ in self._logits(x, made))], len(x), made)

    @torch.no_grad()
    def _answered(
        self, source: Source, variants: Variants, responses: Sequence[Responses]
    ) -> dict[Need, Tensor]:
        """The scores of a family's copies and, from the same forwards, what is kept of its layers."""
        made, clean = maker(variants, source), source.activations
        nobody = torch.arange(0, device=self.device)
        logits = [source.x.new_empty(0, self.plan.facts.class_count)]
        held = {need: [kept(need, clean[need.layer][:0], clean[need.layer], nobody)] for need in responses}
        layers = tuple(dict.fromkeys(need.layer for need in responses))
        for image, answered, answers in self._logits(source.x, made, layers):
            logits.append(answered)
            for need, parts in held.items():
                answer = self.plan.facts.as_maps(need.layer, answers[need.layer])
                parts.append(kept(need, answer, clean[need.layer], image))
        count = len(source.x)
        found: dict[Need, Tensor] = {need: of_images(parts, count, made) for need, parts in held.items()}
        return {Scores(variants): of_images(logits, count, made), **found}

    def _logits(
        self, x: Tensor, made: Maker, taps: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """Whose copies the packed ones are, (B,), batch by batch; their logits, and what is tapped."""
        for image, _number, copies in self._packed(x, made):
            yield image, *self.feed.ask(self.network, copies, self.output, taps)
            self.counted.occlusion_forwards += len(copies)
            self.progress(self.counted.occlusion_forwards)

    def _mean_gradients(
        self, source: Source, need: MeanGradient, targets: Sequence[Tensor]
    ) -> list[Tensor]:
        """For each slot's targets (N,) the mean of dS/dx over the copies, (N, C, H, W).

        One forward of a copy serves all slots.
        """
        made = maker(need.copies, source)
        weights = source.x.new_full((made.count,), 1 / made.count) if made.weights is None else made.weights
        means = [torch.zeros_like(source.x) for _ in targets]
        for image, number, copies in self._packed(source.x, made):
            leaf = copies.detach().requires_grad_()
            logits, _ = self._forward(leaf)
            for slot, target in enumerate(targets):
                score = logits.gather(1, target[image][:, None]).sum()
                (gradient,) = torch.autograd.grad(score, leaf, retain_graph=slot < len(targets) - 1)
                self.counted.backwards += len(copies)
                means[slot].index_add_(0, image, gradient * weights[number][:, None, None, None])
        return means

    def _packed(self, x: Tensor, made: Maker) -> Iterator[tuple[Tensor, ...]]:
        return packed(len(x), made, self.batch_size, self.device)
