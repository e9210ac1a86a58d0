"""Tracks of tensors that are written into by a view of them: a frame that images are copied into, say."""

from __future__ import annotations

import torch
from torch import Tensor

from reportgen.engine.network.track import (
    NOWHERE,
    POSITIONS,
    Track,
    aligned,
    compact,
    joined,
    lost,
    unseen,
)

LARGEST = 1 << 22  # elements of a tensor whose planes are written out; of a larger one places are given up


def written(before: Track | None, base: Tensor, view: Tensor, own: Track) -> Track:
    """The track of `base` after an operation in place gave `view`, a view of it, the track `own`.

    What lies nowhere (zeros at a border) keeps the places that were there.
    """
    before = before or unseen(base.ndim)
    if base.numel() > LARGEST or base.dtype != view.dtype or not base.numel():
        return joined([before, lost([own], base.ndim)], base.ndim)
    before, own = aligned(before, own)
    step = (min(before.step[0], own.step[0]), min(before.step[1], own.step[1]))
    planes = {
        name: _set(name, before.planes()[name], base, view, plane) for name, plane in own.planes().items()
    }
    return Track(**planes, newest=before.newest, step=step, blur=max(before.blur, own.blur))


def _set(name: str, plane: Tensor, base: Tensor, view: Tensor, own: Tensor) -> Tensor:
    """A plane of `base` with the plane `own` where `view` lies in it."""
    whole = torch.empty_strided(base.shape, base.stride(), dtype=plane.dtype, device="cpu").copy_(plane)
    part = whole.as_strided(view.shape, view.stride(), view.storage_offset() - base.storage_offset())
    part.copy_(torch.where(own == NOWHERE, part, own) if name in POSITIONS else own)
    return compact(whole)
