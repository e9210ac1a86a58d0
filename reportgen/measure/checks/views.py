"""Other ways to preprocess the sample: what is decoded otherwise, and what is worked out of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from reportgen.checks.case import View
from reportgen.inputs.images.padded import padded
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.measure.checks.corrupting import corrupted


@dataclass(frozen=True)
class Group:
    """Views that are answered from one decoding of the images, by their places in the list of all;
    `adapted` and `stepped` ones come by themselves, as the network is another one for them."""

    number: int
    places: tuple[int, ...]
    decoded_as: View
    adapted: bool
    stepped: float

    @property
    def changed(self) -> bool:
        """Whether the network is another one for them."""
        return self.adapted or self.stepped > 0


def grouped(views: Sequence[View], own: Preprocessing) -> list[Group]:
    """The views by what they decode, in the order of the first of each. What the recipe does anyway is no
    other decoding."""
    places: dict[tuple[Preprocessing, bool, float], list[int]] = {}
    for place, view in enumerate(views):
        decoding = replace(viewed(view, own), origin="")
        places.setdefault((decoding, view.adapted, view.stepped), []).append(place)
    return [
        Group(number, tuple(of), views[of[0]], adapted, stepped)
        for number, ((_, adapted, stepped), of) in enumerate(places.items())
    ]


def viewed(view: View, own: Preprocessing) -> Preprocessing:
    """How a view decodes an image. It keeps the size of the network's input, and its normalisation."""
    _, height, width = own.input_shape
    changed = own
    if view.fit == "squash":
        changed = replace(own, resize=(height, width), crop=None, origin=view.name)
    elif view.fit == "crop":
        changed = replace(own, resize=min(height, width), crop=(height, width), origin=view.name)
    elif view.fit == "pad":
        changed = padded(own, view.name)
    return changed if view.interpolation is None else replace(changed, interpolation=view.interpolation)


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of pixels in [0, 1], a channel each (C,)."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, own: Preprocessing) -> Scale:
        """That of the recipe."""
        return cls(torch.tensor(own.mean), torch.tensor(own.std))

    @classmethod
    def of_images(cls, x: Tensor, own: Scale) -> Scale:
        """That of the pixels of images (N, C, H, W) which are normalised by another."""
        pixels = own.undone(x)
        std = pixels.std((0, 2, 3), correction=0)
        return cls(pixels.mean((0, 2, 3)), torch.where(std > 0, std, torch.ones_like(std)))

    def undone(self, x: Tensor) -> Tensor:
        """The pixels in [0, 1] of an input (N, C, H, W)."""
        return x * self.std.view(-1, 1, 1) + self.mean.view(-1, 1, 1)

    def done(self, pixels: Tensor) -> Tensor:
        """The input (N, C, H, W) of pixels in [0, 1]."""
        return (pixels - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)


def worked_out(view: View, x: Tensor, own: Scale, images: Scale | None, seed: int = 0) -> Tensor:
    """The input (N, C, H, W) of a view, of one that is decoded as it asks, normalised as in the recipe.

    `images` are the sample's own mean and deviation, where a view asks for them; `seed` is of what a change
    of pixels draws.
    """
    if unchanged(view, own, images):
        return x
    if view.pixels is not None:
        x = own.done(corrupted(own.undone(x), view.pixels, seed))
    changes = (view.mean, view.std) != (None, None) or view.reversed or view.inverted
    if changes:
        pixels = own.undone(x)
        pixels = pixels.flip(1) if view.reversed else pixels
        x = _scale(view, own, images).done(1 - pixels if view.inverted else pixels)
    return x.rot90(view.turned // 90, (2, 3)).contiguous() if view.turned else x


def unchanged(view: View, own: Scale, images: Scale | None) -> bool:
    """Whether a view leaves an input as it was decoded: its mean and deviation may be the recipe's own."""
    scale = _scale(view, own, images)
    same = torch.equal(scale.mean, own.mean) and torch.equal(scale.std, own.std)
    return same and not (view.reversed or view.inverted or view.turned or view.pixels)


def _scale(view: View, own: Scale, images: Scale | None) -> Scale:
    mean, std = own.mean, own.std
    if view.mean is not None:
        mean = _values(view.mean, None if images is None else images.mean, own.mean)
    if view.std is not None:
        std = _values(view.std, None if images is None else images.std, own.std)
    return Scale(mean, std)


def _values(wished: Any, of_images: Tensor | None, own: Tensor) -> Tensor:
    """One value a channel (C,)."""
    if wished == "images":
        assert of_images is not None, "a view by the images' own pixels is asked with these"
        return of_images
    return torch.tensor(wished, dtype=own.dtype).expand(len(own)).clone()
