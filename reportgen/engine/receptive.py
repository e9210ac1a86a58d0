"""How each operation widens the receptive field. Araujo, Norris & Sim 2019 (Distill), eq. 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Sides: TypeAlias = tuple[int, int]  # (vertical, horizontal)


@dataclass(frozen=True)
class Field:
    """The rectangle of input pixels that one value can see, and the step between values, in pixels.

    Sizes are theoretical: they may exceed `extent`, the input's (height, width).
    """

    size: Sides
    stride: Sides
    extent: Sides

    @property
    def whole(self) -> Field:
        """The field of a value that sees every pixel."""
        size = (max(self.size[0], self.extent[0]), max(self.size[1], self.extent[1]))
        return Field(size, self.extent, self.extent)


WHOLE = {"addmm", "mm", "bmm", "matmul", "linear", "mean", "sum", "amax"}


def field_after(name: str, args: tuple[Any, ...], result: Any, known: Sequence[Field]) -> Field:
    """The field of an operation's result, given those of its inputs; `name` is the aten operation."""
    before = _joined(known)
    if name in ("convolution", "_convolution", "conv2d"):
        return _widened(before, args[1].shape[2:], stride=args[3], dilation=args[5])
    if name in ("max_pool2d_with_indices", "max_pool2d"):
        return _widened(before, args[1], _or(args, 2, args[1]), _or(args, 4, [1]))
    if name == "avg_pool2d":
        return _widened(before, args[1], _or(args, 2, args[1]), [1])
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        out = result[0] if isinstance(result, tuple) else result
        if tuple(out.shape[-2:]) == (1, 1):
            return before.whole
        sides = zip(args[0].shape[-2:], out.shape[-2:], strict=True)
        kernel = [-(-n // m) for n, m in sides]
        return _widened(before, kernel, kernel, [1])
    return before.whole if name in WHOLE else before


def _joined(known: Sequence[Field]) -> Field:
    """Where branches meet: the widest view on the finest grid (a gate's single value is broadcast)."""
    size = (max(f.size[0] for f in known), max(f.size[1] for f in known))
    stride = (min(f.stride[0] for f in known), min(f.stride[1] for f in known))
    return Field(size, stride, known[0].extent)


def _or(args: tuple[Any, ...], place: int, default: Any) -> Any:
    return args[place] if len(args) > place and args[place] else default


def _widened(before: Field, kernel: Any, stride: Any, dilation: Any) -> Field:
    """r + (k-1)·d·j and j·s along each side."""
    (kv, kh), (sv, sh), (dv, dh) = (_sides(value) for value in (kernel, stride, dilation))
    (rv, rh), (jv, jh) = before.size, before.stride
    size = (rv + (kv - 1) * dv * jv, rh + (kh - 1) * dh * jh)
    return Field(size, (jv * sv, jh * sh), before.extent)


def _sides(value: Any) -> Sides:
    """(vertical, horizontal) of a list of one or two numbers; a one-dimensional one is horizontal."""
    numbers = [int(v) for v in value]
    return (numbers[0], numbers[-1])
