"""A tensor's track: where on the image each of its elements lies, and which pixels it has seen.

Beside a tensor run planes of the same number of axes, an axis along which a plane does not change
being of size 1. What moves elements (view, permute, cat, roll, window partition) is done to the planes
themselves, so that no layout needs a rule of its own; what mixes elements joins theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    is a place's height and width, `blur` that of the coarsest maps that were enlarged to it: so far may
    its place lie beside the same one's of other maps.
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
    blur: float = 0.0

    def planes(self) -> dict[str, Tensor]:
        """Every plane by its name."""
        return {name: getattr(self, name) for name in PLANES}

    def each(self, change: Callable[[str, Tensor], Tensor]) -> Track:
        """The track with every plane changed."""
        return self.having({name: change(name, plane) for name, plane in self.planes().items()})

    def having(self, planes: Mapping[str, Any]) -> Track:
        """The track with these planes in place of its own."""
        return replace(self, **planes)

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
        none = torch.full((1,) * self.y.ndim, NOWHERE, device="cpu")
        return replace(self, y=none, x=none, key_y=none, key_x=none)


PLANES = (*POSITIONS, *LOW, *HIGH, "deps", "origin")


def unseen(axes: int) -> Track:
    """Beside a tensor that no pixel reaches."""
    one = (1,) * axes
    positions: dict[str, Any] = {name: torch.full(one, NOWHERE, device="cpu") for name in POSITIONS}
    far = {**dict.fromkeys(LOW, FAR), **dict.fromkeys(HIGH, -FAR)}
    sides: dict[str, Any] = {name: torch.full(one, value, device="cpu") for name, value in far.items()}
    none = torch.zeros(one, dtype=torch.int64, device="cpu")
    counted: dict[str, Any] = {"deps": none, "origin": none}
    return Track(**positions, **sides, **counted)


def of_input(shape: Sequence[int]) -> Track:
    """Beside an image (1, C, H, W)."""
    rows = torch.arange(shape[2], dtype=torch.float32, device="cpu").view(1, 1, -1, 1)
    columns = torch.arange(shape[3], dtype=torch.float32, device="cpu").view(1, 1, 1, -1)
    sides = {"top": rows, "left": columns, "bottom": rows + 1, "right": columns + 1}
    return unseen(4).having({"y": rows, "x": columns, **sides})


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
        old: list[int] = []
        new: list[int] = []
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
    several = [with_axes(track, axes) for track in tracks]
    result = several[0]
    for other in several[1:]:
        result = _pair(result, other)
    return result


def with_axes(track: Track, axes: int) -> Track:
    """The track beside a tensor of more axes, the new ones first."""
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
        blur=max(a.blur, b.blur),
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
        if apart > 0 and apart > 1.01 * max(gap(one), gap(other), *a.step, *b.step, a.blur, b.blur):
            return {name: torch.full((1,) * one.ndim, NOWHERE, device="cpu") for name in POSITIONS}
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
        if lost:
            return torch.full((1,) * plane.ndim, NOWHERE, device="cpu")
        return torch.where(lowest == FAR, NOWHERE, lowest)
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
    return seen.having({name: getattr(track, name) for name in (*POSITIONS, "origin")})


def lost(tracks: Sequence[Track], axes: int) -> Track:
    """The track of an unknown operation's result: it may see all of what it was given, and lies nowhere."""
    # of a tensor without elements (nothing was detected) nothing is seen
    several = [mixed(track, range(track.y.ndim)).nowhere() for track in tracks if track.y.numel()]
    flat = [track.each(lambda _n, p: p.reshape((1,) * axes)) for track in several] or [unseen(axes)]
    return replace(joined(flat, axes), origin=torch.zeros((1,) * axes, dtype=torch.int64, device="cpu"))


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
