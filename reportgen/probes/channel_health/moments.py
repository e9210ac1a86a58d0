"""What is kept of a channel's values over a set: highest, lowest, moments, spectrum; and correlations."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reportgen.findings import Array

NEAR_NYQUIST = 0.4  # cycles a place; a grid holds 0.5 at most


def partly_finite(a: Tensor) -> Tensor:
    """Which images of a layer's output (N, C, …) have a channel that is finite throughout, bool (N,).

    An image of which nothing is finite says nothing of a channel: it would make all of them unknown.
    """
    return a.flatten(2).isfinite().all(2).any(1)


def highest_and_lowest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest and the smallest value of each row (R, P); -inf and inf where there is no place."""
    if rows.shape[1]:
        return rows.amax(1), rows.amin(1)
    nothing = rows.new_full((len(rows),), torch.inf)
    return -nothing, nothing


def moments(rows: Tensor, pairs: bool) -> dict[str, Tensor]:
    """First and second moments of rows (R, P) over P places, the last row being the input's.

    They are taken about the batch's mean, where single precision is enough, and moved to zero in
    double precision, where they add up.
    """
    count = rows.shape[1]
    mean = (rows.mean(1) if count else rows.sum(1)).double()  # (R,)
    centred = rows - mean.to(rows.dtype)[:, None]
    sums = {
        "places": torch.tensor(count),
        "total": count * mean,
        "square": centred.square().sum(1).double() + count * mean.square(),
        "input": (centred @ centred[-1]).double() + count * mean * mean[-1],
    }
    if pairs:
        cross = (centred @ centred.T).double() + count * mean.outer(mean)  # (R, R)
        upper = torch.triu_indices(len(rows), len(rows), device=rows.device)
        sums["pairs"] = cross[upper[0], upper[1]]  # half of a symmetric matrix
    return sums


def correlations(sums: dict[str, Array]) -> tuple[Array, Array, Array | None]:
    """From summed `moments` of C channels and the input: the channels' standard deviation (C,), r with
    the input (C,), r between channels (C, C) or None. r is 0 where either does not vary."""
    places = max(float(sums["places"]), 1)  # of a layer that is nowhere finite there are none
    mean = sums["total"] / places
    std = np.sqrt(np.maximum(sums["square"] / places - mean**2, 0))
    by_input = scaled(sums["input"] / places - mean * mean[-1], std * std[-1])
    if "pairs" not in sums:
        return std[:-1], by_input[:-1], None
    half = np.zeros((len(mean), len(mean)))
    half[np.triu_indices(len(mean))] = sums["pairs"]
    cross = half + np.triu(half, 1).T
    between = scaled(cross / places - np.outer(mean, mean), np.outer(std, std))
    return std[:-1], by_input[:-1], between[:-1, :-1]


def scaled(covariance: Array, spread: Array) -> Array:
    """Covariances over products of spreads; 0 where those are none, or not finite."""
    usable = np.isfinite(covariance) & np.isfinite(spread) & (spread > 0)
    shares: Array = np.divide(covariance, spread, out=np.zeros_like(covariance), where=usable)
    return shares


def spectrum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The energy of each channel of maps (N, C, h, w) but for the mean, and that above NEAR_NYQUIST
    along either axis, summed over images: (C,) and (C,). The window keeps the maps' borders, which
    do not meet, out of the spectrum."""
    if not len(maps):
        nothing = maps.new_zeros(maps.shape[1], dtype=torch.float64)
        return nothing, nothing
    height, width = maps.shape[2:]
    window = torch.outer(
        torch.hann_window(height, periodic=False, device=maps.device),
        torch.hann_window(width, periodic=False, device=maps.device),
    )
    centred = maps - (maps * window).sum((2, 3), keepdim=True) / window.sum()
    rounding = 1e-6 * maps.abs().amax((2, 3), keepdim=True)  # all that is left of a constant map
    centred = torch.where(centred.abs() > rounding, centred, 0)
    halves = torch.view_as_real(torch.fft.rfft2(centred * window))  # (N, C, h, w//2 + 1, 2)
    power = halves.square().sum((0, -1)).double()  # (C, h, w//2 + 1)
    down = torch.fft.fftfreq(height, device=maps.device).abs()[:, None]
    across = torch.fft.rfftfreq(width, device=maps.device)[None]
    power *= torch.where((across == 0) | (across == 0.5), 1, 2)  # the others stand for two, +f and -f
    return power.sum((1, 2)), power[:, torch.maximum(down, across) > NEAR_NYQUIST].sum(1)
