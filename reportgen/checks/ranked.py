"""How well the probability of each class ranks its images: ROC, precision over recall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from reportgen.findings import Array, Curve, Finding

DRAWN_AT_MOST = 5  # classes with a line each
POINTS = 101


@dataclass(frozen=True)
class Ranked:
    """Probabilities (n, C) and labels (n,) of labelled images; each class is held against all others. Of two
    classes only the second is: the first is its mirror image."""

    p: Array
    labels: Array
    classes: tuple[str, ...]

    @property
    def told(self) -> list[int]:
        """The classes that some of the images have, and not all."""
        every = [int(k) for k in np.unique(self.labels) if not (self.labels == k).all()]
        return [1] if len(self.classes) == 2 and every else every

    def rows(self) -> list[tuple[str, float | None]]:
        """The area under the ROC and the average precision, as means over classes."""
        if not self.told or not np.isfinite(self.p).all():
            return []
        areas = [roc_auc_score(self.labels == k, self.p[:, k]) for k in self.told]
        precisions = [average_precision_score(self.labels == k, self.p[:, k]) for k in self.told]
        of = f", of {self.classes[1]}" if len(self.classes) == 2 else ", macro"
        return [
            (f"area under the ROC{of}", float(np.mean(areas))),
            (f"average precision{of}", float(np.mean(precisions))),
        ]

    def curves(self) -> tuple[Finding, ...]:
        """Both curves, a line a class; none of many classes."""
        if not 0 < len(self.told) <= DRAWN_AT_MOST or not np.isfinite(self.p).all():
            return ()
        x = np.linspace(0, 1, POINTS)
        rocs, precisions = [], []
        for k in self.told:
            false, true, _ = roc_curve(self.labels == k, self.p[:, k])
            rocs.append(np.interp(x, false, true))
            precision, recall, _ = precision_recall_curve(self.labels == k, self.p[:, k])
            best = np.maximum.accumulate(precision)  # in order of falling recall
            precisions.append(best[len(recall) - 1 - np.searchsorted(recall[::-1], x)])
        names, ends = tuple(self.classes[k] for k in self.told), (0.0, 1.0)
        title, across, up = "ROC, a class against the others", "false positive rate", "true positive rate"
        roc = Curve("roc", title, np.stack(rocs)[None], x, names, across, up, None, ends)
        title = "Precision over recall, a class against the others"
        over = Curve(
            "precision", title, np.stack(precisions)[None], x, names, "recall", "precision", None, ends
        )
        return roc, over
