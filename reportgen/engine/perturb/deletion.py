"""Deletion and insertion: images without the best places of a map, or with nothing but them; and with one
place gone.

Petsiuk et al. 2018, sec. 4.1, on a grid of square cells instead of single pixels.

Cells put all methods and the random orders on one footing: deleting scattered pixels hurts a network
far more than deleting a patch of as many, whatever the pixels show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from reportgen.engine.incremental.answering import Local
from reportgen.engine.perturb.makers import Maker, Source, covered

# the changed images (B, C, H, W), given whose they are (B,) and what is hidden, bool (B, 1, H, W)
Fill: TypeAlias = Callable[[Tensor, Tensor], Tensor]

WINDOW = 4  # cells a side: two sevenths of the image, as occlusion has it
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
    """Readouts as cells are deleted and inserted: each (N, orders, fractions)."""

    deletion: Tensor
    insertion: Tensor
    fractions: Tensor

    @property
    def gain(self) -> Tensor:
        """The area under the insertion curve less that under the deletion curve, (N, orders): the symmetric
        relevance gain of Blücher et al. 2024, Decoupling Pixel Flipping and Occlusion Strategy
        (arXiv:2401.06654), sec. 3."""
        return _area(self.insertion) - _area(self.deletion)

    def fault(self, n: int) -> str | None:
        """Why no map of image n can be judged by its curves, or None where each can."""
        finite = self.deletion[n].isfinite().all() and self.insertion[n].isfinite().all()
        return None if finite else "the model's answers under deletion or insertion are not finite"


def _area(values: Tensor) -> Tensor:
    """The area under curves (…, fractions) over [0, 1] by trapezoids."""
    return (values[..., :-1] + values[..., 1:]).sum(-1) / 2 / (values.shape[-1] - 1)


def blurring(source: Source) -> Fill:
    """Fills what is hidden with the image's own blur."""
    fill = source.baseline("blur")
    return lambda image, hidden: torch.where(hidden, fill[image], source.x[image])


def cell_of_pixels(height_px: int, width_px: int, cells: int) -> Tensor:
    """The number of the cell of each pixel, row by row, (H, W) int64."""
    rows = torch.arange(height_px) * cells // height_px
    columns = torch.arange(width_px) * cells // width_px
    return rows[:, None] * cells + columns


def deleting_and_inserting(source: Source, order: Tensor, fractions: Tensor, filled: Fill) -> Maker:
    """Perturbations for orders (N, O, cells²) at the inner fractions, then one with nothing left.

    That of (o, kind, f) comes at (o·2 + kind)·F + f; kind 0 deletes, kind 1 inserts.
    """
    side = round(order.shape[2] ** 0.5)
    height, width = source.x.shape[-2:]
    cell = cell_of_pixels(height, width, side).to(order.device)
    each = 2 * len(fractions)
    last = order.shape[1] * each

    def make(image: Tensor, number: Tensor) -> Tensor:
        end = number == last
        number = number.where(~end, 0)
        fraction = fractions[number % len(fractions)].where(~end, 1.0)
        chosen = order[image, number // each] < fraction[:, None]  # (B, cells²)
        inserts = (number % each >= len(fractions)) & ~end
        hidden = (chosen != inserts[:, None])[:, cell][:, None]  # (B, 1, H, W)
        return filled(image, hidden)

    return Maker(last + 1, make)


def one_by_one(source: Source, cells: int) -> Maker:
    """Perturbations with one cell blurred and all else as it is: cells² of them, row by row."""
    return _boxed(source, _windows(source, cells, 1))


def by_windows(source: Source, cells: int) -> tuple[Maker, Tensor]:
    """Perturbations with a window of `WINDOW` cells a side blurred, moved by half of that; and which cells
    each of them covers, bool (V, cells²)."""
    width = min(WINDOW, cells)
    boxes = _windows(source, cells, width)
    height_px, width_px = source.x.shape[-2:]
    cell = cell_of_pixels(height_px, width_px, cells)
    under = covered(boxes, height_px, width_px)[:, 0]  # (V, H, W)
    covers = torch.stack([torch.bincount(cell[each], minlength=cells**2) > 0 for each in under])
    return _boxed(source, boxes), covers


def starts(cells: int, width: int) -> list[int]:
    """Where windows of so many cells begin along a side, moved by half of that; the last one ends at the
    border."""
    width = min(width, cells)
    return sorted({*range(0, cells - width, max(1, width // 2)), cells - width})


def _windows(source: Source, cells: int, width: int) -> Tensor:
    """Windows of so many cells a side, row by row: top, left, bottom, right in pixels, (V, 4). The last ones
    end at the border."""
    height_px, width_px = source.x.shape[-2:]
    tops, lefts = _starts(height_px, cells), _starts(width_px, cells)
    first = starts(cells, width)
    return torch.tensor(
        [(tops[y], lefts[x], tops[y + width], lefts[x + width]) for y in first for x in first]
    )


def _boxed(source: Source, boxes: Tensor) -> Maker:
    """Perturbations with one box (V, 4) blurred each."""
    fill = source.baseline("blur")
    under = covered(boxes.to(source.x.device), *source.x.shape[-2:])  # (V, 1, H, W)
    return Maker(
        len(boxes),
        lambda image, n: torch.where(under[n], fill[image], source.x[image]),
        local=Local(source.x, fill, boxes),
    )


def _starts(side_px: int, cells: int) -> list[int]:
    """Where each cell begins along a side, and the end."""
    return [-(-number * side_px // cells) for number in range(cells + 1)]


def curves(readout: Tensor, whole: Tensor, orders: int, steps: int) -> Curves:
    """The curves of perturbations' readouts (N, O·2·(steps-1) + 1); `whole` (N,) is the image's own."""
    inner = readout[:, :-1].unflatten(1, (orders, 2, steps - 1))  # (N, O, 2, steps - 1)
    blank = readout[:, -1, None, None].expand(-1, orders, 1)
    full = whole[:, None, None].expand(-1, orders, 1)
    return Curves(
        deletion=torch.cat([full, inner[:, :, 0], blank], 2),
        insertion=torch.cat([blank, inner[:, :, 1], full], 2),
        fractions=torch.linspace(0, 1, steps + 1),
    )
