"""Galleries as strips: what a caption says of tiles that hold nothing to draw."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from reportgen.findings import Gallery
from reportgen.report.cards.tables import strip

RAMP = np.arange(16, dtype=np.float32).reshape(4, 4)


def caption(*tiles: np.ndarray, scale: Literal["each", "grid"] = "each") -> str:
    finding = Gallery("conv", "conv", np.stack(tiles), None, "weights", scale=scale)
    return strip(finding, "model-filters", "the model").caption


def test_tiles_of_one_value_and_tiles_that_are_not_finite_are_counted() -> None:
    broken = np.where(RAMP == 3, np.nan, RAMP)
    assert caption(RAMP, 2 * RAMP) == "4×4, no. 0, 1"
    assert caption(RAMP, 0 * RAMP, 0 * RAMP + 7).endswith("; 2 tiles of one value, left grey")
    assert caption(RAMP, broken, 0 * RAMP).endswith("; 1 tile of one value and 1 tile not finite, left grey")


@pytest.mark.parametrize("together, columns", [(1, 16), (3, 15), (10, 10), (16, 16), (64, 16)])
def test_no_row_parts_the_slices_of_one_filter(together: int, columns: int) -> None:
    tiles = np.random.default_rng(0).normal(size=(128, 3, 3))
    finding = Gallery("conv", "conv", tiles, None, "weights", together=together)
    assert strip(finding, "model-filters", "the model").columns == columns


@pytest.mark.parametrize(
    "tiles, plain",
    [((RAMP, 0 * RAMP + 5), False), ((0 * RAMP, 0 * RAMP + 1), False), ((0 * RAMP, 0 * RAMP), True)],
)
def test_on_one_scale_a_tile_of_one_value_has_its_place(tiles: tuple[np.ndarray, ...], plain: bool) -> None:
    assert ("left grey" in caption(*tiles, scale="grid")) is plain
