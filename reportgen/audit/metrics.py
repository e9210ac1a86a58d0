"""Numbers over the whole set, from the records alone: every image that was scored counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Annotated, Any

from typing_extensions import TypedDict

from reportgen.audit.calibration import (
    Bin,
    Labelled,
    Matrix,
    Mistakes,
    calibration,
    confusion,
    expected_error,
)
from reportgen.audit.quantities import Count, Gated, Share
from reportgen.evidence import best, is_unanswered
from reportgen.stats import wilson

UNSURE_BELOW = 0.4  # an answer with less probability than this is called unsure


class ClassAccuracy(TypedDict):
    """The answers to the images of one label, with the 95 % interval of their accuracy."""

    class_index: Count
    class_name: str
    count: Count
    correct: Count
    accuracy: Share
    low: Share
    high: Share


class OfAllLabelled(TypedDict):
    """What every labelled image has a part in: null where one of them has no answer, or there is none."""

    accuracy: Annotated[Share | None, Gated("labelled", " %")]
    accuracy_low: Share | None
    accuracy_high: Share | None
    lowest_class_accuracy: Annotated[Share | None, Gated("labelled", " %")]
    loss: Annotated[float | None, Gated("labelled")]


class Metrics(OfAllLabelled):
    """Numbers over the whole set; null where nothing is known.

    A number that is marked as `Gated` may be named by a gate, under its key.
    """

    ece: Annotated[Share | None, Gated("labelled")]
    mean_confidence: Annotated[Share | None, Gated("answers")]
    unsure: Annotated[Count, Gated("answers")]
    images: Annotated[Count, Gated("counted")]
    rejected: Annotated[Count, Gated("counted")]
    unanswered: Annotated[
        Count, Gated("counted"), "the model's output is not finite: neither right nor wrong"
    ]
    labelled: Annotated[Count, Gated("counted"), "answered images with a label"]
    unanswered_labelled: Count
    right: Count
    per_class: list[ClassAccuracy] | None
    confusion: Matrix | Mistakes | None
    calibration: list[Bin] | None


NOT_KNOWN: OfAllLabelled = {
    "accuracy": None,
    "accuracy_low": None,
    "accuracy_high": None,
    "lowest_class_accuracy": None,
    "loss": None,
}


def metrics(records: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> Metrics:
    """Counts, accuracy with its interval, loss and confidence. None where nothing is known.

    An image without an answer (its output is not finite) is neither right nor wrong: it is counted in
    `unanswered`, and with a label in `unanswered_labelled`, and is no part of what is said of answers
    (`labelled`, `right`, `per_class`, `confusion`, `ece`, `calibration`, `mean_confidence`, `unsure`).
    What is said of all labelled images is then not known: `accuracy`, its interval, the lowest class
    and `loss` are None. `per_class` has the classes that occur among the labels, in the order of
    their index.
    """
    scored = [record for record in records if record["status"] == "ok"]
    said = [answer for record in scored if (answer := best(record))]
    broken = [record for record in scored if is_unanswered(record)]
    labelled = [record for record in scored if record["correct"] is not None]
    per_class = _per_class(labelled, classes) if labelled else None
    sure = [answer["probability"] for answer in said]
    bins = calibration(labelled)
    missing = sum(record["label_index"] is not None for record in broken)
    return {
        "images": len(records),
        "rejected": len(records) - len(scored),
        "unanswered": len(broken),
        "unanswered_labelled": missing,
        "labelled": len(labelled),
        "right": sum(record["correct"] for record in labelled),
        **(NOT_KNOWN if missing or not per_class else _of_all_labelled(labelled, per_class)),
        "per_class": per_class,
        "confusion": confusion(labelled, classes),
        "ece": expected_error(bins),
        "calibration": bins,
        "mean_confidence": fmean(sure) if sure else None,
        "unsure": sum(probability < UNSURE_BELOW for probability in sure),
    }


def _of_all_labelled(labelled: Labelled, per_class: Sequence[ClassAccuracy]) -> OfAllLabelled:
    """What every labelled image has a part in, given that each has an answer."""
    right = sum(record["correct"] for record in labelled)
    losses = [record["loss"] for record in labelled]
    low, high = wilson(right, len(labelled))
    return {
        "accuracy": right / len(labelled),
        "accuracy_low": low,
        "accuracy_high": high,
        "lowest_class_accuracy": min(row["accuracy"] for row in per_class),
        # a loss that is not finite makes the mean so: not known, rather than a mean of the others
        "loss": fmean(losses) if None not in losses else None,
    }


def _per_class(labelled: Labelled, classes: Sequence[str]) -> list[ClassAccuracy]:
    rows: list[ClassAccuracy] = []
    for index in sorted({record["label_index"] for record in labelled}):
        answers = [bool(record["correct"]) for record in labelled if record["label_index"] == index]
        low, high = wilson(sum(answers), len(answers))
        rows.append(
            {
                "class_index": index,
                "class_name": classes[index],
                "count": len(answers),
                "correct": sum(answers),
                "accuracy": sum(answers) / len(answers),
                "low": low,
                "high": high,
            }
        )
    return rows
