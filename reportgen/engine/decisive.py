"""Where in an image the score lies, patch by patch, as far as one backward tells."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

AROUND = 4  # what a patch is held against: its surroundings, so many patches wide
LOOK = 18  # the longest side that patches are given out at, with what is around them


def decisive_patches(x: Tensor, gradient: Tensor, count: int, share: int) -> Tensor:
    """Of inputs (N, C, H, W) with their gradients: (N, count, 4 + g²), as the need `DecisivePatches` has it.

    The exchange of a window for its surroundings changes the score by Σ g·(x - mean around), to first order.
    """
    height, width = x.shape[-2:]
    side = max(2, round(min(height, width) / share))
    around = min(AROUND * side | 1, min(height, width) - 1 | 1)  # odd
    surroundings = _box_means(x, around)
    fall = (gradient * (x - surroundings)).sum(1, keepdim=True)  # (N, 1, H, W)
    step = max(1, side // 2)
    sums = avg_pool2d(fall, side, step)[:, 0]  # (N, rows, columns)
    found = []
    for _ in range(count):
        best = sums.flatten(1).argmax(1)
        row, column = best // sums.shape[2], best % sums.shape[2]
        top, left = row * step, column * step
        boxes = torch.stack([top, left, top + side, left + side], 1).to(x.dtype)
        found.append(torch.cat([boxes, _looks(x, top, left, side).flatten(1)], 1))
        near = -(-side // step)
        rows = torch.arange(sums.shape[1], device=x.device)
        columns = torch.arange(sums.shape[2], device=x.device)
        beside = (rows - row[:, None]).abs() < near  # (N, rows)
        over = beside[:, :, None] & ((columns - column[:, None]).abs() < near)[:, None]
        sums = sums.masked_fill(over, -torch.inf)
    return torch.stack(found, 1)


def _box_means(x: Tensor, window: int) -> Tensor:
    """The mean of what of an odd window about each place lies on the image, (N, C, H, W): along the rows and
    then along the columns, since a window's part on the image has as many places in each of its rows."""
    for sides in ((1, window), (window, 1)):
        half = (sides[0] // 2, sides[1] // 2)
        x = avg_pool2d(x, sides, 1, half, count_include_pad=False)
    return x


def _looks(x: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """What patches show with half their side around them, grey and small, (N, g, g)."""
    margin = side // 2
    grey = pad(x.mean(1, keepdim=True), [margin] * 4, mode="replicate")[:, 0]
    large = side + 2 * margin
    at = torch.arange(large, device=x.device)
    rows, columns = (top[:, None] + at)[:, :, None], (left[:, None] + at)[:, None, :]
    parts = grey[torch.arange(len(x), device=x.device)[:, None, None], rows, columns]  # (N, large, large)
    pooled: Tensor = avg_pool2d(parts[:, None], -(-large // LOOK))[:, 0]
    return pooled
