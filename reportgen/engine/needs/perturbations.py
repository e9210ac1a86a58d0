"""The families of perturbations that a probe may ask about: changed images, and changes inside the network.

How each is made stands in `reportgen/engine/perturb/makers.py`; a new one touches these two files, and is
named in `tests/engine/test_closed_unions.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reportgen.engine.needs.work import Extent
from reportgen.engine.network.facts import LayerFacts, ModelFacts
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable

Baseline: TypeAlias = Literal["grey", "black", "mean", "blur"]
Transformation: TypeAlias = Literal["translation-x", "translation-y", "scale", "rotation"]
Border: TypeAlias = Literal["edge", "grey", "black", "mean", "blur"]
Fill: TypeAlias = Literal["zero", "mean"]


@dataclass(frozen=True)
class Occluded:
    """The image with one square window set to a baseline colour, window by window.

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

    def extent(self, model: ModelFacts) -> Extent:
        return Extent(len(self.boxes(*model.input_shape[1:])))

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
    """The image once, with the baseline in place of all of it."""

    baseline: Baseline = "black"

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(1)


@dataclass(frozen=True)
class ChannelMasks:
    """The image multiplied by a layer's maps, each upsampled to the input and scaled to [0, 1].

    Of every image the `at_most` maps with the largest standard deviation, strongest first, or all
    of them. Wang et al. 2020 (Score-CAM), eq. 4-5.
    """

    layer: str
    at_most: int | None = None

    def extent(self, model: ModelFacts) -> Extent:
        maps = model.layer(self.layer).maps
        return Extent(min(self.at_most or maps, maps), taps=(self.layer,))

    def channels(self, activation: Tensor) -> Tensor:
        """The chosen channels of each image, (N, K) int64, given the layer's maps (N, C, h, w)."""
        spread = activation.flatten(2).std(2, correction=0)  # (N, C)
        count = min(self.at_most or spread.shape[1], spread.shape[1])
        return spread.sort(dim=1, descending=True, stable=True).indices[:, :count]


@dataclass(frozen=True)
class RandomMasks:
    """The image seen through random soft masks: `cells`×`cells` coins of chance `keep`, upsampled and
    shifted. Where the mask is 0 the baseline stands. Petsiuk et al. 2018 (RISE), sec. 3.2.
    """

    count: int
    cells: int = 7
    keep: float = 0.5
    seed: int = 0
    baseline: Baseline = "mean"

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(self.count)

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
    """The image with Gaussian noise of `noise_std` times the image's own range (max - min).

    Smilkov et al. 2017 (SmoothGrad), sec. 3.
    """

    samples: int
    noise_std: float = 0.15
    seed: int = 0

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(self.samples)


@dataclass(frozen=True)
class Path:
    """Points on the straight path from a baseline to the image, at the nodes of Gauss-Legendre
    quadrature. Sundararajan et al. 2017, eq. 1.
    """

    steps: int
    baseline: Baseline = "black"

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(self.steps)


@dataclass(frozen=True)
class Transformed:
    """The whole image moved, scaled or turned about its centre by one of `values`.

    `translation-x` and `translation-y` are input pixels, to the right and down; `scale` is a factor,
    above 1 larger; `rotation` is degrees, counter-clockwise. Resampled bilinearly. What comes in from
    outside is the nearest pixel of the image's edge, or a baseline. Zeiler & Fergus 2013, fig. 5.
    """

    kind: Transformation
    values: tuple[float, ...]
    border: Border = "edge"

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(len(self.values))


@dataclass(frozen=True)
class CoveredParts:
    """The image with one part set to a baseline colour: the parts in turn, then `draws`
    times as many boxes of the parts' sizes at random places, draw by draw.

    Only images that have every part are perturbed; of the others, all answers are NaN. The places
    depend on the seed and the image's number in the set. Zeiler & Fergus 2013, sec. 4.3.
    """

    parts: int
    draws: int
    seed: int = 0
    baseline: Baseline = "grey"

    @property
    def count(self) -> int:
        """Perturbations of an image that has every part."""
        return self.parts * (1 + self.draws)

    def extent(self, _model: ModelFacts) -> Extent:
        return Extent(self.count, parts_only=True)


@dataclass(frozen=True)
class Ablated:
    """The image as it is, seen by the network with one channel of a layer silenced, each of `channels`
    in turn: its output is set to zero, or all over its map to the map's own mean.

    Where the network uses the layer more than once, the last call is changed. Morcos et al. 2018, On
    the Importance of Single Directions for Generalization (arXiv:1803.06959), sec. 2.2.
    """

    layer: str
    channels: tuple[int, ...]
    fill: Fill = "zero"

    def extent(self, model: ModelFacts) -> Extent:
        """Raises NotApplicable where the output has no such channels, UnknownName where not so many."""
        layer = model.layer(self.layer)
        channels, has_map = _second_axis(layer), len(layer.output_shape or ()) > 1
        if not channels or (self.fill == "mean" and not has_map):
            wanted = "channels with a mean" if self.fill == "mean" else "channels"
            raise NotApplicable(f"the output of {layer.name} has no {wanted} on its second axis")
        for channel in self.channels:
            if channel >= channels:
                raise UnknownName(f"channel of {layer.name}", channel, ())
        return Extent(len(self.channels))


def _second_axis(layer: LayerFacts) -> int:
    """How many channels stand on the output's second axis; 0 where it holds something else."""
    shape: tuple[int, ...] = layer.output_shape or ()
    weight: tuple[int, ...] = layer.weight_shape or ()
    if layer.layout.channels_second or len(shape) == 1:
        return shape[0]
    # a convolution over parts of an image, row by row of the batch, has channels, though no places
    convolution = layer.layout.kind == "none" and len(shape) == 3 and len(weight) == 4
    return shape[0] if convolution and shape[0] == weight[0] else 0
