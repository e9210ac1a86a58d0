"""Top images: which images of the set drive each class or channel furthest, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from typing_extensions import assert_never

from reportgen.engine.needs import Activation
from reportgen.engine.needs.top_images import (
    ChannelMean,
    ClassLogit,
    Direction,
    Driven,
    Ranking,
    Record,
    TopImages,
)
from reportgen.engine.network.output import answers
from reportgen.engine.plan import Plan
from reportgen.engine.tape import BatchTape
from reportgen.findings import Tally, ranked

UNITS = "units"
LEAST_COSINE = 0.1  # below it a gradient would lead nowhere (Carter et al. 2019)


def key(need: TopImages) -> str:
    """The name of a need's ranks in the tally."""
    return f"{need.layer} {need.k}"


def rank(plan: Plan, tape: BatchTape, numbers: Sequence[int]) -> Tally | None:
    """What a batch gives to the plan's `TopImages` and `Record`s; None where there are none.

    `numbers` are the images' numbers in the set. An image that has no answer is not ranked: what is
    not finite somewhere in the network is not to be relied on elsewhere in it.
    """
    tops = {}
    broken = answers(tape.logits)[:, None] < 0  # (N, 1)
    for need in plan.of(TopImages):
        a = tape[Activation(need.layer)]  # (N, C, h, w), or (N, C): maps of one value
        values, places = a.reshape(*a.shape[:2], -1).max(2)  # (N, C) each
        tops[key(need)] = ranked(values.masked_fill(broken, torch.nan), places, numbers, need.k)
    if records := plan.of(Record):
        values = torch.stack(
            [driven(need.unit, tape.logits, lambda name: tape[Activation(name)]) for need in records], 1
        )  # (N, U)
        tops[UNITS] = ranked(values.masked_fill(broken, torch.nan), torch.zeros_like(values), numbers, 1)
    return Tally(tops=tops) if tops else None


def driven(unit: Driven, logits: Tensor, activation: Callable[[str], Tensor]) -> Tensor:
    """How far each image drives a unit, (N,): a logit, the mean over a channel's map, or how far a layer
    answers in a direction.

    Logits, not softmax: softmax also rises when the rival classes fall.
    """
    if isinstance(unit, ClassLogit):
        return logits[:, unit.index]
    if isinstance(unit, ChannelMean):
        a = activation(unit.layer)  # (N, C, …)
        return a[:, unit.channel].reshape(len(a), -1).mean(1)
    if isinstance(unit, Direction):
        return _along(unit, activation(unit.layer))
    assert_never(unit)


def _along(unit: Direction, a: Tensor) -> Tensor:
    """How far a layer's answer a (N, C, …) points in a direction, (N,), in the mean over its places."""
    flat = a.flatten(2) if a.ndim > 2 else a[..., None]  # (N, C, places)
    dot = torch.einsum("ncp,c->np", flat, flat.new_tensor(unit.u))  # (N, places)
    cosine = dot / flat.norm(dim=1).clamp(min=1e-6)
    along: Tensor = (dot * cosine.clamp(min=LEAST_COSINE) ** unit.power).mean(1)
    return along


def rankings(plan: Plan, tally: Tally) -> dict[TopImages, Ranking]:
    """The whole set's ranking for every `TopImages`, from the merged tallies."""
    by_need: dict[TopImages, Ranking] = {}
    for need in plan.of(TopImages):
        shape = plan.facts.layer(need.layer).map_shape or ()
        by_need[need] = Ranking.of(tally.tops[key(need)], shape[2] if len(shape) == 3 else 1)
    return by_need
