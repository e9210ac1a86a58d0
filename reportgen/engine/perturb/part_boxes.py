"""Where parts lie on the images of a batch, and boxes of the same sizes at random places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PartBoxes:
    """The boxes of P parts on each image, (N, P, 4) int64: top, left, bottom, right in input pixels.

    All zero where an image lacks a part. `numbers` are the images' in the set: a random place depends
    on them and not on the batch that an image is in.
    """

    boxes: Tensor
    numbers: Sequence[int]

    @property
    def whole(self) -> Tensor:
        """Which images have every part, bool (N,); none where there are no parts."""
        return (self.boxes[..., 2] > self.boxes[..., 0]).all(1) & (self.boxes.shape[1] > 0)

    def with_random(self, draws: int, seed: int, height: int, width: int) -> Tensor:
        """The parts' boxes and `draws` times as many at random places inside the image, draw by draw,
        (N, P·(1 + draws), 4)."""
        parts = self.boxes.shape[1]
        size = self.boxes[..., 2:] - self.boxes[..., :2]  # (N, P, 2)
        room = torch.tensor([height, width], device=size.device) - size + 1
        chance = torch.stack([_chance(seed, number, (draws, parts, 2)) for number in self.numbers])
        start = (chance.to(size.device) * room[:, None]).long()  # (N, draws, P, 2)
        drawn = torch.cat([start, start + size[:, None]], -1)  # (N, draws, P, 4)
        return torch.cat([self.boxes, drawn.flatten(1, 2)], 1)


def _chance(seed: int, number: int, shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    return torch.rand(shape, generator=generator, dtype=torch.float64)
