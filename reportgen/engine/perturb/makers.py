"""Perturbations of images, made batch by batch and packed across images.

A maker knows how many perturbations each image has and makes any of them: `make(image, number)` takes
two index vectors (B,) and returns the changed images (B, C, H, W). One that changes something inside the
network says besides what becomes of a layer's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import assert_never

from reportgen.engine.incremental.answering import Local
from reportgen.engine.needs import (
    Ablated,
    Baseline,
    ChannelMasks,
    CoveredParts,
    Flat,
    Noisy,
    Normalisation,
    Occluded,
    Path,
    RandomMasks,
    Transformed,
)
from reportgen.engine.perturb.blur import gaussian_blur
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.perturb.transforms import matrices, warp

PIXEL = {"grey": 0.5, "black": 0.0}
BLUR_SHARE = 8  # a blurred baseline: a Gaussian of an eighth of the shorter side


@dataclass(frozen=True)
class Inside:
    """What becomes of a layer's output (R, C, …) at its last call, before anything sees it: `change` gets
    it with the image and the number of the perturbation of every row, (R,) each."""

    layer: str
    change: Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Maker:
    """The perturbations of a batch: how many an image has, how to make them, how they weigh in a mean."""

    count: int
    make: Callable[[Tensor, Tensor], Tensor]
    weights: Tensor | None = None  # (count,), for a weighted mean; None for equal ones
    images: Tensor | None = None  # which of the batch have any, int64; None for all
    inside: Inside | None = None  # what is changed in the network besides
    local: Local | None = None  # where they change nothing but boxes: the same, said so


@dataclass(frozen=True)
class Source:
    """What perturbations are made from: the batch (N, C, H, W), normalised, its tapped activations, and where
    the recipe's parts lie on it."""

    x: Tensor
    normalisation: Normalisation
    activations: Mapping[str, Tensor]
    part_boxes: PartBoxes | None = None

    def baseline(self, baseline: Baseline) -> Tensor:
        """What stands in the place of what is taken away, expanded to x, in the normalised space.

        `grey` is 0.5 and `black` 0 in pixel space, `mean` the mean of the normalisation (zero after
        it), `blur` the image itself under a wide Gaussian.
        """
        x = self.x
        if baseline == "blur":
            side = min(x.shape[-2:])
            kernel = side - (side + 1) % 2  # odd, and no larger than the image
            return gaussian_blur(x, kernel, side / BLUR_SHARE)
        mean = x.new_tensor(self.normalisation.mean)[:, None, None]  # (C, 1, 1)
        std = x.new_tensor(self.normalisation.std)[:, None, None]
        if baseline == "mean":
            return torch.zeros_like(mean).expand_as(x)
        return ((PIXEL[baseline] - mean) / std).expand_as(x)


@singledispatch
def maker(family: object, source: Source) -> Maker:
    """The maker of a family of perturbations. Raises TypeError for a family that has none."""
    raise TypeError(f"no maker for {type(family).__name__}")


@maker.register
def _(family: Occluded, source: Source) -> Maker:
    fill = source.baseline(family.baseline)
    height, width = source.x.shape[-2:]
    boxes = torch.tensor(family.boxes(height, width))  # (V, 4)
    under = covered(boxes.to(source.x.device), height, width)  # (V, 1, H, W)
    return Maker(
        len(under),
        lambda image, n: torch.where(under[n], fill[image], source.x[image]),
        local=Local(source.x, fill, boxes),
    )


@maker.register
def _(family: Flat, source: Source) -> Maker:
    fill = source.baseline(family.baseline)
    return Maker(1, lambda image, _n: fill[image])


@maker.register
def _(family: RandomMasks, source: Source) -> Maker:
    fill = source.baseline(family.baseline)
    height, width = source.x.shape[-2:]
    masks = family.masks(height, width).to(source.x)[:, None]  # (V, 1, H, W)
    return Maker(len(masks), lambda image, n: fill[image].lerp(source.x[image], masks[n]))


@maker.register
def _(family: ChannelMasks, source: Source) -> Maker:
    activation = source.activations[family.layer]  # (N, C, h, w)
    channels = family.channels(activation)  # (N, K)

    def make(image: Tensor, n: Tensor) -> Tensor:
        maps = activation[image, channels[image, n]][:, None]  # (B, 1, h, w)
        maps = interpolate(maps, source.x.shape[-2:], mode="bilinear", align_corners=False)
        low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        return source.x[image] * (maps - low) / (high - low).clamp(min=1e-12)

    return Maker(channels.shape[1], make)


@maker.register
def _(family: Transformed, source: Source) -> Maker:
    matrix = matrices(family, *source.x.shape[-2:]).to(source.x.device)  # (V, 2, 3)
    fill = None if family.border == "edge" else source.baseline(family.border)
    return Maker(
        len(matrix),
        lambda image, n: warp(source.x[image], matrix[n], None if fill is None else fill[image]),
    )


@maker.register
def _(family: CoveredParts, source: Source) -> Maker:
    fill = source.baseline(family.baseline)
    if source.part_boxes is None:
        raise ValueError("parts are needed, but the batch came without their boxes")
    height, width = source.x.shape[-2:]
    boxes = source.part_boxes.with_random(family.draws, family.seed, height, width)  # (N, V, 4)

    def make(image: Tensor, n: Tensor) -> Tensor:
        return torch.where(covered(boxes[image, n], height, width), fill[image], source.x[image])

    whole = source.part_boxes.whole.nonzero()[:, 0]
    return Maker(family.count, make, images=whole, local=Local(source.x, fill, boxes))


@maker.register
def _(family: Noisy, source: Source) -> Maker:
    x = source.x
    spread = x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)  # (N, 1, 1, 1)

    def make(image: Tensor, n: Tensor) -> Tensor:
        # sample n has the same noise for every image, so that no image depends on its neighbours
        noise = torch.stack([_noise(family.seed, int(k), x.shape[1:]) for k in n]).to(x.device)
        return x[image] + family.noise_std * spread[image] * noise

    return Maker(family.samples, make)


def _noise(seed: int, sample: int, shape: torch.Size) -> Tensor:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + sample)
    return torch.randn(shape, generator=generator)


@maker.register
def _(family: Path, source: Source) -> Maker:
    nodes, weights = np.polynomial.legendre.leggauss(family.steps)  # on [-1, 1]
    steps = source.x.new_tensor((nodes + 1) / 2)
    start = source.baseline(family.baseline)
    return Maker(
        family.steps,
        lambda image, n: start[image].lerp(source.x[image], steps[n][:, None, None, None]),
        source.x.new_tensor(weights / 2),
    )


@maker.register
def _(family: Ablated, source: Source) -> Maker:
    channels = torch.tensor(family.channels, device=source.x.device)

    def change(activation: Tensor, _image: Tensor, number: Tensor) -> Tensor:
        silenced = torch.arange(activation.shape[1], device=channels.device) == channels[number][:, None]
        silenced = silenced.view(*silenced.shape, *[1] * (activation.ndim - 2))  # (R, C, 1, …)
        if family.fill == "mean":
            places = tuple(range(2, activation.ndim))  # of maps, or of tokens with channels first
            return torch.where(silenced, activation.mean(places, keepdim=True), activation)
        if family.fill == "zero":
            return activation.masked_fill(silenced, 0)
        assert_never(family.fill)

    inside = Inside(family.layer, change)
    return Maker(len(channels), lambda image, _n: source.x[image], inside=inside)


def covered(boxes: Tensor, height_px: int, width_px: int) -> Tensor:
    """Where boxes (V, 4) of top, left, bottom and right cover the image, bool (V, 1, H, W)."""
    y = torch.arange(height_px, device=boxes.device)
    x = torch.arange(width_px, device=boxes.device)
    top, left, bottom, right = boxes[:, :, None].unbind(1)  # each (V, 1)
    rows = (y >= top) & (y < bottom)  # (V, H)
    columns = (x >= left) & (x < right)  # (V, W)
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


def packed(images: int, maker: Maker, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, ...]]:
    """Batches of `batch_size` perturbations, image by image: (image (B,), number (B,), the changed images
    (B, C, H, W)).

    A batch may hold those of several images; only the last one may be smaller.
    """
    whose = torch.arange(images, device=device) if maker.images is None else maker.images
    every = torch.arange(len(whose) * maker.count, device=device)
    for chunk in every.split(batch_size) if len(every) else ():
        image, number = whose[chunk // maker.count], chunk % maker.count
        yield image, number, maker.make(image, number)
