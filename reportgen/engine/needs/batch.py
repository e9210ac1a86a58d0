"""Needs that one batch answers: logits, weights, activations, gradients, scores of changed copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from reportgen.engine.needs.perturbations import Baseline, Noisy, Path, Variants
from reportgen.engine.needs.top_images import Rule

INPUT = "input"  # the network's input, as a place to tap or to differentiate by
Keep: TypeAlias = Literal["distance", "channel-sums", "whole"]


@dataclass(frozen=True)
class Logits:
    """The scores before softmax, (N, C)."""


@dataclass(frozen=True)
class Target:
    """The class that each image is explained for, (N,) int64."""


@dataclass(frozen=True)
class Weights:
    """A layer's weight tensor as it stands in the checkpoint; no image is needed."""

    layer: str


@dataclass(frozen=True)
class Activation:
    """A layer's output as it left the layer, before anything later rewrote it, (N, C, …)."""

    layer: str


@dataclass(frozen=True)
class Gradient:
    """dS/d(wrt) of the target's logit S, shaped as `wrt`, by one rule for the rectifiers.

    `exact` is the derivative. `guided` is Springenberg et al. 2014 (g·1[g>0]·f'(x) at each
    rectifier f), `deconv` is Zeiler & Fergus 2013, sec. 2.1 (g·1[g>0]). Only `exact` is defined
    for `wrt` other than the input.
    """

    wrt: str = INPUT
    rule: Rule = "exact"


@dataclass(frozen=True)
class Reference:
    """The baseline that stands for "nothing", as an image of the batch's shape, (N, C, H, W)."""

    baseline: Baseline = "black"


@dataclass(frozen=True)
class Scores:
    """The logits of every variant of the image, (N, variants, C): no gradient, packed batches."""

    variants: Variants


@dataclass(frozen=True)
class Responses:
    """What a layer answers to every variant of the image, from the forwards that `Scores` takes.

    `distance` is the L2 norm of the difference to its answer f (C, …) to the image, (N, variants);
    `channel-sums` is the sum of each channel over its map, (N, variants, C); `whole` is all of f,
    (N, variants, C, …), for small families.
    """

    variants: Variants
    layer: str
    keep: Keep = "distance"


@dataclass(frozen=True)
class Parts:
    """Where the recipe's parts lie on each image, (N, parts, 4) int64: top, left, bottom, right in
    input pixels. All zero where the image lacks the part."""


@dataclass(frozen=True)
class MeanGradient:
    """The (weighted) mean over copies of dS/dx by the exact rule, (N, C, H, W), packed batches."""

    copies: Noisy | Path


