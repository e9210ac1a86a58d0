"""The temperature that logits are divided by so that confidence is right (Guo et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar

from reportgen.findings import Array

WIDEST = 20.0  # temperatures from a twentieth to this are tried


def fitted(logits: Array, labels: Array) -> float:
    """The temperature of the least mean log loss of logits (n, C) and labels (n,), from 1/20 to 20. The loss
    is convex in its inverse, so that it has one valley along its logarithm."""
    return _least(lambda temperature: float(log_losses(logits, labels, temperature).mean()))


def cautiously_fitted(logits: Array, labels: Array) -> float:
    """The same, as if one image more had been seen, with every class for its label alike: where few images
    have no mistake among them, certainty would be the best of all, and wrong for others.

    Laplace's rule of succession, as a share 1 / (n + 1) of smoothing in the labels (Szegedy et al. 2016,
    Rethinking the Inception Architecture, sec. 7).
    """
    share = 1 / (len(labels) + 1)

    def loss(temperature: float) -> float:
        logs = _log_probabilities(logits, temperature)
        own = logs[np.arange(len(labels)), labels].mean()
        return -float((1 - share) * own + share * logs.mean())

    return _least(loss)


def _least(loss: Callable[[float], float]) -> float:
    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))),
        bounds=(-np.log(WIDEST), np.log(WIDEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_losses(logits: Array, labels: Array, temperature: float = 1.0) -> Array:
    """The log loss of each image (n,), in nats."""
    return np.asarray(-_log_probabilities(logits, temperature)[np.arange(len(labels)), labels])


def _log_probabilities(logits: Array, temperature: float) -> Array:
    wide = logits / temperature
    wide = wide - wide.max(1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(1, keepdims=True)))
