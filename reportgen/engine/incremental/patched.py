"""A batch of one image's local changes as a network sees it: one tensor of K images.

Inside are the image as it is, through every layer, and one patch an image of what differs. Operations
are seen below autograd, so that whatever the network's code calls comes down to a few; each that has a rule
(`rules`) works on patches, and before any other they are pasted and it all goes on in plain tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from reportgen.engine.fusing.layers import (
    Folds,
    Pending,
    Unservable,
    Whole,
    plainly,
    worked_out,
    wrapped,
)
from reportgen.engine.incremental import pieces
from reportgen.engine.incremental.boxes import Boxes, Window
from reportgen.engine.incremental.steps import Program, Step
from reportgen.engine.network.rules import out_of_place

Rule: TypeAlias = Callable[["Call"], Any]
RULES: dict[str, Rule] = {}  # by the name of the operation


class Patched(Tensor):
    """K images of one size: `clean` (1, …) with `patches` (K, …) at `boxes`.

    `axes` are those of rows and columns, in both. `shared` is set where another tensor is a view of this
    one, or this one of it: writing into either would have to change both.
    """

    clean: Tensor
    waiting: Tensor | Pending  # the patches, or the convolution that gives them
    boxes: Boxes
    axes: tuple[int, int]
    forward: Forward
    step: int
    shared: bool

    @staticmethod
    def __new__(
        cls: type[Patched],
        clean: Tensor,
        patches: Tensor | Pending,
        boxes: Boxes,
        axes: tuple[int, int],
        forward: Forward,
        step: int,
        shared: bool = False,
    ) -> Patched:
        made = torch.Tensor._make_wrapper_subclass(
            cls, (boxes.count, *clean.shape[1:]), dtype=clean.dtype, device=clean.device
        )
        made.clean, made.waiting, made.boxes, made.axes = clean, patches, boxes, axes
        made.forward, made.step, made.shared = forward, step, shared
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    @property
    def patches(self) -> Tensor:
        """The patches, worked out."""
        if isinstance(self.waiting, Pending):
            self.waiting = self.waiting.compute()
        return self.waiting

    def become(self, made: Patched) -> Patched:
        """This value with other contents, as after an operation in place."""
        self.clean, self.waiting, self.boxes, self.step = made.clean, made.waiting, made.boxes, made.step
        return self

    def dense(self) -> Tensor:
        """The K images in full, of their own."""
        image, patches = (x.movedim(self.axes, (-2, -1)) for x in (self.clean, self.patches))
        whole = pieces.pasted(image, patches, self.boxes)
        return (whole.clone() if whole is patches else whole).movedim((-2, -1), self.axes)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Patched({tuple(self.shape)}, {self.boxes.rows.length}×{self.boxes.columns.length})"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            # a linear layer comes down to matrices that have no rows and columns of a map any more
            if func is nn.functional.linear and "linear" in RULES and isinstance(args[0], Patched):
                with _disable_current_modes():  # as below, where torch does so itself
                    result = RULES["linear"](Call(func, args, kwargs))
                if result is not NotImplemented:
                    return result
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return dispatched(func, args, kwargs or {})


def dispatched(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An operation on patched values, and on others in full that may be waiting."""
    if func._schema.is_mutable and args and isinstance(args[0], Whole):
        # what is written into stays the same value
        args, kwargs = tree_map(lambda x: x.dense() if isinstance(x, Patched) else x, (args, kwargs))
        return func(*args, **kwargs)
    call = Call(func, *tree_map(worked_out, (args, kwargs)))
    rule = RULES.get(call.name)
    result = rule(call) if rule else NotImplemented
    return call.in_full() if result is NotImplemented else result


@dataclass
class Forward:
    """One forward of a group of patches. Patches go on until one would hold `dense_from` of its map.

    `known` keeps the clean values for the next group of the same image; None where there is none.
    `program` is written where the network is seen for the first time.
    """

    dense_from: float
    known: dict[Hashable, tuple[Any, Any]] | None = None
    program: Program | None = None
    folds: Folds = field(default_factory=Folds)
    patched: int = 0  # operations on patches

    def start(self, clean: Tensor, patches: Tensor, boxes: Boxes) -> Patched:
        """The input: an image (1, C, H, W), patches (K, C, h, w) of it."""
        return Patched(
            clean, patches, boxes, (2, 3), self, self.note(Step("start", (), *_sizes(clean, (2, 3))))
        )

    def note(self, step: Step) -> int:
        """Writes what was done into the program; its number."""
        self.patched += step.kind != "start"
        return -1 if self.program is None else self.program.add(step)

    def once(self, compute: Callable[[], Any], func: Any, inputs: Any) -> Any:
        """What an operation makes of clean values; worked out for the first group only."""
        if self.known is None:
            return compute()
        leaves, structure = tree_flatten(inputs)
        key = (func, str(structure), *((id(x) if isinstance(x, Tensor) else x) for x in leaves))
        if key not in self.known:
            # the inputs are kept, too: as long as they are, no other tensor has their ids
            self.known[key] = (compute(), leaves)
        return self.known[key][0]


@dataclass
class Call:
    """An operation on values of which one at least is patched."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    patched: list[Patched] = field(init=False)

    def __post_init__(self) -> None:
        self.patched = [x for x in tree_leaves((self.args, self.kwargs)) if isinstance(x, Patched)]
        if any(isinstance(x, Unread) for x in self.patched):
            raise Unservable(f"{self.func} reads where a maximum stood")

    @property
    def name(self) -> str:
        """The operation's name, in place or not."""
        packet = getattr(self.func, "overloadpacket", self.func)
        name: str = packet.__name__
        return name.rstrip("_") if self.in_place else name

    @property
    def in_place(self) -> bool:
        return hasattr(self.func, "_schema") and self.func._schema.is_mutable

    @property
    def forward(self) -> Forward:
        return self.patched[0].forward

    def in_full(self) -> Any:
        """The operation on plain tensors. Raises Unservable where it writes into a patched one, and another
        tensor shares its memory."""
        args, kwargs = tree_map(dense_of, (self.args, self.kwargs))
        # a linear layer is asked by its function, all else by the dispatcher's operation
        result = (
            plainly(self.func, args, kwargs) if hasattr(self.func, "_schema") else self.func(*args, **kwargs)
        )
        if not self.in_place or not any(isinstance(x, Patched) for x in self._written()):
            return tree_map(lambda x: wrapped(x, self.forward.folds), result)
        value = self.args[0]
        if (
            not isinstance(value, Patched)
            or value.shared
            or len(self._written()) > 1
            or result is not args[0]
        ):
            raise Unservable(f"{self.func} writes into a patched tensor")
        # from here on it is the same value in full
        self.forward.note(Step("whole", (value.step,), *_sizes(value.clean, value.axes)))
        return Whole.turned(value, result, self.forward.folds)

    def _written(self) -> list[Any]:
        schema = self.func._schema.arguments
        named = [
            self.kwargs.get(a.name) for a in schema if a.alias_info is not None and a.alias_info.is_write
        ]
        placed = [
            x
            for a, x in zip(schema, self.args, strict=False)
            if a.alias_info is not None and a.alias_info.is_write
        ]
        return [leaf for leaf in tree_leaves((named, placed)) if isinstance(leaf, Tensor)]

    def plain(self, func: Any, which: Callable[[Patched], Tensor]) -> Any:
        """The operation with one part of every patched value in its place."""
        args, kwargs = tree_map(lambda x: which(x) if isinstance(x, Patched) else x, (self.args, self.kwargs))
        return func(*args, **kwargs)

    def same(self, axes: tuple[int, int] | None = None, view: bool = False, macs: int = 0) -> Any:
        """The result of an operation that treats every place alike: of the clean values, and of patches in
        the boxes that hold those of all. `axes` are those of rows and columns in the result."""
        first = self.patched[0]
        boxes = first.boxes
        for other in self.patched[1:]:
            boxes = boxes.union(other.boxes)
        if boxes.share >= self.forward.dense_from and len(self.patched) > 1:
            return NotImplemented
        if self.in_place:
            return self._rewritten(boxes)
        func = self.func
        clean = self.forward.once(lambda: self.plain(func, lambda x: x.clean), func, self._keyed())
        patches = self.plain(func, lambda x: in_boxes(x, boxes))
        axes = axes or first.axes
        if view:
            for value in self.patched:
                value.shared = True
        if not isinstance(clean, Tensor):
            pairs = list(zip(clean, patches, strict=True))
            return type(clean)(self.made(a, b, boxes, axes, "same", view=view, macs=macs) for a, b in pairs)
        return self.made(clean, patches, boxes, axes, "same", view=view, macs=macs)

    def _rewritten(self, boxes: Boxes) -> Patched:
        """An operation in place: the value gets new contents."""
        value = self.args[0]
        if not isinstance(value, Patched) or value.shared:
            raise Unservable(f"{self.func} writes into a view")
        func = out_of_place(self.func)
        clean = self.forward.once(lambda: self.plain(func, lambda x: x.clean), func, self._keyed())
        patches = self.plain(func, lambda x: in_boxes(x, boxes))
        if clean.shape[1:] != value.shape[1:] or clean.dtype != value.dtype:
            raise Unservable(f"{self.func} changes its shape")
        made = self.made(clean, patches, boxes, value.axes, "same")
        return value.become(made)

    def _keyed(self) -> Any:
        return tree_map(lambda x: x.clean if isinstance(x, Patched) else x, (self.args, self.kwargs))

    def activated(self) -> Any:
        """The result where a convolution is waiting for this activation; None where none is."""
        value = self.args[0]
        if self.kwargs or not isinstance(value, Patched) or not isinstance(value.waiting, Pending):
            return None
        func = out_of_place(self.func)
        waiting = value.waiting.activated(func, self.args[1:]) if func is not None else None
        if waiting is None or (self.in_place and value.shared):
            return None
        clean = self.forward.once(lambda: self.plain(func, lambda x: x.clean), func, self._keyed())
        made = self.made(clean, waiting, value.boxes, value.axes, "same")
        return value.become(made) if self.in_place else made

    def made(
        self,
        clean: Tensor,
        patches: Tensor | Pending,
        boxes: Boxes,
        axes: tuple[int, int],
        kind: str,
        windows: tuple[Window, Window] | None = None,
        pads: tuple[int, int, int, int] | None = None,
        macs: int = 0,
        view: bool = False,
    ) -> Patched:
        """A value of this operation, noted in the program."""
        inputs = tuple(x.step for x in self.patched)
        step = self.forward.note(Step(kind, inputs, *_sizes(clean, axes), windows, pads, macs, view))
        return Patched(clean, patches, boxes, axes, self.forward, step, view)


def _sizes(clean: Tensor, axes: tuple[int, int]) -> tuple[int, int]:
    """The places of a map (1, …), and the channels of each."""
    places = clean.shape[axes[0]] * clean.shape[axes[1]]
    return places, clean.numel() // places


class Unread(Patched):
    """A value that no rule works out, and that the network must not read."""

    @staticmethod
    def __new__(cls: type[Unread], of: Patched) -> Unread:
        return torch.Tensor._make_wrapper_subclass(cls, of.shape, dtype=torch.int64, device=of.device)


def in_boxes(value: Patched, boxes: Boxes) -> Tensor:
    """A value's patches in larger boxes, those that hold its own."""
    if value.boxes is boxes or value.boxes == boxes:
        return value.patches
    image, patches = (x.movedim(value.axes, (-2, -1)) for x in (value.clean, value.patches))
    return pieces.widened(image, patches, value.boxes, boxes).movedim((-2, -1), value.axes)


def dense_of(value: Any) -> Any:
    """A patched value in full, and one in full that is waiting worked out; anything else as it is."""
    value = worked_out(value)
    return value.dense() if isinstance(value, Patched) else value
