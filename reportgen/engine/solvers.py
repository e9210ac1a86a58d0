"""How needs are answered for a batch whose forward and backwards are done: a solver for each kind.

A new need of a batch is answered by a function that is registered here; the pass finds it by the
need's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, TypeAlias

import torch
from torch import Tensor

from reportgen.engine import given
from reportgen.engine.attended import Attending
from reportgen.engine.decisive import decisive_patches
from reportgen.engine.needs import (
    Activation,
    Attention,
    AttentionBackward,
    AttentionForward,
    AttentionRelevance,
    Backward,
    BlockGradient,
    DecisivePatches,
    Features,
    GivenMoments,
    Gradient,
    Logits,
    MeanAttention,
    MeanGradient,
    Need,
    NeighboursByChannel,
    Parts,
    Reference,
    Responses,
    Scores,
    Target,
    Weights,
    score_of,
)
from reportgen.engine.perturb.asking import Asker
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.perturb.responses import kept, of_images
from reportgen.engine.plan import Plan

Solution: TypeAlias = Mapping[Need, Sequence[Tensor]]  # for each need its value for every target slot


@dataclass(frozen=True)
class Batch:
    """One batch: who is asked, what else the plan holds, what perturbations are made from, and for every
    slot the class that is explained, (N,), and the gradients of its logit."""

    asker: Asker
    plan: Plan
    source: Source
    targets: Sequence[Tensor]
    gradients: Sequence[Mapping[Need, Tensor]] = ()

    def shared(self, value: Tensor) -> Sequence[Tensor]:
        """One value for all slots."""
        return [value] * len(self.targets)


@singledispatch
def solve(need: Any, batch: Batch) -> Solution:
    """What answers a need of the plan, and others that come from the same forwards.

    What is asked of the set or of the model is not a batch's to answer. Raises TypeError for a need of a
    batch that has no solver.
    """
    if batch.plan.works[need].scope == "batch":
        raise TypeError(f"no solver for {type(need).__name__}")
    return {}


def _nothing(_need: Need, _batch: Batch) -> Solution:
    return {}


# from the batch's own forward and backwards; with the scores; once the set is ranked
for known in (Logits, Target, Activation, Gradient, Backward, Responses, NeighboursByChannel):
    solve.register(known, _nothing)
# with the forward that attention is worked out in
for of_attention in (Attention, MeanAttention, AttentionBackward, AttentionRelevance, BlockGradient):
    solve.register(of_attention, _nothing)


@solve.register
def _(need: Reference, batch: Batch) -> Solution:
    return {need: batch.shared(batch.source.baseline(need.baseline))}


@solve.register
def _(need: Weights, batch: Batch) -> Solution:
    weight: Any = batch.asker.network.get_submodule(need.layer).weight  # a norm may compute it
    return {need: batch.shared(weight)}


@solve.register
def _(need: Parts, batch: Batch) -> Solution:
    part_boxes = batch.source.part_boxes
    return {need: batch.shared(part_boxes.boxes)} if part_boxes else {}


@solve.register
def _(_need: AttentionForward, batch: Batch) -> Solution:
    return Attending(batch.asker, batch.plan, batch.targets).of(batch.source.x)


@solve.register
@torch.no_grad()
def _(need: Scores, batch: Batch) -> Solution:
    """The scores of a family and, from the same forwards, what is kept of the layers' responses."""
    source, asker = batch.source, batch.asker
    made_by, clean = maker(need.perturbations, source), source.activations
    responses = [r for r in batch.plan.of(Responses) if r.perturbations == need.perturbations]
    nobody = torch.arange(0, device=source.x.device)
    logits = [source.x.new_empty(0, asker.facts.class_count)]
    answered = {r: [kept(r, clean[r.layer][:0], clean[r.layer], nobody)] for r in responses}
    layers = tuple(dict.fromkeys(r.layer for r in responses))
    count = len(source.x)
    for image, scores, answers in asker.perturbed(count, made_by, layers):
        logits.append(scores)
        for response, parts in answered.items():
            answer = asker.facts.as_maps(response.layer, answers[response.layer])
            parts.append(kept(response, answer, clean[response.layer], image))
    answers_of: dict[Need, Sequence[Tensor]] = {need: batch.shared(of_images(logits, count, made_by))}
    for response, parts in answered.items():
        answers_of[response] = batch.shared(of_images(parts, count, made_by))
    return answers_of


@solve.register
def _(need: MeanGradient, batch: Batch) -> Solution:
    """For each slot the mean of dS/dx over the perturbations, whose one forward serves all slots."""
    source, asker = batch.source, batch.asker
    made_by = maker(need.perturbations, source)
    weights = made_by.weights
    if weights is None:
        weights = source.x.new_full((made_by.count,), 1 / made_by.count)
    means = [torch.zeros_like(source.x) for _ in batch.targets]
    for image, number, pixels in asker.differentiated(len(source.x), made_by):
        leaf = pixels.detach().requires_grad_()
        logits, _ = asker.of(image).forward(leaf, edit=asker.edit(made_by, image, number))
        for slot, target in enumerate(batch.targets):
            score = score_of(logits, target[image], asker.facts.score).sum()
            (gradient,) = torch.autograd.grad(score, leaf, retain_graph=slot < len(means) - 1)
            asker.counted.backwards += len(pixels)
            means[slot].index_add_(0, image, gradient * weights[number][:, None, None, None])
    return {need: means}


@solve.register
def _(need: Features, batch: Batch) -> Solution:
    layer = need.layer(batch.asker.facts)
    return {need: batch.shared(given.features(batch.asker, batch.source.x, layer))}


@solve.register
def _(need: GivenMoments, batch: Batch) -> Solution:
    return {need: batch.shared(given.moments(batch.asker, batch.source.x, need.layers))}


@solve.register
def _(need: DecisivePatches, batch: Batch) -> Solution:
    x = batch.source.x
    found = [decisive_patches(x, own[Gradient()], need.count, need.share) for own in batch.gradients]
    return {need: found}
