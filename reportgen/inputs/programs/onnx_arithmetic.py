"""ONNX's operators that compute and are no layers, on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


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
    if sizes is not None and len(sizes):
        sides = numbers(sizes)[2:]
    else:
        factors = (scales.tolist() if isinstance(scales, Tensor) else scales)[2:]
        sides = [int(n * f) for n, f in zip(x.shape[2:], factors, strict=True)]
    if mode == "nearest":
        return F.interpolate(x, sides, mode="nearest")
    return F.interpolate(x, sides, mode="bilinear" if mode == "linear" else "bicubic", align_corners=corners)


def global_max(x: Tensor) -> Tensor:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


def arg_max(x: Tensor, axis: int, keepdims: int) -> Tensor:
    return x.argmax(axis, bool(keepdims))


def einsum(equation: str, *values: Tensor) -> Tensor:
    return torch.einsum(equation, *values)


def local_response(x: Tensor, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


def cumulated(x: Tensor, axis: Any, exclusive: int, reverse: int) -> Tensor:
    along = numbers(axis)[0]
    x = x.flip(along) if reverse else x
    found = x.cumsum(along) - (x if exclusive else 0)
    return found.flip(along) if reverse else found


def modulo(a: Any, b: Any, fmod: int) -> Any:
    a, b = together(a, b)
    return torch.fmod(a, b) if fmod else torch.remainder(a, b)


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
    "Atan": torch.atan,
}
