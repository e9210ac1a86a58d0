"""Features of many images -> a place of a grid for each: near each other what the network takes for alike."""

from __future__ import annotations

import math

import numpy as np

from reportgen.findings import Array

COMPONENTS = 50  # that t-SNE starts from, as van der Maaten & Hinton 2008 do
TSNE_FROM, TSNE_TO = 10, 1000  # images; fewer have no neighbourhoods, more take minutes
EXACT_TO = 300  # images; of more the forces are approximated by Barnes-Hut trees
PERPLEXITY = 30.0
ROOM = 1.25  # places for each image
WIDE = 1.6  # columns for a row


def projected(features: Array, seed: int = 0) -> tuple[Array, str]:
    """The rows of `features` (n, F) in two dimensions (n, 2), and by what, in words; n is at least 2."""
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    left = left * np.where(
        left[np.abs(left).argmax(0), np.arange(len(sizes))] < 0, -1.0, 1.0
    )  # signs are free
    components = left * sizes  # (n, min(n, F)), the first vary most
    n = len(features)
    if not TSNE_FROM <= n <= TSNE_TO:
        few = "few" if n < TSNE_FROM else "many"
        flat = np.zeros((n, 2))
        flat[:, : min(2, components.shape[1])] = components[:, :2]
        return flat, f"by their first two principal components, as {n:,} images are too {few} for t-SNE"
    from sklearn.manifold import TSNE

    start = components[:, :2] / max(float(components[:, 0].std()), 1e-12) * 1e-4
    if start.shape[1] < 2:
        start = np.column_stack([start, np.zeros(n)])
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    method = "exact" if n <= EXACT_TO else "barnes_hut"
    tsne = TSNE(2, perplexity=perplexity, init=start, method=method, random_state=seed)
    places = tsne.fit_transform(components[:, :COMPONENTS].astype(np.float32))
    return np.asarray(places, np.float64), f"by t-SNE (perplexity {perplexity:.3g}, seed {seed})"


def on_grid(positions: Array) -> tuple[Array, int, int]:
    """A free place (row, column) of a grid for each position (n, 2), so that the squared ways are the
    shortest in the sum; and how many rows and columns it has."""
    from scipy.optimize import linear_sum_assignment

    n = len(positions)
    columns = max(1, math.ceil(math.sqrt(n * ROOM * WIDE)))
    rows = max(1, math.ceil(n * ROOM / columns))
    low, high = positions.min(0), positions.max(0)
    scaled = (positions - low) / np.where(high > low, high - low, 1.0)  # (n, 2) in [0, 1]
    row, column = np.divmod(np.arange(rows * columns), columns)
    centres = np.column_stack([(column + 0.5) / columns, (row + 0.5) / rows])
    aspect = np.array([columns, rows])  # a step is a step both ways
    ways = (((scaled[:, None] - centres[None]) * aspect) ** 2).sum(2)  # (n, places)
    _, chosen = linear_sum_assignment(ways)
    return np.column_stack([row[chosen], column[chosen]]), rows, columns
