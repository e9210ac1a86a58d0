"""Which images have features far from those of all others."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from reportgen.findings import Array

FEWEST = 60  # images, below which nothing is far
NEIGHBOURS = 15  # the n/15-th nearest: fewer strangers than that have nobody of their kind within reach
AT_MOST = 5_000  # images that are held against one another
SPREADS = 5.0  # robust standard deviations of the logarithm of the distance


def standardised(features: Array) -> Array:
    """Features (n, F) with mean 0 and standard deviation 1 each; those that do not vary, or are not finite,
    are left out."""
    kept = features[:, np.isfinite(features).all(0)].astype(np.float64)
    spread = kept.std(0)
    varied = spread > 1e-6 * max(1e-12, float(spread.max(initial=0.0)))
    return np.asarray((kept[:, varied] - kept[:, varied].mean(0)) / spread[varied])


def unlike_the_rest(features: Array) -> Array:
    """Which rows (n,) of features (n, F) are unlike the others: their distance to the n/15-th nearest is
    unusually large, or the features are unusually weak, as of pictures in which nothing is recognised
    (Dhamija, Günther & Boult 2018). None of fewer than 60 rows; of many the first 5,000 are looked at."""
    n = min(len(features), AT_MOST)
    far = np.zeros(len(features), dtype=bool)
    if n < FEWEST:
        return far
    x = standardised(features[:n])
    if not x.shape[1]:
        return far
    k = max(5, n // NEIGHBOURS)
    distance = NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]
    weak = np.linalg.norm(np.nan_to_num(features[:n].astype(np.float64)), axis=1)
    far[:n] = _beyond(distance) | _beyond(1 / np.maximum(weak, 1e-12))
    return far


def _beyond(values: Array) -> Array:
    """Which positive values (n,) lie far above the median of their logarithms."""
    log = np.log(np.maximum(values, 1e-12))
    middle = np.median(log)
    spread = max(1.4826 * float(np.median(np.abs(log - middle))), 0.05)
    return np.asarray(log > middle + SPREADS * spread)
