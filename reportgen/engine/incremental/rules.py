"""How operations work on patches, by the names that PyTorch's dispatcher has for them.

An operation without a rule here, or one whose rule gives NotImplemented for its arguments, goes on in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from reportgen.engine.fusing.layers import NORMS, Pending, affine
from reportgen.engine.incremental import pieces
from reportgen.engine.incremental.boxes import Window
from reportgen.engine.incremental.patched import RULES, Call, Patched, Rule, Unread
from reportgen.engine.incremental.steps import Step

# operations that see one number at a time
ELEMENTWISE = """
    abs add clamp clamp_max clamp_min clone cos detach div elu erf exp gelu hardsigmoid hardswish hardtanh
    leaky_relu log log1p maximum minimum mish mul neg pow prelu _prelu_kernel reciprocal relu relu6 rsqrt rsub
    sigmoid silu sin softplus sqrt square sub tanh threshold _to_copy
""".split()


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Registers how the operations of these names work on patches."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _constant(value: Tensor, like: Patched) -> bool:
    """Whether a plain tensor says the same to every image and every place of a patched one."""
    lacking = like.ndim - value.ndim
    if lacking < 0:
        return False
    alike = (0, *like.axes)
    return all(axis < lacking or value.shape[axis - lacking] == 1 for axis in alike)


@rule(*ELEMENTWISE)
def _elementwise(call: Call) -> Any:
    waited = call.activated()
    if waited is not None:
        return waited
    first = call.patched[0]
    for value in [x for x in (*call.args, *call.kwargs.values()) if isinstance(x, Tensor)]:
        if isinstance(value, Patched):
            if not same_map(value, first):
                return NotImplemented
        elif not _constant(value, first):
            return NotImplemented
    return call.same()


def same_map(value: Patched, other: Patched) -> bool:
    sides = [[x.shape[axis] for axis in x.axes] for x in (value, other)]
    return value.ndim == other.ndim and value.axes == other.axes and sides[0] == sides[1]


@rule("alias", "lift_fresh")
def _identity(call: Call) -> Any:
    return call.same(view=True)


@rule(*NORMS)
def _batch_norm(call: Call) -> Any:
    value, name = call.args[0], call.name
    terms = affine(name, call.args)
    if not isinstance(value, Patched) or terms is None or 1 in value.axes:
        return NotImplemented
    shape = [-1 if axis == 1 else 1 for axis in range(value.ndim)]
    scale, shift = (term.view(shape) for term in terms)
    clean = call.forward.once(
        lambda: torch.addcmul(shift, value.clean, scale), name, (value.clean, *call.args[1:])
    )
    after = value.waiting.normalised(name, call.args) if isinstance(value.waiting, Pending) else None
    patches = torch.addcmul(shift, value.patches, scale) if after is None else after
    made = call.made(clean, patches, value.boxes, value.axes, "same")
    return made, made.clean, made.clean, *([made.clean] if name == "cudnn_batch_norm" else [])


@rule("convolution")
def _convolution(call: Call) -> Any:
    value, weight, bias, strides, paddings, dilations, transposed, _, groups = call.args
    if not isinstance(value, Patched) or transposed or value.ndim != 4 or value.axes != (2, 3):
        return NotImplemented

    def convolved(x: Tensor, padding: Sequence[int]) -> Tensor:
        made: Tensor = call.func(x, weight, bias, strides, padding, dilations, False, [0, 0], groups)
        return made

    def windows(out: Tensor) -> tuple[Window, Window]:
        rows, columns = (
            Window((weight.shape[2 + n] - 1) * dilations[n] + 1, strides[n], paddings[n], out.shape[2 + n])
            for n in range(2)
        )
        return rows, columns

    def waiting(x: Tensor) -> Pending:
        return Pending(x, weight, bias, strides, (0, 0), dilations, groups, call.forward.folds)

    return _windowed(call, value, convolved, paddings, windows, 0.0, weight.numel(), waiting)


def _windowed(
    call: Call,
    value: Patched,
    compute: Callable[[Tensor, Sequence[int]], Tensor],
    paddings: Sequence[int],
    windows_of: Callable[[Tensor], tuple[Window, Window]],
    filling: float,
    macs: int = 0,
    waiting: Callable[[Tensor], Pending] | None = None,
) -> Any:
    """What a layer of windows makes of the patches with their context. `compute` gets a tensor and how much
    is padded; `filling` is what it pads with. Of patches it may be `waiting`."""
    forward = call.forward
    clean = forward.once(lambda: compute(value.clean, paddings), call.func, (value.clean, *call.args[1:]))
    windows = windows_of(clean)
    boxes = value.boxes.seen_from(windows)
    if boxes.share >= forward.dense_from:
        return NotImplemented
    rows, columns = windows
    if rows.reach == columns.reach == rows.stride == columns.stride == 1 and not any(paddings):
        given = value.patches
    else:
        whole = forward.once(
            lambda: pieces.padded(value.clean, windows, filling), "padded", (value.clean, windows, filling)
        )
        context = boxes.context(windows)
        left, top = columns.padding, rows.padding
        pads = (
            left,
            columns.padded_side - left - value.boxes.columns.side,
            top,
            rows.padded_side - top - value.boxes.rows.side,
        )
        given = pieces.widened(whole, value.patches, value.boxes.padded(pads), context)
    patches = waiting(given) if waiting else compute(given, (0, 0))
    return call.made(clean, patches, boxes, value.axes, "window", windows=windows, macs=macs)


def _two(values: Any, default: Any = None) -> tuple[int, int]:
    """A pair that may be given as one number, or not at all."""
    values = list(values) if values else list(default)
    return (values[0], values[-1])


@rule("max_pool2d_with_indices")
def _max_pool(call: Call) -> Any:
    bound = bound_of(call)
    value = bound["self"]
    if value.ndim != 4 or value.axes != (2, 3):
        return NotImplemented
    kernel = _two(bound["kernel_size"])
    strides, paddings = _two(bound.get("stride"), kernel), _two(bound.get("padding"), (0, 0))
    dilations, ceil = _two(bound.get("dilation"), (1, 1)), bool(bound.get("ceil_mode"))

    def pooled(x: Tensor, padding: Sequence[int]) -> Tensor:
        own = ceil and x is value.clean  # the context holds whole windows only
        made: Tensor = torch.ops.aten.max_pool2d_with_indices(x, kernel, strides, padding, dilations, own)[0]
        return made

    def windows(out: Tensor) -> tuple[Window, Window]:
        rows, columns = (
            Window((kernel[n] - 1) * dilations[n] + 1, strides[n], paddings[n], out.shape[2 + n])
            for n in range(2)
        )
        return rows, columns

    made = _windowed(call, value, pooled, paddings, windows, float("-inf"))
    # where the maxima stood is a number on the map: nothing may read it off the patches
    return made if made is NotImplemented else (made, Unread(made))


@rule("avg_pool2d")
def _avg_pool(call: Call) -> Any:
    bound = bound_of(call)
    value = bound["self"]
    kernel = _two(bound["kernel_size"])
    strides, paddings = _two(bound.get("stride"), kernel), _two(bound.get("padding"), (0, 0))
    counts_padding = bound.get("count_include_pad", True) or not any(paddings)
    divisor = bound.get("divisor_override")
    if value.ndim != 4 or value.axes != (2, 3) or bound.get("ceil_mode") or not counts_padding:
        return NotImplemented

    def pooled(x: Tensor, padding: Sequence[int]) -> Tensor:
        made: Tensor = torch.ops.aten.avg_pool2d(x, kernel, strides, padding, False, True, divisor)
        return made

    def windows(out: Tensor) -> tuple[Window, Window]:
        rows, columns = (Window(kernel[n], strides[n], paddings[n], out.shape[2 + n]) for n in range(2))
        return rows, columns

    return _windowed(call, value, pooled, paddings, windows, 0.0)


def bound_of(call: Call) -> dict[str, Any]:
    """The arguments by name."""
    names = [argument.name for argument in call.func._schema.arguments]
    return dict(zip(names, call.args, strict=False)) | call.kwargs


@rule("constant_pad_nd")
def _pad(call: Call) -> Any:
    value, pads = call.args[0], list(call.args[1])
    if value.axes != (value.ndim - 2, value.ndim - 1) or len(pads) > 4 or min(pads) < 0:
        return NotImplemented
    left, right, top, bottom = pads + [0] * (4 - len(pads))
    clean = call.forward.once(
        lambda: call.func(value.clean, *call.args[1:]), call.func, (value.clean, *call.args[1:])
    )
    boxes = value.boxes.padded((left, right, top, bottom))
    value.shared = True
    return call.made(
        clean, value.patches, boxes, value.axes, "pad", pads=(left, right, top, bottom), view=True
    )


@rule("native_layer_norm")
def _layer_norm(call: Call) -> Any:
    value, normalised = call.args[0], len(call.args[1])
    return NotImplemented if max(value.axes) >= value.ndim - normalised else call.same()


@rule("linear")
def _linear(call: Call) -> Any:
    value, *others = call.args
    weight = others[0] if others else call.kwargs["weight"]
    if any(isinstance(x, Patched) for x in others) or value.ndim - 1 in value.axes:
        return NotImplemented
    return call.same(macs=weight.numel())


@rule("_softmax", "_log_softmax")
def _softmax(call: Call) -> Any:
    value, axis = call.args[0], call.args[1]
    return NotImplemented if axis % value.ndim in (0, *value.axes) else call.same()


@rule("mean", "sum", "amax", "amin")
def _reduced(call: Call) -> Any:
    """Over channels it is alike at every place; a mean or a sum over all places is that of the clean map, and
    of what the patch changes."""
    bound = bound_of(call)
    value = bound["self"]
    given = bound.get("dim")
    if given is None or bound.get("dtype") is not None:
        return NotImplemented
    axes = sorted(axis % value.ndim for axis in ([given] if isinstance(given, int) else given))
    if axes and not {0, *value.axes} & set(axes):
        gone = 0 if bound.get("keepdim") else 1
        rows, columns = (axis - gone * sum(a < axis for a in axes) for axis in value.axes)
        return call.same((rows, columns))
    if call.name not in ("mean", "sum") or axes != sorted(value.axes):
        return NotImplemented
    image, patches = (x.movedim(value.axes, (-2, -1)) for x in (value.clean, value.patches))
    before = pieces.cut(image, value.boxes)
    changed = (patches - before).sum((-2, -1)) + image.sum((-2, -1))
    call.forward.note(
        Step("mean", (value.step,), image.shape[-2] * image.shape[-1], before[0, ..., 0, 0].numel())
    )
    result = changed / (image.shape[-2] * image.shape[-1]) if call.name == "mean" else changed
    if bound.get("keepdim"):
        for axis in axes:
            result = result.unsqueeze(axis)
    return result
