"""The expected calibration error less what binning adds by chance, with an interval over images."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from reportgen.findings import Array

AT_MOST = 20_000  # images of which it is told
BINS = 15
DRAWS = 200


def estimated(sure: Array, right: Array) -> float:
    """The error of confidences (N,) and answers (N,) 0 or 1, less its bias."""
    order = np.argsort(sure, kind="stable")
    return max(0.0, _error(sure[order], right[order].astype(np.float64), np.ones(len(order)), 1.0))


def debiased(sure: Array, right: Array, seed: int) -> tuple[float, float, float]:
    """The expected calibration error of confidences (N,) and answers (N,) 0 or 1, less its bias, with a 95 %
    bootstrap interval over images (of at most 20,000 of them).

    The bias is what the noise of each bin adds to the size of its difference, by a normal distribution
    around that of a smooth curve of the share right over the confidence (Platt's). A resample has the noise
    of the images twice over. Near an error of nothing, where a bootstrap lies above it too often, the
    interval begins above 0 only where the error is more than calibrated networks have by chance.
    """
    draw = np.random.default_rng(seed)
    order = np.argsort(sure, kind="stable")
    if len(order) > AT_MOST:
        order = np.sort(draw.permutation(order)[:AT_MOST])
        order = order[np.argsort(sure[order], kind="stable")]
    x, y = sure[order], right[order]
    n = len(x)
    error = _error(x, y, np.ones(n), 1.0)
    times = draw.multinomial(n, np.full(n, 1 / n), DRAWS)  # how often a resample has each image
    again = [_error(x, y, weights.astype(np.float64), 2.0) for weights in times]
    low, high = np.quantile(again, [0.025, 0.975])
    if low > 0 and error <= _by_chance(x, draw):
        low = 0.0
    return max(0.0, error), max(0.0, float(low)), max(0.0, float(high))


def _by_chance(sure: Array, draw: np.random.Generator) -> float:
    """The error that only one calibrated network in twenty has on as many images of these confidences, in
    order (N,): right answers are drawn by them. Bröcker & Smith 2007, Increasing the Reliability of
    Reliability Diagrams (consistency resampling)."""
    ones = np.ones(len(sure))
    drawn = (draw.random((DRAWS, len(sure))) < sure).astype(np.float64)
    found = [_error(sure, right, ones, 1.0) for right in drawn]
    return float(np.quantile(found, 0.95))


def _error(sure: Array, right: Array, weights: Array, noise: float) -> float:
    """The mean over bins of equally many answers of |mean confidence - share right|, less what the noise of
    the bins adds, which is `noise` times that of the images. In order of the confidence (N,)."""
    curve = _curve(sure, right, weights)
    bins = np.minimum((np.cumsum(weights) - weights) * BINS // weights.sum(), BINS - 1).astype(np.int64)
    count = np.maximum(np.bincount(bins, weights, BINS), 1e-9)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(bins, weights * values, BINS) / count)

    gap, smooth = np.abs(mean(sure - right)), np.abs(mean(sure - curve))
    spread = np.sqrt(noise * mean(curve * (1 - curve)) / count) + 1e-12
    folded = spread * np.sqrt(2 / np.pi) * np.exp(-(smooth**2) / (2 * spread**2))
    folded += smooth * (1 - 2 * norm.cdf(-smooth / spread))
    return float((count * (gap - (folded - smooth))).sum() / count.sum())


def _curve(sure: Array, right: Array, weights: Array) -> Array:
    """The share right over the confidence (N,), smooth: a line over its log odds (Platt 1999), by Newton's
    method with a little ridge, so that all right or all wrong has an end."""
    odds = np.clip(sure, 1e-6, 1 - 1e-6)
    x = np.stack([np.ones(len(sure)), np.log(odds / (1 - odds))], 1)
    line, ridge = np.array([0.0, 1.0]), 0.1 * np.eye(2)
    for _ in range(8):
        p = 1 / (1 + np.exp(-np.clip(x @ line, -30, 30)))
        slope = x.T @ (weights * (right - p)) - ridge @ (line - np.array([0.0, 1.0]))
        line = line + np.linalg.solve((x * (weights * p * (1 - p))[:, None]).T @ x + ridge, slope)
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ line, -30, 30))))
