"""Where on the image each element of a tensor lies, and what it has seen: followed beside the tensor.

Beside a tensor run planes of the same number of axes, an axis along which a plane does not change
being of size 1. What moves elements (view, permute, cat, roll, window partition) is done to the planes
themselves, so that no layout needs a rule of its own; what mixes elements joins theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

NOWHERE = float(-(2**30))  # the position of what lies on no place of the image: a weight, a class token
FAR = float(2**30)
POSITIONS = ("y", "x", "key_y", "key_x")
LOW = ("top", "left")
HIGH = ("bottom", "right")
WINDOW = 62  # how many layers back are told apart


@dataclass(frozen=True)
class Track:
    """Planes beside a tensor.

    `y` and `x` are the middle of an element's place in input pixels; `key_y` and `key_x` those of a
    second place where an element is of a pair, as attention weights are. `top` to `right` is the
    rectangle of pixels seen, ends excluded, beyond the border in padding. `deps` has bit n set where the
    element depends on the patches of the candidate `newest - n`; `origin` is the layer that the element
    came out of, if no weight met it since, and below zero while it is an attention's weight. `step`
    is a place's height and width.
    """

    y: Tensor
    x: Tensor
    key_y: Tensor
    key_x: Tensor
    top: Tensor
    left: Tensor
    bottom: Tensor
    right: Tensor
    deps: Tensor
    origin: Tensor
    newest: int = 0
    step: tuple[float, float] = (1.0, 1.0)

    def planes(self) -> dict[str, Tensor]:
        """Every plane by its name."""
        return {name: getattr(self, name) for name in PLANES}

    def each(self, change: Callable[[str, Tensor], Tensor]) -> Track:
        """The track with every plane changed."""
        return replace(self, **{name: change(name, plane) for name, plane in self.planes().items()})

    @property
    def placed(self) -> bool:
        """Whether any element lies on a place of the image."""
        return bool((self.y != NOWHERE).any() | (self.x != NOWHERE).any())

    @property
    def paired(self) -> bool:
        """Whether any element is of a pair of places."""
        return bool((self.key_y != NOWHERE).any() | (self.key_x != NOWHERE).any())

    def nowhere(self) -> Track:
        """The same field and dependences, without places."""
        none = torch.full((1,) * self.y.ndim, NOWHERE)
        return replace(self, y=none, x=none, key_y=none, key_x=none)


PLANES = (*POSITIONS, *LOW, *HIGH, "deps", "origin")


def unseen(axes: int) -> Track:
    """Beside a tensor that no pixel reaches."""
    one = (1,) * axes
    positions = {name: torch.full(one, NOWHERE) for name in POSITIONS}
    sides = {name: torch.full(one, FAR if name in LOW else -FAR) for name in (*LOW, *HIGH)}
    none = torch.zeros(one, dtype=torch.int64)
    return Track(**positions, **sides, deps=none, origin=none)


def of_input(shape: Sequence[int]) -> Track:
    """Beside an image (1, C, H, W)."""
    rows = torch.arange(shape[2], dtype=torch.float32).view(1, 1, -1, 1)
    columns = torch.arange(shape[3], dtype=torch.float32).view(1, 1, 1, -1)
    sides = {"top": rows, "left": columns, "bottom": rows + 1, "right": columns + 1}
    return replace(unseen(4), y=rows, x=columns, **sides)


def compact(plane: Tensor) -> Tensor:
    """The plane with every axis of size 1 along which it does not change."""
    for axis in range(plane.ndim):
        if plane.shape[axis] > 1:
            first = plane.narrow(axis, 0, 1)
            if plane.stride(axis) == 0 or bool((plane == first).all()):
                plane = first
    return plane


def moved(track: Track, shape: Sequence[int], move: Callable[[Tensor], Tensor]) -> Track:
    """The track after `move` was done to a tensor of `shape`."""
    return track.each(lambda _name, plane: compact(move(plane.expand(*shape))))


def viewed(track: Track, before: Sequence[int], after: Sequence[int]) -> Track:
    """The track after a view of another shape; axes that do not change a plane stay of size 1."""
    groups = _groups(before, after)

    def view(_name: str, plane: Tensor) -> Tensor:
        full, wanted = list(plane.shape), []
        for old, new in groups:
            if all(plane.shape[axis] == 1 for axis in old):
                wanted += [1] * len(new)
            else:
                wanted += [after[axis] for axis in new]
                for axis in old:
                    full[axis] = before[axis]
        return compact(plane.expand(full).reshape(wanted))

    return track.each(view)


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes of both shapes that hold the same elements."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, new = [], []
        left = right = 1
        if i < len(before):
            old.append(i)
            left, i = before[i], i + 1
        while left != right or not new:
            if left > right or (not new and j < len(after)):
                if j >= len(after):
                    break
                new.append(j)
                right, j = right * after[j], j + 1
            elif i < len(before):
                old.append(i)
                left, i = left * before[i], i + 1
            else:
                break
        groups.append((old, new))
    return groups


def joined(tracks: Sequence[Track], axes: int) -> Track:
    """The track of an element-wise operation's result: its places, all of their pixels."""
    several = [_with_axes(track, axes) for track in tracks]
    result = several[0]
    for other in several[1:]:
        result = _pair(result, other)
    return result


def _with_axes(track: Track, axes: int) -> Track:
    if track.y.ndim == axes:
        return track
    return track.each(lambda _n, p: p.reshape((1,) * (axes - p.ndim) + tuple(p.shape)))


def _pair(a: Track, b: Track) -> Track:
    a, b = aligned(a, b)
    step = (min(a.step[0], b.step[0]), min(a.step[1], b.step[1]))
    return Track(
        **_same_places(a, b),
        **{name: torch.minimum(getattr(a, name), getattr(b, name)) for name in LOW},
        **{name: torch.maximum(getattr(a, name), getattr(b, name)) for name in HIGH},
        deps=a.deps | b.deps,
        origin=_same_origin(a.origin, b.origin),
        newest=a.newest,
        step=step,
    )


def _same_origin(one: Tensor, other: Tensor) -> Tensor:
    least = torch.minimum(one, other)
    return torch.where(least < 0, least, torch.maximum(one, other))


def _same_places(a: Track, b: Track) -> dict[str, Tensor]:
    """The places of elements that are joined: of the one that has any. Grids that lie further apart
    than their places do not belong together: then no element has a place."""
    found = {}
    for name in POSITIONS:
        one, other = getattr(a, name), getattr(b, name)
        if one is other:
            found[name] = one
            continue
        apart = ((one - other).abs() * ((one != NOWHERE) & (other != NOWHERE))).max()
        if apart > 0 and apart > 1.01 * max(gap(one), gap(other), *a.step, *b.step):
            return {name: torch.full((1,) * one.ndim, NOWHERE) for name in POSITIONS}
        found[name] = compact(torch.where(one == NOWHERE, other, one))
    return found


def gap(plane: Tensor) -> float:
    """How far the places of a plane lie apart, 0 where there is but one."""
    levels = plane[plane != NOWHERE].unique()
    return float(levels.diff().min()) if len(levels) > 1 else 0.0


def aligned(a: Track, b: Track) -> tuple[Track, Track]:
    """Both with `deps` counted from the same newest layer."""
    newest = max(a.newest, b.newest)
    return _counted_from(a, newest), _counted_from(b, newest)


def _counted_from(track: Track, newest: int) -> Track:
    back = newest - track.newest
    if back == 0:
        return track
    mask = (1 << max(0, WINDOW - back)) - 1
    return replace(track, deps=(track.deps & mask) << min(back, WINDOW), newest=newest)


def mixed(track: Track, axes: Sequence[int]) -> Track:
    """The track of sums over axes, kept at size 1: each of what lies along them.

    A place of several (a patch that is merged) stays one, unless all places became the same.
    """
    return track.each(lambda name, plane: _over(name, plane, axes))


def _over(name: str, plane: Tensor, axes: Sequence[int]) -> Tensor:
    axes = [axis for axis in axes if plane.shape[axis] > 1]
    if not axes:
        return plane
    if name in POSITIONS:
        lowest = torch.where(plane == NOWHERE, FAR, plane).amin(axes, keepdim=True)
        lost = lowest.numel() == 1 or bool((lowest == lowest.flatten()[0]).all())
        return torch.full((1,) * plane.ndim, NOWHERE) if lost else torch.where(lowest == FAR, NOWHERE, lowest)
    if name in LOW:
        return plane.amin(axes, keepdim=True)
    if name == "deps":
        return any_bit(plane, axes)
    if name == "origin" and bool((plane < 0).any()):
        return plane.amin(axes, keepdim=True)
    return plane.amax(axes, keepdim=True)


def any_bit(plane: Tensor, axes: Sequence[int]) -> Tensor:
    """The bits that are set anywhere along axes, which are kept at size 1."""
    for axis in axes:
        while (size := plane.shape[axis]) > 1:
            half = size // 2
            either = plane.narrow(axis, 0, half) | plane.narrow(axis, half, half)
            rest = plane.narrow(axis, size - 1, size % 2)
            plane = torch.cat((either, rest), axis)
    return plane


def spread(track: Track, axes: Sequence[int]) -> Track:
    """The track of what sees all along axes and stays where it is: a norm, a softmax."""
    seen = mixed(track, axes)
    return replace(seen, **{name: getattr(track, name) for name in (*POSITIONS, "origin")})


@dataclass(frozen=True)
class Taps:
    """What each place along an axis reads: `indices` (places, taps), outside of the axis in padding."""

    indices: Tensor

    @classmethod
    def window(cls, count: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
        """A convolution's or a pool's."""
        first = torch.arange(count)[:, None] * stride - padding
        return cls(first + torch.arange(kernel)[None] * dilation)

    @classmethod
    def ranges(cls, first: Sequence[int], last: Sequence[int]) -> Taps:
        """From the first to the last, which is read as well."""
        longest = max(b - a for a, b in zip(first, last, strict=True)) + 1
        rows = [[min(a + n, b) for n in range(longest)] for a, b in zip(first, last, strict=True)]
        return cls(torch.tensor(rows))

    def idle(self, places: int) -> bool:
        """Whether each of so many places reads itself alone."""
        return self.indices.shape == (places, 1) and bool((self.indices[:, 0] == torch.arange(places)).all())


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
        elif tap.indices.shape[0] == 1:
            step[side] *= 1.0
    return replace(track, **{n: compact(p) for n, p in planes.items()}, step=(step[0], step[1]))


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
            return torch.full((1,) * plane.ndim, NOWHERE) if plane.shape[axis] > 1 else plane
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
    return read.amin(axis + 1) if name in LOW else read.amax(axis + 1)


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


def lost(tracks: Sequence[Track], axes: int) -> Track:
    """The track of an unknown operation's result: it may see all of what it was given, and lies nowhere."""
    several = [mixed(track, range(track.y.ndim)).nowhere() for track in tracks]
    flat = [track.each(lambda _n, p: p.reshape((1,) * axes)) for track in several]
    return replace(joined(flat, axes), origin=torch.zeros((1,) * axes, dtype=torch.int64))




def left_layer(track: Track, number: int, weighted: bool, candidate: int | None) -> Track:
    """The track of what a layer gave: `number` is the layer's; `candidate` its own among those whose
    places are followed to the logits, None where it is none of them. A layer without weights (a
    softmax) leaves an attention's weights what they are."""
    origin = torch.where((track.origin < 0) & (not weighted), track.origin, number)
    if candidate is None:
        return replace(track, origin=origin)
    track = _counted_from(track, candidate)
    here = ((track.y != NOWHERE) & (track.x != NOWHERE)).long()
    return replace(track, origin=origin, deps=track.deps | here)


def depended_on(track: Track) -> list[int]:
    """The candidates whose places a tensor depends on, the last first."""
    bits = int(any_bit(track.deps, range(track.deps.ndim)).flatten()[0])
    return [track.newest - n for n in range(WINDOW) if bits >> n & 1]
