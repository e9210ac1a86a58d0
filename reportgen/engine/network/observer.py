"""Watches one forward, operation by operation: which module works, what it costs, where values lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from reportgen.engine.network.branches import ends_the_network, is_head_beside, leads_to_every_head
from reportgen.engine.network.facts import Graph
from reportgen.engine.network.following import Follower
from reportgen.engine.network.graph import Recorder
from reportgen.engine.network.layout import NONE, Layout, layout_of
from reportgen.engine.network.operations import RECTIFIERS, SMOOTH
from reportgen.engine.network.receptive import Field, field_of
from reportgen.engine.network.rules import IDLE
from reportgen.engine.network.track import Track, depended_on, left_layer
from reportgen.engine.network.writing import written


@dataclass
class Call:
    """What one module's calls have shown so far."""

    leaf: bool = False  # counted as a layer
    inner: bool = False  # inside one
    calls: int = 0
    input_shape: tuple[int, ...] | None = None
    output_shape: tuple[int, ...] | None = None
    output_bytes: int = 0
    macs: int = 0  # with all that is inside
    own_macs: int = 0  # that no layer inside, and no layer around, is charged with
    receptive: Field | None = None
    layout: Layout = NONE
    works: int = 0  # operations in its calls that do more than rearrange
    fed_by: set[int] = field(default_factory=set)  # what its inputs came straight out of
    finished: int = 0  # rank of the last call's end among all calls


@dataclass
class Seen:
    """What a whole forward has shown."""

    calls: dict[str, Call] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)  # names of the modules being called, outermost first
    ended: int = 0
    rectifiers: int = 0
    max_pools: int = 0
    smooth: set[str] = field(default_factory=set)
    candidates: list[int] = field(default_factory=list)  # ends of layers whose places are followed on
    # for each attention the ends of the layers that give its queries, its keys, its values
    roles: list[tuple[set[int], ...]] = field(default_factory=list)
    auto: int = 0  # the end of the last layer whose places the logits depend on, 0 where none is

    def charge(self, macs: int, lent: Sequence[str] = ()) -> None:
        """Notes multiply-adds at every module that is being called, and at the one that they are counted
        in: the layer that lent its weights, else the outermost layer, or the innermost module where
        none of them is a layer."""
        for name in lent:
            self.calls[name].macs += macs
        for name in set(self.inside):  # a module that calls itself is there more than once
            self.calls[name].macs += macs
        layers = (name for name in self.inside if self.calls[name].leaf)
        self.calls[next(iter(lent), None) or next(layers, self.inside[-1])].own_macs += macs


class Observer(TorchDispatchMode):
    """Follows each tensor's receptive field and charges each operation to the modules around it."""

    def __init__(self, seen: Seen, recorder: Recorder, shape: tuple[int, int, int, int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen
        self.recorder = recorder
        self.images, self.extent = shape[0], shape[2:]
        self.follower = Follower()
        self.tracks: dict[int, tuple[Tensor, Track]] = {}  # keeps the tensor, so its id stays its own
        self.given: set[int] = set()  # ids of what candidates gave; `tracks` keeps them
        self.owners: dict[int, tuple[Tensor, str]] = {}  # whose weight a tensor is

    def track_of(self, value: Any) -> Track | None:
        found = self.tracks.get(id(value))
        return found[1] if found else None

    def set_track(self, value: Tensor, track: Track) -> None:
        self.tracks[id(value)] = (value, track)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inputs = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        known = any(self.track_of(x) is not None for x in inputs)
        result = func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if name not in IDLE:
            for module in self.seen.inside:
                self.seen.calls[module].works += 1
        if func.overloadpacket in flop_registry:
            flops = flop_registry[func.overloadpacket](*args, **kwargs, out_val=result)
            self.seen.charge(flops // 2, self.lent_by(inputs))
        if name in RECTIFIERS and _rectifies(name, args):
            self.seen.rectifiers += 1
        self.seen.max_pools += "max_pool" in name
        if name.removesuffix("_") in SMOOTH:
            self.seen.smooth.add(name.removesuffix("_"))
        results = [x for x in torch.utils._pytree.tree_leaves(result) if isinstance(x, Tensor)]
        if name in IDLE and len(results) == 1 and inputs and id(inputs[0]) in self.owners:
            self.owners[id(results[0])] = (results[0], self.owners[id(inputs[0])][1])  # a weight, transposed
        self.recorder.operation(func, args, inputs, results)
        if known:
            tracks = self.follower.after(func, args, kwargs, result, self.track_of)
            for value, track in zip(results, tracks, strict=True):
                if track is not None:
                    self.set_track(value, track)
                if track is not None and func._schema.is_mutable and value._base is not None:
                    base = value._base  # written into by a view of it
                    self.set_track(base, written(self.track_of(base), base, value, track))
        return result

    def lent_by(self, inputs: Sequence[Tensor]) -> list[str]:
        """The layers whose weights an operation reads that is not in their own calls: they ran too."""
        names = {self.owners[id(x)][1] for x in inputs if id(x) in self.owners and x.ndim > 1}
        lent = [n for n in names if self.seen.calls[n].leaf and n not in self.seen.inside]
        for name in lent:
            self.seen.ended += 1
            self.seen.calls[name].calls += 1
            self.seen.calls[name].finished = self.seen.ended
        return lent

    def origins(self, args: Any) -> set[int]:
        """The layers that these values came straight out of."""
        tracks = [self.track_of(x) for x in torch.utils._pytree.tree_leaves(args)]
        return {n for track in tracks if track for n in track.origin.unique().tolist()} - {0}

    def left(self, call: Call, given: Tensor, named: int = 0) -> None:
        """Notes what is known of a layer's output, and follows it on. Where it is the first
        of so many that were `named` and a layer inside gave it already, that layer stands for it; of several
        it is one scale, and not what all are made of."""
        track, shape = self.track_of(given), tuple(given.shape)
        call.layout = layout_of(track, shape, self.images)
        call.receptive = field_of(track, call.layout, shape, self.extent)
        if track is None:
            return
        candidate, whole = None, named == 1 and id(given) not in self.given
        if call.layout.kind != "none" and call.works and (not named or whole):
            candidate = len(self.seen.candidates)
            self.seen.candidates.append(call.finished)
            self.given.add(id(given))
        elif named:
            return
        self.set_track(given, left_layer(track, call.finished, call.macs > 0, candidate))


def last_depended_on(
    seen: Seen, logits: Track | None, graph: Graph, dense: bool = False, detects: bool = False
) -> int:
    """The end of the last layer whose places the logits depend on, of those that are more than a part
    of an attention, or a head beside the main one. Where the answers are maps themselves (`dense`), one that
    gives nothing but answers explains none: it is of those that layers with weights come after. Where the
    network `detects` things, it is of the layers that all scales are made of, if there are any."""
    if logits is None:
        return 0
    ends = {call.finished: name for name, call in seen.calls.items() if call.finished}
    keys = {end for roles in seen.roles for role in roles for end in role}
    keys |= _of_some_roles(seen, keys)
    while True:  # a norm of keys gets them from the layer of keys
        before = {n for key in keys if key in ends for n in _given_to(seen.calls[ends[key]])} - keys
        inside = {
            end
            for end, name in ends.items()
            if any(name.startswith(f"{ends[key]}.") for key in keys if key in ends)
        } - keys
        if not before | inside:
            break
        keys |= before | inside
    found = [seen.candidates[n] for n in depended_on(logits)]
    weighted = {name for name, call in seen.calls.items() if call.leaf and call.macs}
    likely = [end for end in found if end in ends and end not in keys and ends[end]]
    if detects:  # what is sorted and picked by values is followed less far than the graph's edges are
        every = [end for end in reversed(seen.candidates) if ends.get(end) and end not in keys]
        likely = [end for end in every if leads_to_every_head(graph, ends[end], weighted)] or likely
    passed_over = ends_the_network if dense else is_head_beside
    return next((end for end in likely if not passed_over(graph, ends[end], weighted)), 0)


def _of_some_roles(seen: Seen, keys: set[int]) -> set[int]:
    """The ends of layers that nothing but an attention's layers reads, and not all of those: what keys and
    values alone are made of (a convolution before them) is a part of it. What all three are made of is
    what attends."""
    readers: dict[int, set[int]] = {}
    for call in seen.calls.values():
        for end in call.fed_by:
            readers.setdefault(end, set()).add(call.finished)
    calls = {call.finished: call for call in seen.calls.values() if call.finished}
    made = [[_made_of(calls, role) for role in roles if role] for roles in seen.roles]
    return {
        end
        for end, own in readers.items()
        if own <= keys and any(0 < sum(bool(role & own) for role in roles) < len(roles) for roles in made)
    }


def _made_of(calls: Mapping[int, Call], role: Collection[int]) -> set[int]:
    """A role's layers with those that they have their values from without multiplying: where one layer gives
    queries, keys and values, a norm of the first two does not make it a layer of the values alone."""
    found, fresh = set(role), set(role)
    while fresh:
        fresh = {end for key in fresh if key in calls for end in _given_to(calls[key])} - found
        found |= fresh
    return found


def _given_to(call: Call) -> set[int]:
    return set() if call.macs else call.fed_by


def _rectifies(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a hardtanh is a clipped rectifier (ReLU6), which starts at zero."""
    return not name.startswith("hardtanh") or (len(args) > 1 and args[1] == 0)
