"""Is a map on the object? Where the recipe has boxes: the share of its positive values that lies in them.

Relevance mass accuracy of Arras et al. 2022, CLEVR-XAI (arXiv:2003.07258); the pointing game of Zhang et al.
2018, Top-down Neural Attention by Excitation Backprop (arXiv:1608.00507), with a tolerance of a fifteenth of
the side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from reportgen.measure.maps.asking import Asking, ByMethod
from reportgen.measure.maps.likeness import gaussian

TOLERANCE = 15  # the pointing game forgives so great a part of the side


def is_on_the_object(asking: Asking) -> ByMethod:
    """Each map's `mass` in the boxes, that of a centred `gaussian`, and whether its highest place `points` at
    them, of the images that have boxes."""
    batch = asking.batch
    height, width = batch.pixels.shape[2:]
    inside = _inside(batch.boxes, height, width)  # (n, H, W)
    rows = [row for row in range(len(inside)) if bool(inside[row].any()) and not bool(inside[row].all())]
    found: ByMethod = {}
    for name, maps in batch.maps.items():
        large = interpolate(maps[:, None].float(), (height, width), mode="bilinear")[:, 0]
        found[name] = {
            row: {
                "mass": mass_in(large[row], inside[row]),
                "gaussian": mass_in(gaussian(height, width), inside[row]),
                "points": points_at(large[row], inside[row]),
            }
            for row in rows
        }
    return found


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """What the boxes of each image (n, P, 4) cover together, bool (n, H, W)."""
    y, x = torch.arange(height)[:, None], torch.arange(width)[None]
    covered = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for row, several in enumerate(boxes.tolist()):
        for top, left, bottom, right in several:
            covered[row] |= (y >= top) & (y < bottom) & (x >= left) & (x < right)
    return covered


def mass_in(values: Tensor, inside: Tensor) -> float | None:
    """The share of a map's (H, W) positive values inside, bool (H, W); None where it has none."""
    positive = values.double().clamp(min=0)
    total = float(positive.sum())
    return float(positive[inside].sum()) / total if 0 < total < float("inf") else None


def points_at(values: Tensor, inside: Tensor) -> float | None:
    """1 where the highest place of a map (H, W) is inside or near it, else 0."""
    if not bool(values.isfinite().all()):
        return None
    reach = 2 * (min(values.shape) // TOLERANCE) + 1
    near = max_pool2d(inside[None].float(), reach, stride=1, padding=reach // 2)[0]
    return float(near.flatten()[int(values.flatten().argmax())])
