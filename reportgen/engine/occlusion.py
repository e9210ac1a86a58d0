"""Copies of images with a window covered, packed into full batches. Zeiler & Fergus 2013, sec. 4.2."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from reportgen.engine.needs import Baseline, Normalisation, Occluded

PIXEL = {"grey": 0.5, "black": 0.0}


def baseline_like(x: Tensor, baseline: Baseline, normalisation: Normalisation, window_px: int) -> Tensor:
    """What a window shows, broadcastable to x (N, C, H, W), in the normalised space.

    `grey` is 0.5 and `black` 0 in pixel space, `mean` the mean of the normalisation (zero after
    it), `blur` the image itself under a Gaussian of a quarter of the window.
    """
    mean = x.new_tensor(normalisation.mean)[:, None, None]  # (C, 1, 1)
    std = x.new_tensor(normalisation.std)[:, None, None]
    if baseline == "blur":
        largest = min(x.shape[-2:])
        kernel = min(window_px | 1, largest - (largest + 1) % 2)  # odd, and no larger than the image
        blurred: Tensor = gaussian_blur(x, [kernel, kernel], [window_px / 4, window_px / 4])
        return blurred
    if baseline == "mean":
        return torch.zeros_like(mean).expand_as(x)
    return ((PIXEL[baseline] - mean) / std).expand_as(x)


def masks(variants: Occluded, height_px: int, width_px: int, device: torch.device) -> Tensor:
    """Where each window covers the image, bool (V, 1, H, W)."""
    boxes = torch.tensor(variants.boxes(height_px, width_px), device=device)  # (V, 4)
    y = torch.arange(height_px, device=device)
    x = torch.arange(width_px, device=device)
    top, left, bottom, right = boxes[:, :, None].unbind(1)  # each (V, 1)
    rows = (y >= top) & (y < bottom)  # (V, H)
    columns = (x >= left) & (x < right)  # (V, W)
    return (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


def packed(
    x: Tensor, variants: Occluded, normalisation: Normalisation, batch_size: int
) -> Iterator[Tensor]:
    """Batches of `batch_size` covered copies, image by image and window by window, (B, C, H, W).

    A batch may hold windows of several images; only the last one may be smaller.
    """
    fill = baseline_like(x, variants.baseline, normalisation, variants.window_px)
    covered = masks(variants, x.shape[2], x.shape[3], x.device)
    number = torch.arange(len(x) * len(covered), device=x.device)
    for chunk in number.split(batch_size):
        image, window = chunk // len(covered), chunk % len(covered)
        yield torch.where(covered[window], fill[image], x[image])
