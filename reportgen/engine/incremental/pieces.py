"""Cutting patches out of a map, and setting them in: tensors with rows and columns last.

Patches come out with channels last in memory, as convolutions are fastest, whatever the map's layout.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reportgen.engine.incremental.boxes import Boxes, Ints, Window


def cut(image: Tensor, boxes: Boxes) -> Tensor:
    """The patches (K, …, h, w) of a map (1, …, H, W) at the boxes."""
    tail = image[0].movedim((-2, -1), (0, 1)).contiguous()  # (H, W, …)
    seen = tail.unfold(0, boxes.rows.length, 1).unfold(1, boxes.columns.length, 1)  # (H', W', …, h, w)
    seen = seen.movedim((-2, -1), (2, 3))  # each place's channels stay together
    taken = seen[_index(boxes.rows.start, image), _index(boxes.columns.start, image)]  # (K, h, w, …)
    return taken.movedim((1, 2), (-2, -1))


def set_in(whole: Tensor, patches: Tensor, rows: Ints, columns: Ints) -> Tensor:
    """Sets patches (K, …, h, w) into as many wholes (K, …, H, W) with their corners at rows and columns, each
    (K,), in place."""
    height, width = patches.shape[-2:]
    if (rows == rows[0]).all() and (columns == columns[0]).all():
        whole[..., rows[0] : rows[0] + height, columns[0] : columns[0] + width] = patches
        return whole
    if whole.device.type == "cpu":
        _into_views(whole, patches, rows, columns)
    else:
        _into_places(whole, patches, rows, columns)
    return whole


def _into_views(whole: Tensor, patches: Tensor, rows: Ints, columns: Ints) -> None:
    """Through windows that overlap in memory. Only a CPU writes through them nothing but what it is given: a
    CUDA device that has to be deterministic writes a copy of all windows back, old values over new ones."""
    height, width = patches.shape[-2:]
    tail = whole.movedim((-2, -1), (1, 2))  # (K, H, W, …)
    seen = tail.unfold(1, height, 1).unfold(2, width, 1).movedim((-2, -1), (3, 4))  # (K, H', W', h, w, …)
    every = torch.arange(len(patches), device=whole.device)
    seen[every, _index(rows, whole), _index(columns, whole)] = patches.movedim((-2, -1), (1, 2))


def _into_places(whole: Tensor, patches: Tensor, rows: Ints, columns: Ints) -> None:
    """Place by place: slower on a CPU (up to four times), and right on any device."""
    height, width = patches.shape[-2:]
    tail = whole.movedim((-2, -1), (1, 2))  # (K, H, W, …)
    every, down, right = (torch.arange(n, device=whole.device) for n in (len(patches), height, width))
    row, column = _index(rows, whole)[:, None] + down, _index(columns, whole)[:, None] + right
    tail[every[:, None, None], row[:, :, None], column[:, None, :]] = patches.movedim((-2, -1), (1, 2))


def widened(image: Tensor, patches: Tensor, boxes: Boxes, wanted: Boxes) -> Tensor:
    """The patches (K, …, h, w) with what of the map (1, …, H, W) stands about them, in larger boxes that hold
    theirs."""
    rows, columns = wanted.rows.start, wanted.columns.start
    return set_in(cut(image, wanted), patches, boxes.rows.start - rows, boxes.columns.start - columns)


def pasted(image: Tensor, patches: Tensor, boxes: Boxes) -> Tensor:
    """The whole maps (K, …, H, W): the map (1, …, H, W) with one patch in each."""
    if boxes.share == 1:
        return patches
    tail = image.movedim((-2, -1), (1, 2)).expand(len(patches), *[-1] * (image.ndim - 1))
    whole = tail.clone(memory_format=torch.contiguous_format).movedim((1, 2), (-2, -1))
    return set_in(whole, patches, boxes.rows.start, boxes.columns.start)


def padded(image: Tensor, windows: tuple[Window, Window], value: float) -> Tensor:
    """A map (1, …, H, W) with `value` about it, as far as the windows see."""
    rows, columns = windows
    height, width = image.shape[-2:]
    size = (1, rows.padded_side, columns.padded_side, *image.shape[1:-2])
    whole = image.new_full(size, value).movedim((1, 2), (-2, -1))
    top, left = rows.padding, columns.padding
    whole[..., top : top + height, left : left + width] = image
    return whole


def _index(values: Ints, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device, non_blocking=True)
