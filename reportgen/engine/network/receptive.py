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
    start: Sides = (0, 0)  # where the first value's rectangle begins; below zero in the padding

    @property
    def whole(self) -> Field:
        """The field of a value that sees every pixel."""
        size = (max(self.size[0], self.extent[0]), max(self.size[1], self.extent[1]))
        start = (min(self.start[0], 0), min(self.start[1], 0))
        return Field(size, self.extent, self.extent, start)

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """The (top, left, bottom, right) that the value at a place of the grid sees, in input pixels.

        It may reach beyond the input. Where the field sees everything, so does the box.
        """
        top, left = (s + j * at for s, j, at in zip(self.start, self.stride, (row, column), strict=True))
        return (top, left, top + self.size[0], left + self.size[1])


PADS = {"constant_pad_nd", "reflection_pad2d", "replication_pad2d"}
WHOLE = {"addmm", "mm", "bmm", "matmul", "linear", "mean", "sum", "amax"}


def field_after(name: str, args: tuple[Any, ...], result: Any, known: Sequence[Field]) -> Field:
    """The field of an operation's result, given those of its inputs; `name` is the aten operation."""
    before = _joined(known)
    if name in ("convolution", "_convolution", "conv2d"):
        return _widened(before, args[1].shape[2:], stride=args[3], dilation=args[5], padding=args[4])
    if name in ("max_pool2d_with_indices", "max_pool2d"):
        return _widened(before, args[1], _or(args, 2, args[1]), _or(args, 4, [1]), _or(args, 3, [0]))
    if name == "avg_pool2d":
        return _widened(before, args[1], _or(args, 2, args[1]), [1], _or(args, 3, [0]))
    if name in PADS:  # (left, right, top, bottom), each may be there or not
        left, top = args[1][0], args[1][2] if len(args[1]) > 2 else 0
        return _moved(before, (int(top), int(left)))
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
    start = (min(f.start[0] for f in known), min(f.start[1] for f in known))
    return Field(size, stride, known[0].extent, start)


def _moved(before: Field, padding: Sides) -> Field:
    """The field after so many values of padding at the top and the left."""
    start = (before.start[0] - padding[0] * before.stride[0], before.start[1] - padding[1] * before.stride[1])
    return Field(before.size, before.stride, before.extent, start)


def _or(args: tuple[Any, ...], place: int, default: Any) -> Any:
    return args[place] if len(args) > place and args[place] else default


def _widened(before: Field, kernel: Any, stride: Any, dilation: Any, padding: Any = (0,)) -> Field:
    """r + (k-1)·d·j and j·s along each side, begun p·j earlier."""
    (kv, kh), (sv, sh), (dv, dh) = (_sides(value) for value in (kernel, stride, dilation))
    before = _moved(before, _sides(padding))
    (rv, rh), (jv, jh) = before.size, before.stride
    size = (rv + (kv - 1) * dv * jv, rh + (kh - 1) * dh * jh)
    return Field(size, (jv * sv, jh * sh), before.extent, before.start)


def _sides(value: Any) -> Sides:
    """(vertical, horizontal) of a list of one or two numbers; a one-dimensional one is horizontal."""
    numbers = [int(v) for v in value]
    return (numbers[0], numbers[-1])
