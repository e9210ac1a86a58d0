"""The whole image moved, scaled or turned: exact where a pixel falls on a pixel, else bilinear."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from typing_extensions import assert_never

from reportgen.engine.needs import Transformation, Transformed

SNAP = 2**16  # of a pixel: nearer than this to a pixel is on it, whatever sines are rounded to


def matrices(need: Transformed, height: int, width: int) -> Tensor:
    """For each value where a pixel's colour comes from, (V, 2, 3) float64: (y, x) = M·(y, x, 1)."""
    return torch.tensor(
        [_matrix(need.kind, value, (height - 1) / 2, (width - 1) / 2) for value in need.values],
        dtype=torch.float64,
    )


def _matrix(kind: Transformation, value: float, middle_y: float, middle_x: float) -> list[list[float]]:
    if kind == "translation-y":
        return [[1, 0, -value], [0, 1, 0]]
    if kind == "translation-x":
        return [[1, 0, 0], [0, 1, -value]]
    if kind == "scale":
        (a, b), (c, d) = (1 / value, 0.0), (0.0, 1 / value)
    elif kind == "rotation":
        angle = math.radians(value)
        (a, b), (c, d) = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    else:
        assert_never(kind)
    # about the image's middle
    return [
        [a, b, middle_y - a * middle_y - b * middle_x],
        [c, d, middle_x - c * middle_y - d * middle_x],
    ]


def warp(images: Tensor, matrix: Tensor, fill: Tensor | None) -> Tensor:
    """Images (B, C, H, W) with each pixel's colour taken from where its matrix (B, 2, 3) says.

    Outside stands `fill` (B, C, H, W), or for None the nearest pixel of the edge.
    """
    height, width = images.shape[-2:]
    y = torch.arange(height, dtype=torch.float64, device=images.device)[:, None]  # (H, 1)
    x = torch.arange(width, dtype=torch.float64, device=images.device)  # (W,)
    by_y, by_x, shift = matrix[..., None, None].unbind(2)  # (B, 2, 1, 1) each
    at = by_y * y + by_x * x + shift  # (B, 2, H, W)
    at = (at * SNAP).round() / SNAP
    low = at.floor()
    pixels = images.flatten(2)  # (B, C, H·W)
    part_y, part_x = (at - low).to(images.dtype)[:, :, None].unbind(1)  # (B, 1, H, W) each

    def corner(step_y: int, step_x: int) -> Tensor:
        row, column = (low[:, 0] + step_y).long(), (low[:, 1] + step_x).long()  # (B, H, W)
        flat = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        colours = pixels.gather(2, flat.flatten(1)[:, None].expand(-1, images.shape[1], -1))
        if fill is None:
            return colours.view(images.shape)
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        return torch.where(inside[:, None], colours.view(images.shape), fill)

    upper = corner(0, 0).lerp(corner(0, 1), part_x)
    return upper.lerp(corner(1, 0).lerp(corner(1, 1), part_x), part_y)
