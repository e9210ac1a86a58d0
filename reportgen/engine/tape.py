"""The tapes that the engine fills, of a batch and of the model; `needs.tapes` is what probes see of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from reportgen.engine.needs import (
    Logits,
    ModelFacts,
    Need,
    NeighboursByChannel,
    Normalisation,
    Projections,
    Rule,
    Target,
    Weights,
)


@dataclass(frozen=True)
class BatchTape:
    """One batch seen for one target an image; slots of a batch share everything else.

    `pixels` (N, C, H, W), `logits` (N, classes), `targets` and `labels` (N,). Indexing with a need
    that the plan does not hold raises KeyError: a probe reads what it declared.
    """

    model: ModelFacts
    normalisation: Normalisation
    pixels: Tensor
    logits: Tensor
    targets: Tensor
    labels: Tensor
    coverage: dict[Rule, int]
    values: dict[Need, Tensor]
    neighbours: Mapping[NeighboursByChannel, Projections] = field(default_factory=dict)

    def __getitem__(self, need: Need) -> Tensor:
        if isinstance(need, Logits):
            return self.logits
        if isinstance(need, Target):
            return self.targets
        return self.values[need]


@dataclass(frozen=True)
class ModelTape:
    """The network once the set has been seen: facts, and by need its weights on the CPU, what was
    climbed, the strongest images and their projections. What each need gives is said by `Bench`."""

    model: ModelFacts
    values: Mapping[Need, Any]

    def __getitem__(self, need: Need) -> Any:
        return self.values[need]


def model_tape(
    network: nn.Module,
    facts: ModelFacts,
    needs: tuple[Need, ...],
    measured: Mapping[Need, Any] | None = None,
) -> ModelTape:
    """A tape with the weights that `needs` name, and with what was measured for the others."""
    modules = dict(network.named_modules())
    named = [need for need in needs if isinstance(need, Weights)]
    values: dict[Need, Any] = {need: modules[need.layer].weight.detach().cpu() for need in named}
    return ModelTape(facts, {**values, **(measured or {})})
