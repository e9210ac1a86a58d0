"""What convolutions, pools, resizing and padding do to a track: windows that move along its axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reportgen.engine.network.track import FAR, LOW, NOWHERE, POSITIONS, Track, any_bit, compact


@dataclass(frozen=True)
class Taps:
    """What each place along an axis reads: `indices` (places, taps), outside of the axis in padding."""

    indices: Tensor

    @classmethod
    def window(cls, count: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
        """A convolution's or a pool's."""
        first = torch.arange(count, device="cpu")[:, None] * stride - padding
        return cls(first + torch.arange(kernel, device="cpu")[None] * dilation)

    @classmethod
    def ranges(cls, first: Sequence[int], last: Sequence[int]) -> Taps:
        """From the first to the last, which is read as well."""
        longest = max(b - a for a, b in zip(first, last, strict=True)) + 1
        rows = [[min(a + n, b) for n in range(longest)] for a, b in zip(first, last, strict=True)]
        return cls(torch.tensor(rows, device="cpu"))

    def idle(self, places: int) -> bool:
        """Whether each of so many places reads itself alone."""
        itself = torch.arange(places, device="cpu")[:, None]
        return self.indices.shape == itself.shape and bool((self.indices == itself).all())


def windowed(
    track: Track,
    shape: Sequence[int],
    taps: dict[int, Taps],
    centres: dict[int, Tensor] | None = None,
    sides: tuple[int, int] = (-2, -1),
) -> Track:
    """The track after each place along some axes of a tensor of `shape` has read several.

    `centres` are the indices, in fractions, that a new place lies at; the middle of its taps otherwise.
    """
    taps = {axis: t for axis, t in taps.items() if not t.idle(shape[axis])}
    if not taps:
        return track
    if any(track.y.shape[a] > 1 and track.x.shape[a] > 1 for a in taps) or track.paired:
        track = track.nowhere()  # rows of the image that lie one behind the other
    planes = track.planes()
    step = list(track.step)
    for axis, tap in taps.items():
        centre = (centres or {}).get(axis, tap.indices.float().mean(1))
        side = _side(track, axis, sides)
        for name, plane in planes.items():
            ours = name in (("y", "top", "bottom"), ("x", "left", "right"))[side]
            single = shape[axis] == 1 and ours and track.placed
            if plane.shape[axis] > 1 or single:
                planes[name] = _read(name, plane, axis, tap, centre, track.step[side])
        if len(centre) > 1:
            step[side] *= float(centre[1] - centre[0])
    whole = track.having({name: compact(plane) for name, plane in planes.items()})
    return replace(whole, step=(step[0], step[1]))


def _side(track: Track, axis: int, sides: tuple[int, int]) -> int:
    """Whether an axis runs down (0) or across (1)."""
    if track.y.shape[axis] > 1:
        return 0
    if track.x.shape[axis] > 1:
        return 1
    return 1 if axis % track.y.ndim == sides[1] % track.y.ndim else 0


def _read(name: str, plane: Tensor, axis: int, taps: Taps, centre: Tensor, step: float) -> Tensor:
    if name in POSITIONS:
        if len(centre) == 1:
            return torch.full((1,) * plane.ndim, NOWHERE, device="cpu") if plane.shape[axis] > 1 else plane
        low, part = centre.floor().long(), centre - centre.floor()
        part = part.view([-1 if a == axis % plane.ndim else 1 for a in range(plane.ndim)])
        one, other = (_at(plane, axis, index, step) for index in (low, low + 1))
        return torch.where((one == NOWHERE) | (other == NOWHERE), one, one.lerp(other, part))
    counted = name in ("deps", "origin")
    read = _at(plane, axis, taps.indices.flatten(), 0.0 if counted else step)
    axis %= plane.ndim
    read = read.unflatten(axis, tuple(taps.indices.shape))
    if name == "deps":
        return any_bit(read, [axis + 1]).squeeze(axis + 1)
    found: Tensor = read.amin(axis + 1) if name in LOW else read.amax(axis + 1)
    return found


def _at(plane: Tensor, axis: int, index: Tensor, step: float) -> Tensor:
    """The values at indices, which go on evenly outside of the plane."""
    size = plane.shape[axis]
    inside = index.clamp(0, size - 1)
    found = plane.index_select(axis, inside)
    if not plane.is_floating_point() or bool((inside == index).all()):
        return found
    beyond = (index - inside).view([-1 if a == axis % plane.ndim else 1 for a in range(plane.ndim)])
    if size == 1:
        return found + beyond * step
    before = plane.narrow(axis, 1, 1) - plane.narrow(axis, 0, 1)
    after = plane.narrow(axis, size - 1, 1) - plane.narrow(axis, size - 2, 1)
    added = found + torch.where(beyond < 0, before, after) * beyond
    return torch.where(found.abs() >= FAR, found, added)
