"""A Gaussian blur, along the rows and then along the columns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def gaussian_blur(x: Tensor, window_px: int, sigma_px: float) -> Tensor:
    """Images (N, C, H, W) under a Gaussian cut to an odd window, mirrored at the edges, (N, C, H, W).

    What torchvision's function of this name gives, but for rounding. That one sums over the whole window at
    each place, 111 times as much for 224 pixels, and its import takes as long as torch's own.
    """
    half = window_px // 2
    offsets_px = torch.arange(-half, half + 1, dtype=x.dtype, device=x.device)
    weights = torch.exp(-((offsets_px / sigma_px) ** 2) / 2)
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, -1)  # (C, 1, 1, window)
    mirrored = pad(x, [half] * 4, mode="reflect")
    along_rows = conv2d(mirrored, weights, groups=x.shape[1])
    return conv2d(along_rows, weights.transpose(2, 3), groups=x.shape[1])
