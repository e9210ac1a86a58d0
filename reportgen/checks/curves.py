"""Operating curves of a few classes, one against the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from reportgen.findings import Array, Curve

FEW = 5  # classes, a line each
GRID = np.linspace(0, 1, 101)
RATE = (0.0, 1.0)


def operating_curves(scores: Array, labels: Array, names: Sequence[str]) -> tuple[Curve, ...]:
    """The ROC and the precision over the recall of scores (N, C) against labels (N,), a line a class that
    occurs and is not all; of two classes the second. Nothing where there are more than a few.

    Sensitivity is read off as a step function, the largest at up to a false positive rate; precision as the
    largest at no less than a recall (Fawcett 2006; Davis & Goadrich 2006, no line between two points).
    """
    shown = [k for k in range(len(names)) if 0 < int((labels == k).sum()) < len(labels)]
    if not shown or len(names) > FEW:
        return ()
    shown = shown[-1:] if len(names) == 2 else shown
    roc = np.stack([_sensitivity(labels == k, scores[:, k]) for k in shown])
    precision = np.stack([_precision(labels == k, scores[:, k]) for k in shown])
    lines = tuple(names[k] for k in shown)
    title = "Receiver operating characteristic, each class against the rest"
    of_recall = "Precision over recall, each class against the rest"
    return (
        Curve("roc", title, roc, GRID, lines, "false positive rate", "true positive rate", None, RATE),
        Curve("precision", of_recall, precision, GRID, lines, "recall", "precision", None, RATE),
    )


def _sensitivity(truth: Array, scores: Array) -> Array:
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    return np.asarray(true[np.searchsorted(false, GRID, side="right") - 1])


def _precision(truth: Array, scores: Array) -> Array:
    precision, recall, _ = precision_recall_curve(truth, scores)  # recall falls
    best = np.maximum.accumulate(precision[:-1])  # of all thresholds with at least this recall
    rising = recall[:-1][::-1]
    return np.asarray(best[::-1][np.searchsorted(rising, GRID - 1e-12, side="left").clip(max=len(best) - 1)])
