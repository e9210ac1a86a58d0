"""The temperature that logits are divided by so that confidence is right (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from reportgen.findings import Array

WIDEST = 20.0  # temperatures from a twentieth to this are tried


def fitted(logits: Array, labels: Array) -> float:
    """The temperature of the least mean log loss of logits (n, C) and labels (n,), from 1/20 to 20. The loss
    is convex in its inverse, so that it has one valley along its logarithm."""
    found = minimize_scalar(
        lambda log: float(log_losses(logits, labels, float(np.exp(log))).mean()),
        bounds=(-np.log(WIDEST), np.log(WIDEST)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_losses(logits: Array, labels: Array, temperature: float = 1.0) -> Array:
    """The log loss of each image (n,), in nats."""
    wide = logits / temperature
    wide = wide - wide.max(1, keepdims=True)
    logs = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    return np.asarray(-logs[np.arange(len(labels)), labels])
