"""Numbers over a set whose images have several labels, each by itself: by label, and in the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, Gated, Share
from reportgen.audit.ranking import average_precision, roc_auc
from reportgen.findings import Array
from reportgen.stats import wilson


class LabelScores(TypedDict):
    """One label: how often it holds and is answered (p of 1/2 and more), and how well it is ranked."""

    class_index: Count
    class_name: str
    count: Annotated[Count, "labelled images of which it holds"]
    answered: Count
    correct: Annotated[Count, "of those where it holds, the answered ones"]
    precision: Annotated[Share | None, "null where it was never answered"]
    recall: Annotated[Share | None, "null where it never holds"]
    low: Annotated[Share | None, "of the recall, 95 %"]
    high: Annotated[Share | None, "of the recall, 95 %"]
    f1: Annotated[Share | None, "null where it neither holds nor is answered"]
    average_precision: Annotated[Share | None, "null where it never holds"]
    roc_auc: Annotated[Share | None, "null where it always holds or never"]


class OfLabels(TypedDict):
    """A set of labels, each by itself. Means over labels leave out those whose number is null."""

    per_label: list[LabelScores]
    mean_average_precision: Annotated[Share | None, "the mean over labels (mAP)"]
    macro_f1: Annotated[Share | None, "the mean over labels"]
    micro_f1: Annotated[Share | None, "over all pairs of an image and a label"]
    hamming_loss: Annotated[Share | None, "the share of pairs of an image and a label that is wrong"]
    top_1: Annotated[
        Share | None, "of the images of which any label holds, those of which the most probable one does"
    ]


class GatedLabels(TypedDict):
    """What gates may name of labels; null for other models."""

    mean_average_precision: Annotated[Share | None, Gated("labelled")]
    micro_f1: Annotated[Share | None, Gated("labelled", " %")]
    hamming_loss: Annotated[Share | None, Gated("labelled", " %")]


NO_LABELS: GatedLabels = {"mean_average_precision": None, "micro_f1": None, "hamming_loss": None}


def of_labels(
    labelled: Sequence[Mapping[str, Any]], scores: Array, classes: Sequence[str]
) -> OfLabels | None:
    """All of it, from the records of the answered images with labels and their scores (n, C); None
    without any."""
    if not labelled:
        return None
    holds, answered = np.zeros(scores.shape, bool), np.zeros(scores.shape, bool)
    for row, record in enumerate(labelled):
        holds[row, record["label_indices"]] = True
        answered[row, record["answered_indices"]] = True
    rows = [_label(k, name, holds[:, k], answered[:, k], scores[:, k]) for k, name in enumerate(classes)]
    pairs = int(holds.sum() + answered.sum())
    some = holds.any(1)
    top = holds[np.arange(len(holds)), scores.argmax(1)][some]
    return {
        "per_label": rows,
        "mean_average_precision": _mean([row["average_precision"] for row in rows]),
        "macro_f1": _mean([row["f1"] for row in rows]),
        "micro_f1": 2 * int((holds & answered).sum()) / pairs if pairs else None,
        "hamming_loss": float((holds != answered).mean()),
        "top_1": float(top.mean()) if len(top) else None,
    }


def _label(index: int, name: str, holds: Array, answered: Array, scores: Array) -> LabelScores:
    count, said, right = int(holds.sum()), int(answered.sum()), int((holds & answered).sum())
    low, high = wilson(right, count) if count else (None, None)
    return {
        "class_index": index,
        "class_name": name,
        "count": count,
        "answered": said,
        "correct": right,
        "precision": right / said if said else None,
        "recall": right / count if count else None,
        "low": low,
        "high": high,
        "f1": 2 * right / (count + said) if count + said else None,
        "average_precision": average_precision(holds, scores),
        "roc_auc": roc_auc(holds, scores),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
