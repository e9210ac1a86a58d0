"""What was measured of one batch, as the probes see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import overload

from torch import Tensor, nn

from reportgen.engine.needs import (
    Ascended,
    Ascent,
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
    """The network itself, for probes that need no image: facts, weights on the CPU, ascents."""

    model: ModelFacts
    weights: dict[str, Tensor]
    ascended: Mapping[Ascent, Ascended]

    @overload
    def __getitem__(self, need: Weights) -> Tensor: ...

    @overload
    def __getitem__(self, need: Ascent) -> Ascended: ...

    def __getitem__(self, need: Weights | Ascent) -> Tensor | Ascended:
        return self.ascended[need] if isinstance(need, Ascent) else self.weights[need.layer]


def model_tape(
    network: nn.Module,
    facts: ModelFacts,
    needs: tuple[Need, ...],
    ascended: Mapping[Ascent, Ascended] | None = None,
) -> ModelTape:
    """A tape with the weights that `needs` name, and with what was climbed for them."""
    modules = dict(network.named_modules())
    names = [need.layer for need in needs if isinstance(need, Weights)]
    weights = {name: modules[name].weight.detach().cpu() for name in names}
    return ModelTape(facts, weights, ascended or {})
