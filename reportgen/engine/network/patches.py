"""Tracks through unfold and fold: windows of maps as columns, and columns as maps again."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from reportgen.engine.network.track import Track, mixed, moved, viewed
from reportgen.engine.network.windows import Taps, windowed


def columns_of(track: Track, x: Tensor, result: Tensor, args: tuple[Any, ...]) -> Track:
    """Beside im2col's result (N, C·k·k, L). Windows that lie side by side only move elements; of others
    each is one place."""
    kernel, dilation, padding, stride = (_both(value) for value in args)
    if _side_by_side(tuple(x.shape[2:]), kernel, dilation, padding, stride):
        return moved(track, x.shape, lambda plane: _as_columns(plane, kernel))
    taps, counts = {}, []
    for n, axis in enumerate((2, 3)):
        k, s, p, d = kernel[n], stride[n], padding[n], dilation[n]
        counts.append((x.shape[axis] + 2 * p - d * (k - 1) - 1) // s + 1)
        taps[axis] = Taps.window(counts[n], k, s, p, d)
    seen = windowed(mixed(track, [1]), x.shape, taps)
    return viewed(seen, (x.shape[0], result.shape[1], *counts), result.shape)


def maps_of(track: Track, x: Tensor, result: Tensor, args: tuple[Any, ...]) -> Track | None:
    """Beside col2im's result (N, C, H, W), None where windows overlap or leave something out."""
    kernel, dilation, padding, stride = (_both(value) for value in args)
    sides = (int(result.shape[2]), int(result.shape[3]))
    if x.ndim != 3 or not _side_by_side(sides, kernel, dilation, padding, stride):
        return None
    return moved(track, x.shape, lambda plane: _as_maps(plane, kernel, sides))


def _side_by_side(
    sides: tuple[int, ...],
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    stride: tuple[int, int],
) -> bool:
    whole = all(side % k == 0 for side, k in zip(sides, kernel, strict=True))
    return whole and kernel == stride and dilation == (1, 1) and padding == (0, 0)


def _as_columns(plane: Tensor, kernel: tuple[int, int]) -> Tensor:
    images, channels, height, width = plane.shape
    (down, across), (h, w) = (height // kernel[0], width // kernel[1]), kernel
    parts = plane.reshape(images, channels, down, h, across, w).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(images, channels * h * w, down * across)


def _as_maps(plane: Tensor, kernel: tuple[int, int], sides: tuple[int, int]) -> Tensor:
    h, w = kernel
    down, across = sides[0] // h, sides[1] // w
    images, channels = plane.shape[0], plane.shape[1] // (h * w)
    parts = plane.reshape(images, channels, h, w, down, across).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(images, channels, *sides)


def _both(value: Any) -> tuple[int, int]:
    several = [int(v) for v in ([value] if isinstance(value, int) else value)]
    return (several[0], several[-1])
