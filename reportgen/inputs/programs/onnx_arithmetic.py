"""ONNX's operators that are no layers, on tensors.

Sizes that a graph computes stay on the CPU, so that they have values where the images have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.inputs.programs.operators import widened

# the numbers that ONNX writes for kinds of numbers
KINDS = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float16,
    11: torch.float64,
    16: torch.bfloat16,
}
WIDEST = 1_000_000_000  # elements of a tensor that is made of its shape


def numbers(value: Any) -> list[int]:
    """Sizes, axes and the like as a list."""
    found = value.tolist() if isinstance(value, Tensor) else value
    return [int(x) for x in found] if isinstance(found, list | tuple) else [int(found)]


def together(*values: Any) -> tuple[Any, ...]:
    """Tensors on one device: constants and sizes, which are on the CPU, go where the others are."""
    devices = [x.device for x in values if isinstance(x, Tensor) and x.device.type != "cpu"]
    if not devices:
        return values
    return tuple(x.to(devices[0]) if isinstance(x, Tensor) else x for x in values)


def both(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """An operator on two tensors or more, one after another."""

    def operator(*values: Any) -> Any:
        found, *rest = together(*values)
        for value in rest:
            found = function(found, value)
        return found

    return operator


def _divided(a: Any, b: Any) -> Any:
    whole = not a.is_floating_point() and not b.is_floating_point()
    return torch.div(a, b, rounding_mode="trunc") if whole else torch.true_divide(a, b)


def mean_of(*values: Any) -> Any:
    return both(torch.add)(*values) / len(values)


def where(condition: Any, a: Any, b: Any) -> Any:
    return torch.where(*together(condition, a, b))


def pad_window(
    x: Tensor,
    kernel: list[int],
    strides: list[int],
    dilations: list[int],
    lower: bool,
    pads: Any,
    value: float,
) -> Tensor:
    """The maps x (N, C, …) with what a window needs around them: as given, or so that the output has
    ceil(side / stride) places (SAME)."""
    before, after = pads or _same(list(x.shape[2:]), kernel, strides, dilations, lower)
    sides = [side for pair in zip(before[::-1], after[::-1], strict=True) for side in pair]
    return F.pad(x, sides, value=value)


def _same(
    sides: list[int], kernel: list[int], strides: list[int], dilations: list[int], lower: bool
) -> tuple[list[int], list[int]]:
    before, after = [], []
    for n, k, s, d in zip(sides, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        half = total // 2
        before.append(total - half if lower else half)
        after.append(half if lower else total - half)
    return before, after


def average_inside(x: Tensor, kernel: list[int], strides: list[int], lower: bool, pads: Any) -> Tensor:
    """The mean over the part of each window that is inside the maps, padded unequally."""
    one = [1] * len(kernel)
    total = F.avg_pool2d(pad_window(x, kernel, strides, one, lower, pads, 0.0), kernel, strides)
    seen = F.avg_pool2d(
        pad_window(torch.ones_like(x[:1, :1]), kernel, strides, one, lower, pads, 0.0), kernel, strides
    )
    return total / seen


def gemm(a: Tensor, b: Tensor, c: Any, turn_a: bool, turn_b: bool, alpha: float, beta: float) -> Tensor:
    found = alpha * ((a.t() if turn_a else a) @ (b.t() if turn_b else b))
    return found if c is None else found + beta * c


def layer_norm(x: Tensor, weight: Tensor, bias: Any, axis: int, epsilon: float) -> Tensor:
    shape = list(x.shape[axis:])
    return F.layer_norm(x, shape, weight.expand(shape), None if bias is None else bias.expand(shape), epsilon)


def group_norm(x: Tensor, weight: Tensor, bias: Tensor, groups: int, epsilon: float) -> Tensor:
    each = x.shape[1] // groups
    return F.group_norm(x, groups, weight.repeat_interleave(each), bias.repeat_interleave(each), epsilon)


def flat_softmax(x: Tensor, axis: int, log: bool) -> Tensor:
    """Before opset 13: over all axes from this one on."""
    flat = x.flatten(axis % x.ndim)
    return (F.log_softmax(flat, -1) if log else F.softmax(flat, -1)).view(x.shape)


def hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


def split(x: Tensor, sizes: Any, count: int, axis: int) -> tuple[Tensor, ...]:
    if sizes is None:
        each = -(-x.shape[axis] // count)
        return torch.split(x, each, axis)
    return torch.split(x, numbers(sizes), axis)


REDUCED: dict[str, Callable[[Tensor, list[int], bool], Tensor]] = {
    "Mean": lambda x, axes, keep: x.mean(axes, keep),
    "Sum": lambda x, axes, keep: x.sum(axes, keep),
    "Max": lambda x, axes, keep: x.amax(axes, keep),
    "Min": lambda x, axes, keep: x.amin(axes, keep),
    "L1": lambda x, axes, keep: x.abs().sum(axes, keep),
    "L2": lambda x, axes, keep: x.square().sum(axes, keep).sqrt(),
    "SumSquare": lambda x, axes, keep: x.square().sum(axes, keep),
    "LogSumExp": lambda x, axes, keep: x.logsumexp(axes, keep),
    "LogSum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "Prod": lambda x, axes, keep: _product(x, axes, keep),
}


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


def reduced(x: Tensor, kind: str, axes: Any, keep: bool) -> Tensor:
    return REDUCED[kind](x, list(range(x.ndim)) if axes is None else numbers(axes), keep)


def resize(x: Tensor, scales: Any, sizes: Any, mode: str, corners: bool) -> Tensor:
    """The maps x (N, C, H, W) at another size: of its own factors, or of sizes."""
    sides = (
        [int(s) for s in sizes[2:]]
        if sizes
        else [int(n * f) for n, f in zip(x.shape[2:], scales[2:], strict=True)]
    )
    if mode == "nearest":
        return F.interpolate(x, sides, mode="nearest")
    return F.interpolate(x, sides, mode="bilinear" if mode == "linear" else "bicubic", align_corners=corners)


def global_max(x: Tensor) -> Tensor:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


def flatten(x: Tensor, axis: int) -> Tensor:
    axis = axis + x.ndim if axis < 0 else axis
    rows = 1
    for side in x.shape[:axis]:
        rows *= side
    return x.reshape(rows, -1)


def squeeze(x: Tensor, axes: Any) -> Tensor:
    if axes is None:
        return x.squeeze()
    return x.squeeze(tuple(axis % x.ndim for axis in numbers(axes)))


def unsqueeze(x: Tensor, axes: Any) -> Tensor:
    found = numbers(axes)
    axis_count = x.ndim + len(found)
    for axis in sorted(axis % axis_count for axis in found):
        x = x.unsqueeze(axis)
    return x


def transpose(x: Tensor, perm: Any) -> Tensor:
    return x.permute(*(perm or reversed(range(x.ndim))))


def concat(axis: int, *values: Any) -> Tensor:
    return torch.cat(together(*values), axis)


def gather(x: Tensor, index: Any, axis: int) -> Tensor:
    if index.ndim == 0 and not index.is_meta and index.device.type == "cpu":
        return x.select(axis, int(index))
    x, index = together(x, index)
    index = torch.where(index < 0, index + x.shape[axis], index)
    found = x.index_select(axis, index.flatten())
    axis %= x.ndim
    return found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def gather_elements(x: Tensor, index: Tensor, axis: int) -> Tensor:
    x, index = together(x, index)
    return x.gather(axis, torch.where(index < 0, index + x.shape[axis], index))


def arg_max(x: Tensor, axis: int, keepdims: int) -> Tensor:
    return x.argmax(axis, bool(keepdims))


def reshape(x: Tensor, shape: Any, allowzero: int) -> Tensor:
    sides = numbers(shape)
    if not allowzero:
        sides = [x.shape[n] if side == 0 else side for n, side in enumerate(sides)]
    return x.reshape(sides)


def shape(x: Tensor, start: int, end: int | None) -> Tensor:
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64, device="cpu")


def size(x: Tensor) -> Tensor:
    return torch.tensor(x.numel(), dtype=torch.int64, device="cpu")


def constant_of_shape(sides: Any, value: Any) -> Tensor:
    found = numbers(sides)
    total = 1
    for side in found:
        total *= side
    if total > WIDEST:
        raise ValueError("a constant that no network needs")
    return (
        torch.zeros(found) if value is None else torch.full(found, value.item(), dtype=widened(value.dtype))
    )


def expand(x: Tensor, sides: Any) -> Tensor:
    return x.expand(torch.broadcast_shapes(x.shape, tuple(numbers(sides))))


def tile(x: Tensor, repeats: Any) -> Tensor:
    return x.repeat(numbers(repeats))


def slices(x: Tensor, starts: Any, ends: Any, axes: Any, steps: Any) -> Tensor:
    begin, end = numbers(starts), numbers(ends)
    along = numbers(axes) if axes is not None else list(range(len(begin)))
    every = numbers(steps) if steps is not None else [1] * len(begin)
    for start, stop, axis, step in zip(begin, end, along, every, strict=True):
        if step < 0:
            places = list(range(x.shape[axis]))[slice(start, None if stop < -x.shape[axis] else stop, step)]
            x = x.index_select(axis, torch.tensor(places, device=x.device, dtype=torch.int64))
        else:
            parts: list[Any] = [slice(None)] * x.ndim
            parts[axis] = slice(start, stop, step)
            x = x[tuple(parts)]
    return x


def pad(x: Tensor, pads: Any, value: Any, axes: Any, mode: str) -> Tensor:
    given = numbers(pads)
    along = [axis % x.ndim for axis in numbers(axes)] if axes is not None else list(range(x.ndim))
    before, after = [0] * x.ndim, [0] * x.ndim
    for n, axis in enumerate(along):
        before[axis], after[axis] = given[n], given[n + len(along)]
    sides = [side for pair in zip(before[::-1], after[::-1], strict=True) for side in pair]
    if mode == "constant":
        fill = value.item() if isinstance(value, Tensor) else value
        return F.pad(x, sides, value=float(fill or 0))
    while len(sides) > 2 and sides[-2:] == [0, 0]:
        sides = sides[:-2]
    return F.pad(x, sides, mode={"reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode])


def cast(x: Tensor, kind: int) -> Tensor:
    return x.to(widened(KINDS[kind]))


def top_k(x: Tensor, count: Any, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    found = x.topk(numbers(count)[0], axis, largest)
    return found.values, found.indices


def einsum(equation: str, *values: Tensor) -> Tensor:
    return torch.einsum(equation, *values)


def depth_to_space(x: Tensor, blocksize: int, mode: str) -> Tensor:
    n, c, h, w = x.shape
    if mode == "CRD":
        return F.pixel_shuffle(x, blocksize)
    parts = x.reshape(n, blocksize, blocksize, c // blocksize**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // blocksize**2, h * blocksize, w * blocksize)


def space_to_depth(x: Tensor, blocksize: int) -> Tensor:
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * blocksize**2, h // blocksize, w // blocksize)


def local_response(x: Tensor, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


def trilu(x: Tensor, k: Any = None, upper: int = 1) -> Tensor:
    diagonal = numbers(k)[0] if k is not None else 0
    return x.triu(diagonal) if upper else x.tril(diagonal)


def cumulated(x: Tensor, axis: Any, exclusive: int, reverse: int) -> Tensor:
    along = numbers(axis)[0]
    x = x.flip(along) if reverse else x
    found = x.cumsum(along) - (x if exclusive else 0)
    return found.flip(along) if reverse else found


def modulo(a: Any, b: Any, fmod: int) -> Any:
    a, b = together(a, b)
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


def arange(start: Any, limit: Any, delta: Any) -> Tensor:
    first, last, step = (x.item() for x in (start, limit, delta))
    if abs(last - first) > WIDEST * abs(step):
        raise ValueError("a range that no network needs")
    return torch.arange(first, last, step, device="cpu")


PLAIN: dict[str, Callable[..., Any]] = {
    "Add": both(torch.add),
    "Sub": both(torch.sub),
    "Mul": both(torch.mul),
    "Div": both(_divided),
    "Pow": both(torch.pow),
    "Min": both(torch.minimum),
    "Max": both(torch.maximum),
    "Sum": both(torch.add),
    "Mean": mean_of,
    "Where": where,
    "MatMul": both(torch.matmul),
    "PRelu": both(lambda x, w: torch.where(x < 0, x * w, x)),
    "Equal": both(torch.eq),
    "Greater": both(torch.gt),
    "Less": both(torch.lt),
    "And": both(torch.logical_and),
    "GreaterOrEqual": both(torch.ge),
    "LessOrEqual": both(torch.le),
    "Or": both(torch.logical_or),
    "Xor": both(torch.logical_xor),
    "Not": torch.logical_not,
    "IsNaN": torch.isnan,
    "Relu": torch.ops.aten.relu.default,
    "Sigmoid": torch.ops.aten.sigmoid.default,
    "Tanh": torch.ops.aten.tanh.default,
    "HardSwish": torch.ops.aten.hardswish.default,
    "Mish": torch.ops.aten.mish.default,
    "Swish": torch.ops.aten.silu.default,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Identity": torch.ops.aten.alias.default,
    "Size": size,
    "Expand": expand,
    "Tile": tile,
    "Range": arange,
    "Atan": torch.atan,
}
