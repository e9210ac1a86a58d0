"""ONNX's operators that arrange: shapes, places, kinds of numbers.

Sizes that a graph computes stay on the CPU, so that they have values where the images have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reportgen.inputs.programs.onnx_arithmetic import numbers, together
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


def split(x: Tensor, sizes: Any, count: int, axis: int) -> tuple[Tensor, ...]:
    if sizes is None:
        each = -(-x.shape[axis] // count)
        return torch.split(x, each, axis)
    return torch.split(x, numbers(sizes), axis)


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


def trilu(x: Tensor, k: Any = None, upper: int = 1) -> Tensor:
    diagonal = numbers(k)[0] if k is not None else 0
    return x.triu(diagonal) if upper else x.tril(diagonal)


def arange(start: Any, limit: Any, delta: Any) -> Tensor:
    first, last, step = (x.item() for x in (start, limit, delta))
    if abs(last - first) > WIDEST * abs(step):
        raise ValueError("a range that no network needs")
    return torch.arange(first, last, step, device="cpu")


PLAIN: dict[str, Callable[..., Any]] = {
    "Size": size,
    "Expand": expand,
    "Tile": tile,
    "Range": arange,
}
