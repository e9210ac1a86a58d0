"""What a measurement depends on: the part of a recipe that only judges is no part of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.measure.audit import prepare
from reportgen.recipe import TrustLimits, TrustRecipe, load

MNIST = Path(__file__).parents[2] / "examples" / "mnist"


@pytest.fixture(scope="module")
def key():
    """The key of one digit's measurement under a recipe's `trust`."""
    digit = min((MNIST / "digits").rglob("*.png"))

    def of(trust: TrustRecipe) -> str:
        recipe = load(MNIST / "recipe.yaml").with_values({"images.labels": "none", "run.device": "cpu"})
        recipe = recipe.model_copy(update={"trust": trust})
        audit = prepare(recipe, MNIST / "checkpoints" / "epoch-10.safetensors", digit, None, False)
        return audit.key(audit.main)

    return of


def test_the_limits_of_trust_change_no_measurement(key) -> None:
    limits = TrustLimits(randomised=0.1, beats_random_sd=5)
    assert key(TrustRecipe(limits=limits)) == key(TrustRecipe())


@pytest.mark.parametrize(
    "change",
    [{"images": 0}, {"dear": 1}, {"steps": 5}, {"random_orders": 3}, {"copies": 2}, {"noise_std": 0.1}],
)
def test_how_the_maps_are_tested_is_part_of_the_measurement(key, change: dict) -> None:
    assert key(TrustRecipe(**change)) != key(TrustRecipe())
