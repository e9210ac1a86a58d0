"""Places in two dimensions -> a place of a grid for each, so that neighbours stay near each other."""

from __future__ import annotations

import math

import numpy as np

from reportgen.findings import Array

ROOM = 1.25  # places for each image
WIDE = 1.6  # columns for a row


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
