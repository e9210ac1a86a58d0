"""Pictures that no file holds, to try a network on: noise about a colour, black, white."""

from __future__ import annotations

import torch
from torch import Tensor

from reportgen.engine.network.facts import Normalisation


def noise(shape: tuple[int, int, int], normalisation: Normalisation, count: int) -> Tensor:
    """Pictures of noise, each about a colour of its own, (count, C, H, W) as the network gets them."""
    channels, height, width = shape
    generator = torch.Generator().manual_seed(0)
    colours = torch.rand(count, channels, 1, 1, generator=generator)
    pixels = (colours + torch.rand(count, channels, height, width, generator=generator)) / 2
    return normalised(pixels, normalisation)


def plain(shape: tuple[int, int, int], normalisation: Normalisation) -> Tensor:
    """One black picture and one white one, (2, C, H, W) as the network gets them."""
    pixels = torch.stack([torch.zeros(shape), torch.ones(shape)])
    return normalised(pixels, normalisation)


def normalised(pixels: Tensor, normalisation: Normalisation) -> Tensor:
    """Pixels in [0, 1] as the network gets them."""
    mean = torch.tensor(normalisation.mean)[:, None, None]
    std = torch.tensor(normalisation.std)[:, None, None]
    return (pixels - mean) / std
