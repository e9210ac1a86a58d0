"""How operations that lay values out anew work on patches: parts, joins, other orders and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from reportgen.engine.incremental.patched import Call, Patched
from reportgen.engine.incremental.rules import bound_of, rule, same_map


@rule("cat")
def _cat(call: Call) -> Any:
    values = list(call.args[0])
    axis = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)
    first = call.patched[0]
    if not all(isinstance(x, Patched) and same_map(x, first) for x in values):
        return NotImplemented
    return NotImplemented if axis % first.ndim in (0, *first.axes) else call.same()


@rule("split", "split_with_sizes", "chunk")
def _split(call: Call) -> Any:
    value = call.args[0]
    axis = (call.args[2] if len(call.args) > 2 else call.kwargs.get("dim", 0)) % value.ndim
    return NotImplemented if axis in (0, *value.axes) else call.same(view=True)


@rule("slice")
def _slice(call: Call) -> Any:
    bound = bound_of(call)
    value = bound["self"]
    axis = bound.get("dim", 0) % value.ndim
    if axis in (0, *value.axes):
        start, end, step = bound.get("start") or 0, bound.get("end"), bound.get("step", 1)
        whole = start == 0 and step == 1 and (end is None or end >= value.shape[axis])
        return _all_of(call, value) if whole else NotImplemented
    return call.same(view=True)


def _all_of(call: Call, value: Patched) -> Patched:
    value.shared = True
    return call.made(value.clean, value.patches, value.boxes, value.axes, "same", view=True)


@rule("permute")
def _permute(call: Call) -> Any:
    value = call.args[0]
    order = [axis % value.ndim for axis in call.args[1]]
    if order[0] != 0:
        return NotImplemented
    return call.same((order.index(value.axes[0]), order.index(value.axes[1])), view=True)


@rule("transpose")
def _transpose(call: Call) -> Any:
    value = call.args[0]
    one, two = (axis % value.ndim for axis in call.args[1:3])
    if 0 in (one, two):
        return NotImplemented
    moved = {one: two, two: one}
    rows, columns = (moved.get(axis, axis) for axis in value.axes)
    return call.same((rows, columns), view=True)


@rule("view", "_unsafe_view", "reshape")
def _view(call: Call) -> Any:
    """Channels that are parted or joined; rows and columns stay where they are, first or last."""
    value, shape = call.args[0], list(call.args[1])
    if -1 in shape:
        shape[shape.index(-1)] = value.numel() // -torch.Size(shape).numel()
    ndim, sides = len(shape), [value.shape[axis] for axis in value.axes]
    last, first = value.axes == (value.ndim - 2, value.ndim - 1), value.axes == (1, 2)
    if ndim < 3 or shape[0] != value.shape[0]:
        return NotImplemented
    if last and shape[-2:] == sides:
        axes = (ndim - 2, ndim - 1)
    elif first and shape[1:3] == sides:
        axes = (1, 2)
    else:
        return NotImplemented

    def viewed(x: Tensor, boxes_sides: Sequence[int]) -> Tensor:
        own = [len(x), *shape[1:]]
        own[axes[0]], own[axes[1]] = boxes_sides
        return x.reshape(own)

    clean = call.forward.once(lambda: viewed(value.clean, sides), "view", (value.clean, tuple(shape)))
    lengths = (value.boxes.rows.length, value.boxes.columns.length)
    value.shared = True
    return call.made(clean, viewed(value.patches, lengths), value.boxes, axes, "same", view=True)
