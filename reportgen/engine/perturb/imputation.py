"""Noisy linear imputation: what is taken away is filled in from what is left, so that nothing tells where it
was.

Rong et al. 2022, A Consistent and Efficient Evaluation Strategy for Attribution Methods (ROAD,
arXiv:2202.00449), sec. 5: every missing pixel is the weighted mean of its eight neighbours, those beside it
twice as heavy as those across, and a little noise is added. The linear system is solved by conjugate
gradients, all images of a batch at once; of an image of more than `GRID` pixels a side on a grid of that many
places, which what is smooth between known pixels does not feel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

GRID = 56  # places a side at most
NOISE = 0.01  # of the image's range
STEPS = 300  # of the solver, at most
TOLERANCE = 1e-3  # of the right side's length
BESIDE = 2.0  # how much a neighbour beside a place weighs, where one across weighs 1


def imputing(x: Tensor, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
    """What fills in images x (N, C, H, W): given numbers of images (B,) and what of them is hidden, bool (B,
    1, H, W), whole images (B, C, H, W) in which the rest is as it was. Nothing being left, the fill is the
    image's mean.
    """
    side = (min(GRID, x.shape[2]), min(GRID, x.shape[3]))
    generator = torch.Generator().manual_seed(seed)
    noise = NOISE * torch.randn(x.shape[1:], generator=generator).to(x)  # the same for every image
    spread = x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)

    def fill(image: Tensor, hidden: Tensor) -> Tensor:
        whole = x[image]
        known = (~hidden).to(x)
        share = adaptive_avg_pool2d(known, side)  # of each place of the grid that is known
        mean = adaptive_avg_pool2d(whole * known, side) / share.clamp(min=1e-12)
        solved = harmonic(mean, share >= 0.5, whole.mean((2, 3), keepdim=True))
        large = solved if solved.shape == whole.shape else _enlarged(solved, whole.shape[2:])
        return torch.where(hidden, large + spread[image] * noise, whole)

    return fill


def _enlarged(small: Tensor, side: torch.Size) -> Tensor:
    return interpolate(small, tuple(side), mode="bilinear", align_corners=False)


def harmonic(values: Tensor, known: Tensor, otherwise: Tensor) -> Tensor:
    """Values (B, C, h, w) where they are known, bool (B, 1, h, w), and everywhere else the weighted mean of
    the eight neighbours; `otherwise` (B, C, 1, 1) where nothing is known at all."""
    missing = (~known).to(values)
    none = ~known.flatten(1).any(1)[:, None, None, None]
    start = torch.where(known, values, otherwise.expand_as(values))
    if not bool(missing.any()):
        return start

    height, width = start.shape[2:]
    rows, columns = _along(height, start), _along(width, start)

    def neighbours(v: Tensor) -> Tensor:
        """The weighted sum of the eight neighbours of each place: of the nine places of the product of both
        axes, without the middle one."""
        return rows @ v @ columns - BESIDE**2 * v

    weight = neighbours(torch.ones_like(start[:1]))

    def laplacian(v: Tensor) -> Tensor:
        """The graph Laplacian of a grid, at the missing places: the sum over neighbours of weight times
        difference. At the edges there are fewer neighbours."""
        return missing * (weight * v - neighbours(v))

    # minus the Laplacian of what is known, and of the first guess
    r = torch.where(none, 0, -laplacian(start))
    found = torch.zeros_like(start)
    z = r / weight
    p, rz = z, (r * z).sum((2, 3), keepdim=True)
    limit = (TOLERANCE**2) * rz.clamp(min=1e-24)
    for _ in range(STEPS):
        done = rz <= limit  # such a channel stays as it is: no image depends on those beside it
        if bool(done.all()):
            break
        a = laplacian(p)
        step = torch.where(done, 0, rz / (p * a).sum((2, 3), keepdim=True).clamp(min=1e-24))
        found, r = found + step * p, r - step * a
        z = r / weight
        new = torch.where(done, rz, (r * z).sum((2, 3), keepdim=True))
        p, rz = torch.where(done, p, z + new / rz.clamp(min=1e-24) * p), new
    return start + found


def _along(side: int, like: Tensor) -> Tensor:
    """Sums along an axis of so many places: each with its neighbours' weights 1, and `BESIDE` for itself,
    (side, side)."""
    one = torch.ones(side - 1)
    return (BESIDE * torch.eye(side) + one.diag(1) + one.diag(-1)).to(like)
