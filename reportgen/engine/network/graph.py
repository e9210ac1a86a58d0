"""The network's graph: which operation reads what another one made, as one forward shows it.

A box is a leaf module's call, or an operation that no module stands around: a join of two values or
more, a pool, a rectifier, a convolution. Values are told apart by the memory that they lie in, so a
view is what it is a view of, and an operation in place makes a new value of an old tensor. What
does nothing (dropout in eval, an identity), rearranges, copies or scales one value makes no box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, UntypedStorage

from reportgen.engine.network.facts import Graph, Operation
from reportgen.engine.network.operations import Step, joined, step, together


@dataclass
class _Box:
    """An operation while it is being watched."""

    within: str
    layer: str = ""
    type: str = ""
    steps: list[Step] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    shape: tuple[int, ...] | None = None


class Recorder:
    """Hears of every operation and of every module's call, and keeps who made which value."""

    def __init__(self, x: Tensor) -> None:
        self.boxes: list[_Box] = []
        # keeps the memory, so that its address stays its own
        self.makers: dict[int, tuple[UntypedStorage | Tensor, int]] = {}
        self.around: list[str] = []  # modules that hold others, outermost first
        self.leaf: _Box | None = None  # the leaf module that is being called
        self.opened = False  # whether that leaf has a box already
        self._keep([x], self._new(_Box("", steps=[Step("input", "input")], shape=tuple(x.shape[1:]))))

    def enter(self, name: str, type_name: str, leaf: bool) -> None:
        """A module's call begins."""
        if self.leaf is None and leaf and name:
            self.leaf, self.opened = _Box(self._around(), name, type_name), False
        elif self.leaf is None:
            self.around.append(name)

    def leave(self, name: str, result: Tensor | None) -> None:
        """A module's call has ended with `result`."""
        if self.leaf is not None and self.leaf.layer == name:
            if self.opened and result is not None:
                self.leaf.shape = tuple(result.shape[1:])
            self.leaf = None
        elif self.leaf is None:
            self.around.remove(name)

    def operation(
        self, func: Any, args: tuple[Any, ...], read: Sequence[Tensor], results: Sequence[Tensor]
    ) -> None:
        """One operation has read tensors, weights among them, and given others."""
        sources = [maker for tensor in read if (maker := self._maker(tensor)) is not None]
        if not sources or not results:
            return
        known = {_memory(tensor) for tensor in read}
        if not func._schema.is_mutable and all(_memory(result) in known for result in results):
            return  # a view
        name = func.overloadpacket.__name__
        named = joined(name) if len(sources) > 1 else step(name, args, results[0])
        if self.leaf is not None:
            self._keep(results, self._in_leaf(self.leaf, named, sources))
        elif named is None:
            self._keep(results, sources[0])
        else:
            box = _Box(self._around(), steps=[named], sources=sources, shape=tuple(results[0].shape[1:]))
            self._keep(results, self._new(box))

    def finish(self, logits: Tensor) -> Graph:
        """The whole graph; its last box is the output."""
        maker = self._maker(logits)
        ends = [] if maker is None else [maker]
        shape = tuple(logits.shape[1:])
        self._new(_Box("", steps=[Step("output", "output")], sources=ends, shape=shape))
        return Graph(
            tuple(_operation(box) for box in self.boxes),
            tuple((source, at) for at, box in enumerate(self.boxes) for source in box.sources),
        )

    def _around(self) -> str:
        return self.around[-1] if self.around else ""

    def _new(self, box: _Box) -> int:
        self.boxes.append(box)
        return len(self.boxes) - 1

    def _in_leaf(self, leaf: _Box, named: Step | None, sources: list[int]) -> int:
        if not self.opened:
            self._new(leaf)
            self.opened = True
        at = next(n for n in reversed(range(len(self.boxes))) if self.boxes[n] is leaf)
        leaf.steps += [named] if named else []
        leaf.sources += [s for s in dict.fromkeys(sources) if s != at and s not in leaf.sources]
        return at

    def _maker(self, tensor: Tensor) -> int | None:
        kept = self.makers.get(_memory(tensor))
        return kept[1] if kept else None

    def _keep(self, tensors: Sequence[Tensor], maker: int) -> None:
        for tensor in tensors:
            self.makers[_memory(tensor)] = (_storage(tensor), maker)


def _storage(tensor: Tensor) -> UntypedStorage | Tensor:
    """What holds a tensor's values: its storage, which views share, or itself where it has none."""
    try:
        return tensor.untyped_storage()
    except NotImplementedError:  # sparse and opaque tensors
        return tensor


def _memory(tensor: Tensor) -> int:
    """What tells one tensor's memory from another's, on `meta` too, where no memory is."""
    storage = _storage(tensor)
    return id(storage) if isinstance(storage, Tensor) else int(storage._cdata)


def _operation(box: _Box) -> Operation:
    whole = together(box.steps, box.type, len(box.sources))
    return Operation(whole.kind, whole.words, box.layer, box.within, box.shape)
