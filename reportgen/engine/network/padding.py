"""Tracks of tensors one behind the other along an axis, and of what padding puts around one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from reportgen.engine.network.track import Track, aligned, compact, unseen
from reportgen.engine.network.windows import Taps, windowed


def behind(tracks: Sequence[Track], sizes: Sequence[int], axis: int) -> Track:
    """Tensors of these sizes along an axis, one behind the other."""
    newest = max(track.newest for track in tracks)
    tracks = [aligned(track, replace(tracks[0], newest=newest))[0] for track in tracks]
    steps = [track.step for track in tracks if track.placed] or [tracks[0].step]

    def together(name: str) -> Tensor:
        planes = [getattr(track, name) for track in tracks]
        if all(p.shape[axis] == 1 and torch.equal(p, planes[0]) for p in planes):
            return compact(planes[0])
        others = ([1 if a == axis else n for a, n in enumerate(p.shape)] for p in planes)
        shape = list(torch.broadcast_shapes(*others))
        parts = []
        for plane, size in zip(planes, sizes, strict=True):
            shape[axis] = size
            parts.append(plane.expand(shape))
        return compact(torch.cat(parts, axis))

    found = tracks[0].each(lambda name, _plane: together(name))
    step = (min(s[0] for s in steps), min(s[1] for s in steps))
    return replace(found, newest=newest, step=step, blur=max(track.blur for track in tracks))


def padded(
    track: Track, before: Sequence[int], amounts: Sequence[int], after: Sequence[int], constant: bool
) -> Track:
    """The track of a tensor of shape `before` after `amounts` were added, torch's way: last axis first.

    Maps go on evenly in their padding. Tokens do not: a constant before or behind them lies nowhere.
    """
    if constant and min(amounts) >= 0 and _among_tokens(track, amounts):
        return _with_tokens(track, before, amounts)
    taps, centres = {}, {}
    for n in range(len(amounts) // 2):
        axis = len(before) - 1 - n
        index = torch.arange(after[axis], device="cpu") - int(amounts[2 * n])
        taps[axis], centres[axis] = Taps(index[:, None]), index.float()
    return replace(windowed(track, before, taps, centres), step=track.step)


def _among_tokens(track: Track, amounts: Sequence[int]) -> bool:
    """Whether what is added lies along axes of rows and columns, one behind the other."""
    axes = [track.y.ndim - 1 - n // 2 for n, amount in enumerate(amounts) if amount]
    return all(track.y.shape[axis] > 1 and track.x.shape[axis] > 1 for axis in axes)


def _with_tokens(track: Track, before: Sequence[int], amounts: Sequence[int]) -> Track:
    """A constant is what no pixel reaches."""
    shape = list(before)
    for n in range(len(amounts) // 2):
        axis, none = len(shape) - 1 - n, unseen(len(shape))
        parts = [(none, amounts[2 * n]), (track, shape[axis]), (none, amounts[2 * n + 1])]
        there = [(one, size) for one, size in parts if size]
        track = behind([one for one, _ in there], [size for _, size in there], axis)
        shape[axis] = sum(size for _, size in there)
    return track
