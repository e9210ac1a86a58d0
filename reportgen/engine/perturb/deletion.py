"""Deletion and insertion: images without the best places of a map, or with nothing but them.

Petsiuk et al. 2018, sec. 4.1, on a grid of square cells instead of single pixels.

Cells put all methods and the random orders on one footing: deleting scattered pixels hurts a network
far more than deleting a patch of as many, whatever the pixels show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from reportgen.engine.perturb.makers import Maker, Source

CELLS = 14  # a side; fewer where the input has fewer pixels


def cell_means(maps: Tensor, side_px: tuple[int, int]) -> Tensor:
    """Maps (N, h, w), upsampled to the input and averaged over cells, (N, cells²)."""
    cells = min(CELLS, *side_px)
    large = interpolate(maps[:, None].float(), side_px, mode="bilinear", align_corners=False)
    return adaptive_avg_pool2d(large, cells).flatten(1)


def ranks(values: Tensor, seed: int) -> Tensor:
    """The rank of each cell when the largest come first, as a share in [0, 1), (N, cells²).

    Equal cells are put in a random order, seeded, so that no corner of the image comes first.
    """
    shuffle = torch.randperm(values.shape[1], generator=torch.Generator().manual_seed(seed))
    order = shuffle[values.cpu()[:, shuffle].sort(dim=1, descending=True, stable=True).indices]
    rank = torch.arange(values.shape[1]).expand_as(order)
    return torch.empty_like(order).scatter(1, order, rank) / values.shape[1]


@dataclass(frozen=True)
class Curves:
    """Probabilities as cells are deleted and inserted: each (N, orders, fractions)."""

    deletion: Tensor
    insertion: Tensor
    fractions: Tensor

    def fault(self, n: int) -> str | None:
        """Why no map of image n can be judged by its curves, or None where each can."""
        finite = self.deletion[n].isfinite().all() and self.insertion[n].isfinite().all()
        return None if finite else "the model's answers under deletion or insertion are not finite"


def deleting_and_inserting(source: Source, order: Tensor, fractions: Tensor) -> Maker:
    """Perturbations for orders (N, O, cells²) at the inner fractions, then one with nothing left.

    That of (o, kind, f) comes at (o·2 + kind)·F + f; kind 0 deletes, kind 1 inserts.
    """
    fill = source.baseline("blur")
    height, width = source.x.shape[-2:]
    side = round(order.shape[2] ** 0.5)
    rows = torch.arange(height, device=order.device) * side // height
    columns = torch.arange(width, device=order.device) * side // width
    cell = rows[:, None] * side + columns  # (H, W), the cell of each pixel
    each = 2 * len(fractions)
    last = order.shape[1] * each

    def make(image: Tensor, number: Tensor) -> Tensor:
        end = number == last
        number = number.where(~end, 0)
        fraction = fractions[number % len(fractions)].where(~end, 1.0)
        chosen = order[image, number // each] < fraction[:, None]  # (B, cells²)
        inserts = (number % each >= len(fractions)) & ~end
        hidden = (chosen != inserts[:, None])[:, cell][:, None]  # (B, 1, H, W)
        return torch.where(hidden, fill[image], source.x[image])

    return Maker(last + 1, make)


def curves(probability: Tensor, whole: Tensor, orders: int, steps: int) -> Curves:
    """The curves of perturbations' probabilities (N, O·2·(steps-1) + 1); `whole` (N,) is the image's own."""
    inner = probability[:, :-1].unflatten(1, (orders, 2, steps - 1))  # (N, O, 2, steps - 1)
    blank = probability[:, -1, None, None].expand(-1, orders, 1)
    full = whole[:, None, None].expand(-1, orders, 1)
    return Curves(
        deletion=torch.cat([full, inner[:, :, 0], blank], 2),
        insertion=torch.cat([blank, inner[:, :, 1], full], 2),
        fractions=torch.linspace(0, 1, steps + 1),
    )
