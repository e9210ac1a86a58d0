"""Neighbours by features are neighbours on the grid: clusters that were planted, and places that are free."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen.projection import TSNE_FROM, projected
from reportgen.report.pictures.set_map import on_grid


def planted(each: int, kinds: int, size: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Features of `kinds` clusters far apart, and which each row is of."""
    draw = np.random.default_rng(1)
    centres = draw.normal(0, 8, (kinds, size))
    of = np.repeat(np.arange(kinds), each)
    return centres[of] + draw.normal(0, 0.5, (len(of), size)), of


def test_planted_clusters_stay_together_from_features_to_the_grid() -> None:
    features, of = planted(12, 4)
    positions, how = projected(features)
    assert "t-SNE" in how
    places, _, _ = on_grid(positions)
    distance = np.abs(places[:, None] - places[None]).sum(2).astype(float)
    np.fill_diagonal(distance, np.inf)
    nearest = of[distance.argmin(1)]
    assert (nearest == of).mean() > 0.75, (
        "by chance a quarter; where clusters meet, one of several is nearest"
    )


def test_the_same_features_give_the_same_map() -> None:
    features, _ = planted(6, 3)
    first, second = projected(features)[0], projected(features.copy())[0]
    np.testing.assert_array_equal(first, second)


def test_few_images_are_laid_out_by_principal_components_and_it_is_said() -> None:
    features, _ = planted(2, 3)
    positions, how = projected(features)
    assert len(features) < TSNE_FROM and "too few for t-SNE" in how
    centred = features - features.mean(0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    expected = centred @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(positions), np.abs(expected), atol=1e-6)


def test_many_images_are_laid_out_by_principal_components_and_it_is_said() -> None:
    positions, how = projected(np.random.default_rng(0).normal(size=(1001, 3)))
    assert positions.shape == (1001, 2) and "too many for t-SNE" in how


@pytest.mark.parametrize("n", [2, 9, 10, 30])
def test_images_that_are_all_alike_have_places(n: int) -> None:
    positions, _ = projected(np.ones((n, 5), np.float32))
    assert np.isfinite(positions).all()
    assert len({*map(tuple, on_grid(positions)[0].tolist())}) == n


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 9))
def test_every_image_has_a_place_of_its_own_on_the_grid(n: int, seed: int) -> None:
    places, rows, columns = on_grid(np.random.default_rng(seed).normal(size=(n, 2)))
    assert len({*map(tuple, places.tolist())}) == n <= rows * columns
    assert (places >= 0).all() and (places < [rows, columns]).all()


def test_places_that_fit_are_kept() -> None:
    """Positions that lie on the grid's own places are given these: no other assignment is shorter."""
    n = 40
    _, rows, columns = on_grid(np.random.default_rng(0).normal(size=(n, 2)))
    chosen = np.arange(rows * columns)[:n]
    row, column = np.divmod(chosen, columns)
    corner = np.array([[0.0, 0.0], [1.0, 1.0]])  # the corners set the scale
    positions = np.column_stack([(column + 0.5) / columns, (row + 0.5) / rows])
    positions[[0, -1]] = corner
    places, _, _ = on_grid(positions)
    inner = slice(1, -1)
    np.testing.assert_array_equal(places[inner], np.column_stack([row, column])[inner])
