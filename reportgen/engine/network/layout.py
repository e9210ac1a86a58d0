"""How a layer's output lies in its tensor, and the one place that turns it into maps (N, C, h, w)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from reportgen.engine.network.track import FAR, NOWHERE, Track

Kind: TypeAlias = Literal["maps", "maps last", "tokens", "tokens first", "none"]
TOKENS: tuple[Kind, ...] = ("tokens", "tokens first")


@dataclass(frozen=True)
class Layout:
    """Where height, width and channels of an output are: `maps` (N, C, h, w), `maps last` (N, h, w, C),
    `tokens` (N, L, C), `tokens first` with channels first (N, C, L), or `none`, where no axes are height
    and width.

    Of tokens, `prefix` come before those of the `grid` (h, w), row by row; `order` says which they
    are where they come in another order, or where others follow.
    """

    kind: Kind
    grid: tuple[int, int] = (0, 0)
    prefix: int = 0
    order: tuple[int, ...] | None = None

    def __str__(self) -> str:
        if self.kind not in TOKENS:
            return self.kind
        prefix = f"{self.prefix} + " if self.prefix else ""
        first = ", channels first" if self.kind == "tokens first" else ""
        return f"tokens {prefix}{self.grid[0]}×{self.grid[1]}{first}"

    @property
    def channels_second(self) -> bool:
        """Whether channels are the second axis of the tensor, as a convolution gives them."""
        return self.kind in ("maps", "tokens first")

    def shape(self, output: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """(C, h, w) of an output of this shape without the batch axis; (C,) of a vector; else None."""
        if output is None:
            return None
        if self.kind != "none":
            return (output[0] if self.channels_second else output[-1], *self.grid)
        vector = len(output) == 1 or (len(output) == 3 and output[1:] == (1, 1))
        return output if vector else None

    def maps(self, output: Tensor) -> Tensor:
        """An output, or a gradient by one, as (N, C, h, w), a view where that is possible. Prefix tokens
        are dropped. What has no layout stays as it is."""
        if self.kind == "maps last":
            return output.permute(0, 3, 1, 2)
        if self.kind not in TOKENS:
            return output
        rows = output.transpose(1, 2) if self.kind == "tokens" else output  # (N, C, L)
        if self.order is None:
            patches = rows[:, :, self.prefix :]
        else:
            patches = rows[:, :, torch.tensor(self.order, device=output.device)]
        maps: Tensor = patches.unflatten(2, self.grid)
        return maps


NONE = Layout("none")
AXES: dict[Kind, tuple[int, int, int]] = {"maps": (2, 3, 1), "maps last": (1, 2, 3)}


def layout_of(track: Track | None, shape: tuple[int, ...], images: int = 1) -> Layout:
    """The layout of a tensor of `shape` (images, …): which axes the places of its track run along."""
    if track is None or not shape or shape[0] != images or track.paired:
        return NONE
    if track.y.shape[0] > 1 or track.x.shape[0] > 1:
        return NONE  # windows, and not images, one behind the other
    if len(shape) == 4:
        for kind, (down, across, channel) in AXES.items():
            if _runs(track, shape, down, across, channel):
                return Layout(kind, (shape[down], shape[across]))
    if len(shape) != 3:
        return NONE
    found = _tokens(track, shape, "tokens", 1, 2)
    return _tokens(track, shape, "tokens first", 2, 1) if found == NONE else found


def _runs(track: Track, shape: tuple[int, ...], down: int, across: int, channel: int) -> bool:
    """Whether y goes down one axis only, x across another, both evenly upward."""
    if shape[down] * shape[across] < 2:
        return False
    for plane, axis in ((_merged(track.y, channel), down), (_merged(track.x, channel), across)):
        if plane is None or plane.numel() != plane.shape[axis] or bool((plane == NOWHERE).any()):
            return False
        if plane.numel() != shape[axis] or bool((plane.flatten().diff() <= 0).any()):
            return False
    return True


def _merged(plane: Tensor, channel: int) -> Tensor | None:
    """The places, where those of different channels lie within one; None where they do not. Channels that
    lie nowhere (coordinates that were added) are where the others are."""
    if plane.shape[channel] == 1:
        return plane
    low = torch.where(plane == NOWHERE, FAR, plane).amin(channel, keepdim=True)
    there, spread = low != FAR, plane.amax(channel, keepdim=True) - low
    levels = low[there].unique()
    if len(levels) < 2 or spread[there].max() >= levels.diff().min():
        return None
    return torch.where(there, low, NOWHERE)


def _tokens(track: Track, shape: tuple[int, ...], kind: Kind, along: int, channel: int) -> Layout:
    """The layout of tokens in a row along one axis; NONE where that axis has not all places of a grid."""
    y, x = _merged(track.y, channel), _merged(track.x, channel)
    if y is None or x is None:
        return NONE
    row = [1, 1, 1]
    row[along] = shape[along]
    y, x = (plane.expand(row).flatten() for plane in (y, x))
    there = ((y != NOWHERE) & (x != NOWHERE)).nonzero().flatten()
    rows, columns = y[there].unique(), x[there].unique()
    grid = (len(rows), len(columns))
    if len(there) < 2 or len(there) != grid[0] * grid[1]:
        return NONE
    place = torch.searchsorted(rows, y[there]) * grid[1] + torch.searchsorted(columns, x[there])
    order = there[place.argsort()]
    if len(place.unique()) != len(place):
        return NONE
    prefix = int(there[0])
    plain = torch.equal(order, torch.arange(prefix, shape[along], device="cpu"))
    return Layout(kind, grid, prefix, None if plain else tuple(order.tolist()))
