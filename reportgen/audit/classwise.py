"""Numbers of single classes, where an image is one of several: precision, recall, F1, and two classes'
ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.calibration import Labelled
from reportgen.audit.quantities import Count, Gated, Share
from reportgen.audit.ranking import average_precision, roc_auc
from reportgen.evidence import best

TOP = 5  # answers an image that records list


class ClassScores(TypedDict):
    """How the answers and the labels of one class agree."""

    answered: Annotated[Count, "labelled images that were answered with this class"]
    precision: Annotated[Share | None, "null where the class was never answered"]
    recall: Annotated[Share, "the class's accuracy"]
    f1: Share


class OfClasses(TypedDict):
    """Means over the classes that have labels, each counting the same; a precision that is null is 0 in
    its mean. Of two classes, how well class 1 is ranked before class 0."""

    top_5_accuracy: Annotated[
        Share | None, Gated("labelled", " %"), "null where there are no more than five classes"
    ]
    macro_precision: Annotated[Share | None, Gated("labelled", " %")]
    macro_recall: Annotated[Share | None, Gated("labelled", " %")]
    macro_f1: Annotated[Share | None, Gated("labelled", " %")]
    roc_auc: Annotated[Share | None, Gated("labelled"), "of class 1 against class 0; null for other models"]
    average_precision: Annotated[
        Share | None, Gated("labelled"), "of class 1 against class 0; null for other models"
    ]


NO_CLASSES: OfClasses = {
    "top_5_accuracy": None,
    "macro_precision": None,
    "macro_recall": None,
    "macro_f1": None,
    "roc_auc": None,
    "average_precision": None,
}


def class_scores(labelled: Labelled) -> dict[int, ClassScores]:
    """Precision, recall and F1 of every class that occurs among the labels, by index."""
    labels = Counter(record["label_index"] for record in labelled)
    right = Counter(record["label_index"] for record in labelled if record["correct"])
    answered = Counter(answer["class_index"] for record in labelled if (answer := best(record)))
    return {
        index: {
            "answered": answered[index],
            "precision": right[index] / answered[index] if answered[index] else None,
            "recall": right[index] / count,
            "f1": 2 * right[index] / (count + answered[index]),
        }
        for index, count in sorted(labels.items())
    }


def of_classes(labelled: Labelled, scores: Mapping[int, ClassScores], class_count: int) -> OfClasses:
    """What is said of all classes together, given that every labelled image has an answer."""
    if not labelled:
        return NO_CLASSES
    ranked = _two(labelled) if class_count == 2 else None
    return {
        "top_5_accuracy": fmean(map(_within, labelled)) if class_count > TOP else None,
        "macro_precision": fmean(row["precision"] or 0.0 for row in scores.values()),
        "macro_recall": fmean(row["recall"] for row in scores.values()),
        "macro_f1": fmean(row["f1"] for row in scores.values()),
        "roc_auc": roc_auc(*ranked) if ranked else None,
        "average_precision": average_precision(*ranked) if ranked else None,
    }


def _within(record: Mapping[str, Any]) -> bool:
    return record["label_index"] in [answer["class_index"] for answer in record["predictions"][:TOP]]


def _two(labelled: Labelled) -> tuple[Any, Any]:
    """Whether class 1 is the label, and how far its score is above class 0's, which rounds later than its
    probability does."""
    holds = np.array([record["label_index"] == 1 for record in labelled])
    margins = np.array([_margin(record["predictions"]) for record in labelled])
    return holds, margins


def _margin(predictions: Sequence[Mapping[str, Any]]) -> float:
    by_index = {answer["class_index"]: answer["logit"] for answer in predictions}
    zero, one = (-np.inf if by_index[k] is None else by_index[k] for k in (0, 1))  # None: masked out
    return float(one - zero)
