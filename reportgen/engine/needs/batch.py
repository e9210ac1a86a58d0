"""Needs that one batch answers: logits, weights, activations, gradients, scores of perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import assert_never

from reportgen.engine.needs.perturbations import Baseline
from reportgen.engine.needs.rules import Rule
from reportgen.engine.needs.work import Cost, Perturbations, Work
from reportgen.engine.network.facts import LayerFacts, ModelFacts

INPUT = "input"  # the network's input, as a place to tap or to differentiate by
Keep: TypeAlias = Literal["distance", "channel-sums", "whole"]


@dataclass(frozen=True)
class Logits:
    """The scores before softmax, (N, C)."""

    def work(self, _model: ModelFacts) -> Work:
        return Work()


@dataclass(frozen=True)
class Target:
    """The class that each image is explained for, (N,) int64."""

    def work(self, _model: ModelFacts) -> Work:
        return Work(per_target=True)


@dataclass(frozen=True)
class Weights:
    """A layer's weight tensor as it stands in the checkpoint; no image is needed."""

    layer: str

    def work(self, _model: ModelFacts) -> Work:
        return Work("model")


@dataclass(frozen=True)
class Activation:
    """A layer's output as it left the layer, before anything later rewrote it, (N, C, …)."""

    layer: str

    def work(self, _model: ModelFacts) -> Work:
        return Work(taps=(self.layer,))


@dataclass(frozen=True)
class Backward:
    """One backward of a batch by a rule, for each target. It serves every `Gradient` by the rule; nothing
    is read with it."""

    rule: Rule = "exact"

    def work(self, _model: ModelFacts) -> Work:
        return Work(per_target=True, cost=Cost(backwards=1), rules=(self.rule,), keeps_graph=True)


@dataclass(frozen=True)
class Gradient:
    """dS/d(wrt) of the target's logit S, shaped as `wrt`, by one rule for the rectifiers.

    `exact` is the derivative. `guided` is Springenberg et al. 2014 (g·1[g>0]·f'(x) at each
    rectifier f), `deconv` is Zeiler & Fergus 2013, sec. 2.1 (g·1[g>0]). Only `exact` is defined
    for `wrt` other than the input.
    """

    wrt: str = INPUT
    rule: Rule = "exact"

    def work(self, _model: ModelFacts) -> Work:
        taps = () if self.wrt == INPUT else (self.wrt,)
        return Work(per_target=True, requires=(Backward(self.rule),), taps=taps)


@dataclass(frozen=True)
class Reference:
    """The baseline that stands for "nothing", as an image of the batch's shape, (N, C, H, W)."""

    baseline: Baseline = "black"

    def work(self, _model: ModelFacts) -> Work:
        return Work()


@dataclass(frozen=True)
class Scores:
    """The logits of every perturbation of the image, (N, V, C): no gradient, packed batches."""

    perturbations: Perturbations

    def work(self, model: ModelFacts) -> Work:
        extent = self.perturbations.extent(model)
        every = 0 if extent.parts_only else extent.count
        return Work(
            taps=extent.taps, cost=Cost(perturbed_forwards=every, parts_forwards=extent.count - every)
        )


@dataclass(frozen=True)
class Responses:
    """What a layer answers to every perturbation of the image, from the forwards that `Scores` takes.

    `distance` is the L2 norm of the difference to its answer f (C, …) to the image, (N, V);
    `channel-sums` is the sum of each channel over its map, (N, V, C); `whole` is all of f,
    (N, V, C, …), for small families.
    """

    perturbations: Perturbations
    layer: str
    keep: Keep = "distance"

    def work(self, model: ModelFacts) -> Work:
        count = self.perturbations.extent(model).count
        return Work(
            requires=(Scores(self.perturbations),),
            taps=(self.layer,),  # what it answers to the image itself
            perturbed_taps=(self.layer,),
            kept_bytes=count * self.kept_bytes(model.layer(self.layer)),
        )

    def kept_bytes(self, layer: LayerFacts) -> int:
        """Bytes of what is kept of one perturbation."""
        if self.keep == "whole":
            return layer.output_bytes
        if self.keep == "channel-sums":
            return 4 * layer.maps
        if self.keep == "distance":
            return 4
        assert_never(self.keep)


@dataclass(frozen=True)
class Parts:
    """Where the recipe's parts lie on each image, (N, parts, 4) int64: top, left, bottom, right in
    input pixels. All zero where the image lacks the part."""

    def work(self, _model: ModelFacts) -> Work:
        return Work()


@dataclass(frozen=True)
class MeanGradient:
    """The (weighted) mean over perturbations of dS/dx by the exact rule, (N, C, H, W), packed batches."""

    perturbations: Perturbations

    def work(self, model: ModelFacts) -> Work:
        extent = self.perturbations.extent(model)
        cost = Cost(forwards=extent.count, backwards=extent.count)
        return Work(per_target=True, taps=extent.taps, cost=cost, rules=("exact",))
