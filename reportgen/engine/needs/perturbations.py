"""The families of changed copies of an image that a probe may ask about. `variants` makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reportgen.engine.network.facts import ModelFacts

Baseline: TypeAlias = Literal["grey", "black", "mean", "blur"]
Transformation: TypeAlias = Literal["translation-x", "translation-y", "scale", "rotation"]
Border: TypeAlias = Literal["edge", "grey", "black", "mean", "blur"]


@dataclass(frozen=True)
class Occluded:
    """Copies of the image, each with one square window set to a baseline colour.

    Windows start at 0, stride, 2·stride, …, ceil((side - window)/stride) + 1 of them; the last is
    clipped by the border (Zeiler & Fergus 2013, sec. 4.2). The baseline is meant in pixel space,
    whatever the normalisation.
    """

    window_px: int
    stride_px: int
    baseline: Baseline = "grey"

    @classmethod
    def of(
        cls,
        model: ModelFacts,
        window_px: int | Literal["auto"],
        stride_px: int | Literal["auto"],
        baseline: Baseline,
    ) -> Occluded:
        """Windows for a model's input: `auto` is two sevenths of the shorter side, moved by a fourteenth.

        A window is at most the shorter side, a stride at most the window, so that all is covered.
        """
        side = min(model.input_shape[1:])
        window = max(1, round(side * 2 / 7)) if window_px == "auto" else min(window_px, side)
        stride = max(1, round(side / 14)) if stride_px == "auto" else stride_px
        return cls(window, min(stride, window), baseline)

    def starts(self, side_px: int) -> range:
        """Where windows start along a side."""
        count = max(math.ceil((side_px - self.window_px) / self.stride_px), 0) + 1
        return range(0, count * self.stride_px, self.stride_px)

    def boxes(self, height_px: int, width_px: int) -> list[tuple[int, int, int, int]]:
        """Every window as (top, left, bottom, right), row by row."""
        return [
            (y, x, min(y + self.window_px, height_px), min(x + self.window_px, width_px))
            for y in self.starts(height_px)
            for x in self.starts(width_px)
        ]


@dataclass(frozen=True)
class Flat:
    """One copy in which the baseline stands in place of the whole image."""

    baseline: Baseline = "black"


@dataclass(frozen=True)
class ChannelMasks:
    """Copies multiplied by a layer's maps, each upsampled to the input and scaled to [0, 1].

    Of every image the `at_most` maps with the largest standard deviation, strongest first, or all
    of them. Wang et al. 2020 (Score-CAM), eq. 4-5.
    """

    layer: str
    at_most: int | None = None

    def channels(self, activation: Tensor) -> Tensor:
        """The chosen channels of each image, (N, K) int64, given the layer's maps (N, C, h, w)."""
        rank = activation.flatten(2).std(2, correction=0)  # (N, C)
        count = min(self.at_most or rank.shape[1], rank.shape[1])
        return rank.sort(dim=1, descending=True, stable=True).indices[:, :count]


@dataclass(frozen=True)
class RandomMasks:
    """Copies seen through random soft masks: `cells`×`cells` coins of chance `keep`, upsampled and
    shifted. Where the mask is 0 the baseline stands. Petsiuk et al. 2018 (RISE), sec. 3.2.
    """

    count: int
    cells: int = 7
    keep: float = 0.5
    seed: int = 0
    baseline: Baseline = "mean"

    def masks(self, height_px: int, width_px: int) -> Tensor:
        """The masks in [0, 1], (count, H, W) float32, the same for every image and run."""
        generator = torch.Generator().manual_seed(self.seed)
        coins = torch.rand(self.count, 1, self.cells, self.cells, generator=generator) < self.keep
        cell = (math.ceil(height_px / self.cells), math.ceil(width_px / self.cells))
        size = ((self.cells + 1) * cell[0], (self.cells + 1) * cell[1])
        soft = interpolate(coins.float(), size, mode="bilinear", align_corners=False)[:, 0]
        top = torch.randint(cell[0], (self.count,), generator=generator)
        left = torch.randint(cell[1], (self.count,), generator=generator)
        shifted = [m[y : y + height_px, x : x + width_px] for m, y, x in zip(soft, top, left, strict=True)]
        return torch.stack(shifted)


@dataclass(frozen=True)
class Noisy:
    """Copies with Gaussian noise of `noise_std` times the image's own range (max - min).

    Smilkov et al. 2017 (SmoothGrad), sec. 3.
    """

    samples: int
    noise_std: float = 0.15
    seed: int = 0


@dataclass(frozen=True)
class Path:
    """Points on the straight path from a baseline to the image, at the nodes of Gauss-Legendre
    quadrature. Sundararajan et al. 2017, eq. 1.
    """

    steps: int
    baseline: Baseline = "black"


@dataclass(frozen=True)
class Transformed:
    """Copies of the whole image, each moved, scaled or turned about its centre by one of `values`.

    `translation-x` and `translation-y` are input pixels, to the right and down; `scale` is a factor,
    above 1 larger; `rotation` is degrees, counter-clockwise. Resampled bilinearly. What comes in from
    outside is the nearest pixel of the image's edge, or a baseline. Zeiler & Fergus 2013, fig. 5.
    """

    kind: Transformation
    values: tuple[float, ...]
    border: Border = "edge"


@dataclass(frozen=True)
class CoveredParts:
    """Copies with one part of the image set to a baseline colour: the parts in turn, then `draws`
    times as many boxes of the parts' sizes at random places, draw by draw.

    Only images that have every part have copies; of the others, all answers are NaN. The places
    depend on the seed and the image's number in the set. Zeiler & Fergus 2013, sec. 4.3.
    """

    parts: int
    draws: int
    seed: int = 0
    baseline: Baseline = "grey"

    @property
    def count(self) -> int:
        """Copies of one image."""
        return self.parts * (1 + self.draws)


Variants: TypeAlias = Occluded | Flat | ChannelMasks | RandomMasks | Transformed | CoveredParts
