"""Finds a network's attention in its trace: which tokens are patches, which queries the logits read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reportgen.engine.network.attention import AttentionFacts, placed, unplaced
from reportgen.engine.network.catching import Call, Catcher, Softmax
from reportgen.engine.network.following import Follower
from reportgen.engine.network.layout import NONE, Layout, layout_of
from reportgen.engine.network.observer import Call as ModuleCall
from reportgen.engine.network.rules import tensors
from reportgen.engine.network.track import NOWHERE, Track, any_bit, unseen

PATCHES = 61  # the bit of all patches; a token that is none has the bit of its own place among those


@dataclass(frozen=True)
class Met:
    """An attention as the trace met it: the modules around it, and the places of its tokens."""

    call: int
    around: tuple[str, ...]
    shape: tuple[int, ...]  # (…, queries, keys)
    queries: Layout | None  # None where they are those of windows
    keys: Layout | None


class Meeting:
    """Notes the attention of an observed forward. `find` gives a tensor's track, `inside` the modules
    that are being called; `extent` is the image's (height, width)."""

    def __init__(
        self, find: Callable[[Tensor], Track | None], inside: Sequence[str], extent: tuple[int, int]
    ) -> None:
        self.find, self.inside, self.extent = find, inside, extent
        self.met: list[Met] = []

    def __call__(self, number: int, call: Call) -> Tensor:
        if isinstance(call, Softmax):
            track = self.find(call.scores)
            shape = tuple(call.scores.shape)
            sides = _pair(track) if track else None
        else:
            one, other = (self.find(x) or unseen(x.ndim) for x in (call.query, call.key))
            shape = (*call.query.shape[:-1], call.key.shape[-2])
            sides = (one.y, one.x), (other.y.transpose(-1, -2), other.x.transpose(-1, -2))
        # where keys lie nowhere on the image nothing is taken from it: a softmax over features, say
        if sides and any(bool((plane != NOWHERE).any()) for plane in sides[1]):
            queries = self._tokens(*sides[0], -2, shape[-2])
            keys = self._tokens(*sides[1], -1, shape[-1])
            self.met.append(Met(number, tuple(self.inside), shape, queries, keys))
        return call.run()

    def _tokens(self, y: Tensor, x: Tensor, axis: int, count: int) -> Layout | None:
        """How tokens along an axis lie on the image; None where there are several rows of them, as windows.
        Those that fill a window up beyond the image are no patches."""
        if any(n > 1 for plane in (y, x) for a, n in enumerate(plane.shape) if a != axis % plane.ndim):
            return None
        y, x = (plane.reshape(1, -1, 1) for plane in (y, x))
        beyond = (y < 0) | (y >= self.extent[0]) | (x < 0) | (x >= self.extent[1])
        y, x = (plane.expand(beyond.shape).masked_fill(beyond, NOWHERE) for plane in (y, x))
        return layout_of(replace(unseen(3), y=y, x=x), (1, count, 1))


def _pair(track: Track) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """The places of queries and of keys of scores (…, queries, keys): which of both a pair's place is, is
    seen by the axis that it runs along. None where it runs along neither: no scores of places."""
    nowhere = torch.full((1,) * track.y.ndim, NOWHERE, device="cpu")
    sides = {-2: (nowhere, nowhere), -1: (nowhere, nowhere)}
    for y, x in ((track.y, track.x), (track.key_y, track.key_x)):
        along = [axis for axis in (-2, -1) if y.shape[axis] > 1 or x.shape[axis] > 1]
        if len(along) > 1:
            return None
        for axis in along:
            sides[axis] = (y, x)
    return sides[-2], sides[-1]


def found(met: Sequence[Met], images: int, calls: dict[str, ModuleCall]) -> tuple[AttentionFacts, ...]:
    """The facts of every attention that was met, but for what the logits read."""
    facts = []
    for number, one in enumerate(met, 1):
        queries, keys = one.queries or NONE, one.keys or NONE
        local = one.queries is None or one.keys is None
        heads = torch.Size(one.shape[:-2]).numel() // images
        shape = (heads, one.shape[-2], one.shape[-1])
        others = {name for other in met if other is not one for name in other.around}
        own = [name for name in one.around if name and name not in others and calls[name].calls == 1]
        block = next((n for n in own if _gives(calls[n], queries, one.shape[-2])), "")
        facts.append(AttentionFacts(number, one.call, one.around[-1], shape, queries, keys, local, (), block))
    return tuple(facts)


def _gives(call: ModuleCall, tokens: Layout, count: int) -> bool:
    """Whether a module gives these tokens on, in a row (N, count, C) or as maps where all are patches."""
    if call.layout.kind == "tokens":
        return call.layout == tokens and (call.output_shape or ())[:1] == (count,)
    height, width = call.layout.grid
    return call.layout.kind != "none" and call.layout.grid == tokens.grid and height * width == count


class Reading(TorchDispatchMode):
    """Follows which queries of one attention reach the logits, in a forward of its own."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.follower = Follower()
        self.tracks: dict[int, tuple[Tensor, Track]] = {}  # keeps the tensor, so its id stays its own

    def find(self, value: Any) -> Track | None:
        known = self.tracks.get(id(value))
        return known[1] if known else None

    def begin(self, attention: AttentionFacts) -> Catcher:
        """Notes the queries at the attention's call."""

        def catch(number: int, call: Call) -> Tensor:
            result = call.run()
            if number == attention.call:
                count = attention.shape[1]
                bits = torch.full((count,), 1 << PATCHES, device="cpu")
                for n, token in enumerate(unplaced(attention.queries, count)[:PATCHES]):
                    bits[token] = 1 << n
                shape = [1] * (result.ndim - 2) + [count, 1]
                self.tracks[id(result)] = (result, replace(unseen(result.ndim), deps=bits.view(shape)))
            return result

        return Catcher(catch)

    def read(self, attention: AttentionFacts, logits: Tensor) -> tuple[int, ...]:
        """The queries that the logits read: those that are no patches where any is read, else all
        patches; all queries where it cannot be told."""
        count, track = attention.shape[1], self.find(logits)
        bits = 0 if track is None else int(any_bit(track.deps, range(track.deps.ndim)).flatten()[0])
        beside = unplaced(attention.queries, count)
        own = tuple(token for n, token in enumerate(beside[:PATCHES]) if bits >> n & 1)
        return own or placed(attention.queries, count) or tuple(range(count))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        known = any(self.find(x) is not None for x in tree_leaves((args, kwargs)))
        result = func(*args, **kwargs)
        if known:
            results = tensors(result)
            tracks = self.follower.after(func, args, kwargs, result, self.find)
            for value, track in zip(results, tracks, strict=True):
                if track is not None:
                    self.tracks[id(value)] = (value, track)
        return result


def read_by(attentions: Sequence[AttentionFacts], ask: Callable[[], Tensor]) -> tuple[AttentionFacts, ...]:
    """The facts with the queries that the logits read. `ask` runs the network once more, on nothing that
    counts, and gives the logits. An earlier attention of the same tokens is read as the last one is."""
    if not attentions:
        return ()
    last, reading = attentions[-1], Reading()
    with torch.no_grad(), reading, reading.begin(last):
        logits = ask()
    read = reading.read(last, logits)

    def of(one: AttentionFacts) -> tuple[int, ...]:
        count = one.shape[1]
        same = one.queries == last.queries and count == last.shape[1]
        return read if same else placed(one.queries, count) or tuple(range(count))

    return tuple(replace(one, read=of(one)) for one in attentions)
