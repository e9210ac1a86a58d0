"""Finds the tracks of an operation's results: by its rule in `rules`, or here for products of matrices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reportgen.engine.network.rules import RULES, Args, Find, elementwise, is_pointwise, tensors, upsample
from reportgen.engine.network.track import (
    FAR,
    NOWHERE,
    POSITIONS,
    Track,
    gap,
    joined,
    lost,
    mixed,
    unseen,
)

MATRICES = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2)}


class Follower:
    """Finds the tracks of results. `roles` has for each attention the layers whose output is its query, its
    key or its value; of one that is worked out by hand the first two are not told apart."""

    def __init__(self) -> None:
        self.roles: list[tuple[set[int], ...]] = []
        self.products: list[set[int]] = []  # what was multiplied with what, but with no weights
        self.summed: set[int] = set()  # the numbers of those that were summed over places

    def after(self, func: Any, args: Args, kwargs: dict[str, Any], result: Any, find: Find) -> Any:
        """The tracks of an operation's results: a list as long as the results, None where none is.

        Called where at least one of `args` has a track.
        """
        name = func.overloadpacket.__name__
        results = tensors(result)
        if name.endswith("_like") or name.startswith("new_"):
            return [None] * len(results)  # of the same size, with nothing of it
        rule = self._rule(name)
        try:
            found = rule(func, args, kwargs, result, find) if rule else None
        except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError):
            found = None  # used in a way that the rule does not know: no place is better than a wrong one
        if found is None:
            given = [track for x in tensors((args, kwargs)) if (track := find(x)) is not None]
            pointwise = is_pointwise(func)
            same = [elementwise(x, args, kwargs, find) if pointwise else None for x in results]
            return [track or lost(given, x.ndim) for track, x in zip(same, results, strict=True)]
        several = list(found) if isinstance(found, list | tuple) else [found]
        given = [t for x in tensors((args, kwargs)) if (t := find(x)) is not None]
        rest = [lost(given, x.ndim) for x in results[len(several) :]]
        return [*several, *rest]

    def _rule(self, name: str) -> Any:
        plain = name if name in RULES else name.removesuffix("_")
        if plain in MATRICES:
            return self._matrices
        if plain.startswith("_scaled_dot_product"):
            return self._attention
        if plain.startswith("upsample"):
            return upsample
        return RULES.get(plain)

    def _matrices(self, func: Any, args: Args, _kw: Any, result: Tensor, find: Find) -> Track:
        name = func.overloadpacket.__name__.removesuffix("_")
        first, second = (args[n] for n in MATRICES[name])
        product = self.product(find(first), find(second), result.ndim, name.startswith("ba") or name == "bmm")
        added = find(args[0]) if name != "mm" and name != "bmm" else None
        return joined([product, added], result.ndim) if added else product

    def product(self, a: Track | None, b: Track | None, axes: int, batched: bool) -> Track:
        """Of matrices (…, M, K) and (…, K, N): each element sees a row of one and a column of the other.

        It lies where the row lies, or the column. Where both lie somewhere it is of a pair: a query's
        and a key's place, whichever survives the next product.
        """
        weights = a is None or b is None
        left, right = a or unseen(axes), b or unseen(axes)
        if left.paired and _elsewhere((left.y, left.x), (left.key_y, left.key_x), -1):
            left = left.nowhere()
        places = [*_kept(left, -1, weights), *_kept(right, -2, weights)][:2]
        if len(places) == 2 and all(torch.equal(*planes) for planes in zip(*places, strict=True)):
            places = places[:1]  # a window of one token: a pair of one place
        seen = joined([mixed(left, [axes - 1]).nowhere(), mixed(right, [axes - 2]).nowhere()], axes)
        named = dict(zip(POSITIONS, (plane for pair in places for plane in pair), strict=False))
        # a learned query is multiplied as keys are, batch by batch, and not as weights are
        number = self._attended(left, right, weights and not batched)
        origin = torch.full((1,) * axes, number, dtype=torch.int64, device="cpu")
        return replace(seen.having(named), origin=origin)

    def _attended(self, left: Track, right: Track, weights: bool) -> int:
        """The origin of a product: below zero while it may be an attention that waits for its values."""
        waiting = min(int(left.origin.min()), int(right.origin.min()))
        if weights:
            return min(waiting, 0)
        summed = _varies(left, -1) and _varies(right, -2)
        if waiting >= 0:
            self.products.append(_origins(left) | _origins(right))
            if summed:
                self.summed.add(len(self.products))
            return -len(self.products)
        # summed over places: these are the values; or keys and values were before (linear attention)
        if summed or -waiting in self.summed:
            self.roles.append((self.products[-waiting - 1], _origins(left) | _origins(right)))
        return 0

    def _attention(self, _f: Any, args: Args, _kw: Any, _result: Any, find: Find) -> Track:
        axes = args[0].ndim
        query, key, value = (find(x) or unseen(axes) for x in args[:3])
        if _elsewhere((query.y, query.x), (key.y, key.x), -2):
            query = query.nowhere()
        self.roles.append((_origins(query), _origins(key), _origins(value)))
        every = [mixed(query, [axes - 1]), *(mixed(x, [axes - 2, axes - 1]).nowhere() for x in (key, value))]
        return replace(joined(every, axes), origin=torch.zeros((1,) * axes, dtype=torch.int64, device="cpu"))


def _origins(track: Track) -> set[int]:
    """The layers that the places of a query, key or value came out of."""
    placed = (track.y != NOWHERE) | (track.x != NOWHERE)
    shape = torch.broadcast_shapes(placed.shape, track.origin.shape)
    found = track.origin.expand(shape)[placed.expand(shape)].unique().tolist()
    return {number for number in found if number > 0}


def _elsewhere(queries: tuple[Tensor, Tensor], keys: tuple[Tensor, Tensor], axis: int) -> bool:
    """Whether queries, one a row, lie beside the places of the keys that they look at: what they are told is
    of a window of the image, and they are of the whole. Then the answer lies nowhere by itself."""
    for query, key in zip(queries, keys, strict=True):
        there, step = key != NOWHERE, gap(key)
        if not step:
            continue
        low = torch.where(there, key, FAR).amin(axis, keepdim=True) - step
        high = torch.where(there, key, -FAR).amax(axis, keepdim=True) + step
        if bool(((query != NOWHERE) & ((query < low) | (query > high))).any()):
            return True
    return False


def _varies(track: Track, axis: int) -> bool:
    return any(getattr(track, name).shape[axis] > 1 for name in POSITIONS)


def _kept(track: Track, axis: int, weights: bool) -> list[tuple[Tensor, Tensor]]:
    """The places of a matrix that are the same along the axis summed over; against weights the merged
    place as well."""
    pairs = []
    for y, x in ((track.y, track.x), (track.key_y, track.key_x)):
        if weights or (y.shape[axis] == 1 and x.shape[axis] == 1):
            if weights:
                whole = mixed(replace(track, y=y, x=x), [axis % y.ndim])
                y, x = whole.y, whole.x
            if bool((y != NOWHERE).any() | (x != NOWHERE).any()):
                pairs.append((y, x))
    return pairs
