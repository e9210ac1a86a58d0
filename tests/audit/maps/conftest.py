"""Records of maps that were asked, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

RANDOM = [-0.1, 0.1, 0.05, -0.05]


def asked_of(
    weights: float | None = 0.05,
    counts: float | None = 0.5,
    rival: float | None = 0.1,
    share: float | None = 0.6,
    amount: float | None = 0.5,
    steady: float | None = 0.9,
    flag: str | None = None,
) -> dict[str, Any]:
    """What one map answered: all is well, unless it is said otherwise."""
    asked: dict[str, Any] = {
        "weights": {"half": 0.2, "all": weights, "others": 0.1, "gaussian": 0.05, "edges": 0.2},
        "counts": {"blur": counts, "imputed": counts},
        "class": {"rival": rival, "itself": 0.95},
        "picture": {"share": share},
        "amount": {"rho": amount, "others": 0.1, "gaussian": 0.15},
        "steady": {"itself": steady, "noise": 0.01},
    }
    return {"deletion": [], "insertion": [], "asked": asked, "flag": flag}


@pytest.fixture
def image() -> Callable[..., dict[str, Any]]:
    """image(method=…, …): one image's record; every two methods agree by 0.25, each with itself by 1."""

    def make(**methods: dict[str, Any]) -> dict[str, Any]:
        rho = np.full((len(methods), len(methods)), 0.25) + 0.75 * np.eye(len(methods))
        return {
            "methods": methods,
            "doubtful": False,
            "random": {"gain": {"blur": RANDOM, "imputed": RANDOM}},
            "greedy": {"blur": 0.8, "imputed": 0.8},
            "agreement": {"methods": list(methods), "rho": rho.tolist()},
        }

    return make


@pytest.fixture
def answers() -> Callable[..., dict[str, Any]]:
    """What one map answered (see `asked_of`)."""
    return asked_of
