"""What a network made of many things -> two dimensions: near each other what it takes for alike.

Numpy and scikit-learn alone: the set's map and the atlas of a layer are laid out by the same rule.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
COMPONENTS = 50  # that t-SNE starts from, as van der Maaten & Hinton 2008 do
TSNE_FROM, TSNE_TO = 10, 1000  # rows; fewer have no neighbourhoods, more take minutes
EXACT_TO = 300  # rows; of more the forces are approximated by Barnes-Hut trees
PERPLEXITY = 30.0


def projected(features: Array, seed: int = 0, things: str = "images") -> tuple[Array, str]:
    """The rows of `features` (n, F) in two dimensions (n, 2), and by what, in words; n is at least 2.

    van der Maaten & Hinton 2008, Visualizing Data using t-SNE (JMLR 9).
    """
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
        return flat, f"by their first two principal components, as {n:,} {things} are too {few} for t-SNE"
    from sklearn.manifold import TSNE

    start = components[:, :2] / max(float(components[:, 0].std()), 1e-12) * 1e-4
    if start.shape[1] < 2:
        start = np.column_stack([start, np.zeros(n)])
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    method = "exact" if n <= EXACT_TO else "barnes_hut"
    tsne = TSNE(2, perplexity=perplexity, init=start, method=method, random_state=seed)
    places = tsne.fit_transform(components[:, :COMPONENTS].astype(np.float32))
    return np.asarray(places, np.float64), f"by t-SNE (perplexity {perplexity:.3g}, seed {seed})"
