"""What was measured of one batch, as the probes see it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from reportgen.engine.needs import (
    Logits,
    ModelFacts,
    Need,
    Normalisation,
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

    def __getitem__(self, need: Need) -> Tensor:
        if isinstance(need, Logits):
            return self.logits
        if isinstance(need, Target):
            return self.targets
        return self.values[need]


@dataclass(frozen=True)
class ModelTape:
    """The network itself, for probes that need no image: facts and weights, on the CPU."""

    model: ModelFacts
    weights: dict[str, Tensor]

    def __getitem__(self, need: Weights) -> Tensor:
        return self.weights[need.layer]


def model_tape(network: nn.Module, facts: ModelFacts, needs: tuple[Need, ...]) -> ModelTape:
    """A tape with the weights that `needs` name."""
    modules = dict(network.named_modules())
    names = [need.layer for need in needs if isinstance(need, Weights)]
    return ModelTape(facts, {name: modules[name].weight.detach().cpu() for name in names})
