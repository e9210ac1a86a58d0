"""Draws pictures of one coloured shape at a known place, beside a bar in the colour of another class.

The class is the colour of the shape, a disc, square, triangle or cross. Colour alone does not tell it: the
bar has that of another class, and what answers has to tell a shape from a bar.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

CLASSES = ("red", "green", "blue", "yellow")
COLOURS = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.8, 0.2], [0.25, 0.35, 0.95], [0.9, 0.85, 0.2]])
SHAPES = 4  # disc, square, triangle, cross
SIDE_PX = 64
SMALLEST_PX, LARGEST_PX = 9, 13  # half the width of a shape
EDGE_PX = 1.0  # edges are soft by this much, as a lens makes them


@dataclass
class Drawn:
    """Pictures (N, 3, 64, 64) in [0, 1], their classes (N,), and the box of each shape (N, 4): left, top,
    right, bottom in pixels, the last two past the shape's last column and row."""

    pixels: Tensor
    classes: Tensor
    boxes: Tensor


def drawn(count: int, draw: torch.Generator) -> Drawn:
    """`count` pictures, as the generator has them: class, shape, place and size are uniform."""
    classes = torch.randint(len(CLASSES), (count,), generator=draw)
    shapes = torch.randint(SHAPES, (count,), generator=draw)
    other = (classes + torch.randint(1, len(CLASSES), (count,), generator=draw)) % len(CLASSES)
    half = SMALLEST_PX + (LARGEST_PX - SMALLEST_PX) * torch.rand(count, generator=draw)
    middle = half[:, None] + (SIDE_PX - 2 * half[:, None]) * torch.rand(count, 2, generator=draw)
    pixels = _ground(count, draw)
    pixels = _over(pixels, _bar(count, draw), COLOURS[other])
    pixels = _over(pixels, _shape(shapes, middle, half), COLOURS[classes])
    noise = 0.03 * torch.randn(pixels.shape, generator=draw)
    low, high = (middle - half[:, None]).floor(), (middle + half[:, None]).ceil()
    boxes = torch.cat([low, high], 1).clamp(0, SIDE_PX).long()
    return Drawn((pixels + noise).clamp(0, 1), classes, boxes)


def _ground(count: int, draw: torch.Generator) -> Tensor:
    """A dim ground of soft clouds, (N, 3, 64, 64)."""
    clouds = 0.15 + 0.35 * torch.rand(count, 3, 5, 5, generator=draw)
    return F.interpolate(clouds, (SIDE_PX, SIDE_PX), mode="bicubic", align_corners=True)


def _places(middle: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel is right of and below a middle (N, 2), each (N, 64, 64)."""
    along = torch.arange(SIDE_PX) + 0.5
    across, down = along[None, None, :], along[None, :, None]
    x, y = (across - middle[:, 0, None, None], down - middle[:, 1, None, None])
    return torch.broadcast_tensors(x, y)


def _shape(shapes: Tensor, middle: Tensor, half: Tensor) -> Tensor:
    """What of each pixel the shape covers, (N, 64, 64) in [0, 1]; it touches all four sides of its box."""
    x, y = _places(middle)
    r = half[:, None, None]
    square = torch.maximum(x.abs(), y.abs()) - r
    inside = (
        (x.square() + y.square()).sqrt() - r,
        square,
        torch.maximum(y - r, 2 * x.abs() - y - r),  # tip above, base below
        torch.maximum(square, torch.minimum(x.abs(), y.abs()) - r / 3),
    )
    outside_px = torch.stack(inside, 1).gather(1, shapes[:, None, None, None].expand(-1, 1, SIDE_PX, SIDE_PX))
    return (0.5 - outside_px[:, 0] / EDGE_PX).clamp(0, 1)


def _bar(count: int, draw: torch.Generator) -> Tensor:
    """A bar of 20 × 5 px anywhere, turned anyhow: what it covers, (N, 64, 64)."""
    middle = 8 + (SIDE_PX - 16) * torch.rand(count, 2, generator=draw)
    turn = torch.pi * torch.rand(count, 1, 1, generator=draw)
    x, y = _places(middle)
    along, across = x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
    outside_px = torch.maximum(along.abs() - 10, across.abs() - 2.5)
    return (0.5 - outside_px / EDGE_PX).clamp(0, 1)


def _over(pixels: Tensor, covered: Tensor, colour: Tensor) -> Tensor:
    return pixels + covered[:, None] * (colour[:, :, None, None] - pixels)
