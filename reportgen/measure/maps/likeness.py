"""How alike two maps are: their rank correlation, on a grid of a report's own fineness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d, pad

from reportgen.findings import Array
from reportgen.stats import unit_ranks

PLACES = 56  # a side at most: what a reader tells apart in a map, and quick to rank
SPREAD = 4  # a centred Gaussian: a standard deviation of so many a side


@dataclass(frozen=True)
class Ranked:
    """A map's ranks as a vector of length 1 around 0, row by row of its grid; None where all are equal or one
    is not finite. `vanished` where every value is 0."""

    grid: tuple[int, int]
    ranks: Array | None
    vanished: bool = False

    @classmethod
    def of(cls, values: Tensor) -> Ranked:
        """Of one map (h, w)."""
        side = (min(PLACES, values.shape[0]), min(PLACES, values.shape[1]))
        coarse = adaptive_avg_pool2d(values[None, None].double(), side)[0, 0].numpy()
        finite = bool(np.isfinite(coarse).all())
        ranks = unit_ranks(coarse.ravel()) if finite else None
        return cls(side, ranks, finite and not np.any(coarse))

    def like(self, other: Ranked) -> float | None:
        """The rank correlation; 0 where the other map has vanished altogether, None where it is not
        defined."""
        if self.ranks is None or self.grid != other.grid:
            return None
        if other.vanished:
            return 0.0
        return None if other.ranks is None else float(self.ranks @ other.ranks)


def ranked(maps: Tensor) -> list[Ranked]:
    """The ranks of several maps (n, h, w)."""
    return [Ranked.of(values) for values in maps.cpu()]


def edges(pixels: Tensor, grid: tuple[int, int]) -> Tensor:
    """How strongly the brightness of images (n, C, H, W) changes from place to place, on a grid, (n, h, w).

    The length of Sobel's gradient of the channels' mean.
    """
    grey = pad(pixels.mean(1, keepdim=True), [1] * 4, mode="replicate")
    across = pixels.new_tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
    strength = (conv2d(grey, across) ** 2 + conv2d(grey, across.transpose(2, 3)) ** 2).sqrt()
    return adaptive_avg_pool2d(strength, grid)[:, 0]


def gaussian(height: int, width: int) -> Tensor:
    """A Gaussian in the middle of a grid, (h, w): what a map is that knows of no image."""
    y = (torch.arange(height) + 0.5 - height / 2) / (height / SPREAD)
    x = (torch.arange(width) + 0.5 - width / 2) / (width / SPREAD)
    return torch.exp(-(y[:, None] ** 2 + x**2) / 2)


def mean_of(values: list[float | None]) -> float | None:
    """The mean of what is known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
