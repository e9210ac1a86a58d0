"""Numbers over the whole set, from the records alone: every image that was scored counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Annotated, Any, TypeAlias

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
from reportgen.audit.classwise import NO_CLASSES, ClassScores, OfClasses, class_scores, of_classes
from reportgen.audit.labels import NO_LABELS, GatedLabels, OfLabels, of_labels
from reportgen.audit.quantities import Count, Gated, Share
from reportgen.audit.values import NO_VALUES, GatedValues, OfValues, of_values, over_all
from reportgen.evidence import best, is_unanswered
from reportgen.findings import Array
from reportgen.stats import wilson

EXCLUSIVE = ("classes", "binary")  # heads by which an image is one class and no other
Scores: TypeAlias = Callable[[Sequence[Any]], Array] | None
UNSURE_BELOW = 0.4  # an answer with less probability than this is called unsure


class ClassAccuracy(ClassScores):
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


class Metrics(OfAllLabelled, OfClasses, GatedLabels, GatedValues):
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
    labels: Annotated[OfLabels | None, "where several labels may hold of an image; else null"]
    values: Annotated[OfValues | None, "where the network gives values; else null"]


NOT_KNOWN: OfAllLabelled = {
    "accuracy": None,
    "accuracy_low": None,
    "accuracy_high": None,
    "lowest_class_accuracy": None,
    "loss": None,
}


def metrics(
    records: Sequence[Mapping[str, Any]], classes: Sequence[str], head: str = "classes", scores: Scores = None
) -> Metrics:
    """Counts, accuracy with its interval, loss and confidence. None where nothing is known.

    An image without an answer (its output is not finite) is neither right nor wrong: it is counted in
    `unanswered`, and with a label in `unanswered_labelled`, and is no part of what is said of answers
    (`labelled`, `right`, `per_class`, `confusion`, `ece`, `calibration`, `mean_confidence`, `unsure`).
    What is said of all labelled images is then not known: `accuracy`, its interval, the lowest class
    and `loss` are None. `per_class` has the classes that occur among the labels, in the order of
    their index.

    `head` is the kind of the network's head. Where it gives labels, each by itself, `right` and `accuracy`
    are of images whose labels are all answered and no other; where it gives values, nothing is right or
    wrong. `scores` gives the scores (n, C) of records, which either needs.
    """
    scored = [record for record in records if record["status"] == "ok"]
    said = [answer for record in scored if (answer := best(record))]
    broken = [record for record in scored if is_unanswered(record)]
    labelled = [record for record in scored if record["correct"] is not None]
    exclusive = head in EXCLUSIVE
    by_class = class_scores(labelled) if exclusive else {}
    per_class = _per_class(labelled, classes, by_class) if by_class else None
    sure = [answer["probability"] for answer in said if answer["probability"] is not None]
    bins = calibration(labelled) if exclusive else None
    missing = sum(map(is_labelled, broken))
    several = labelled if head == "labels" else ()
    known = [record for record in scored if record.get("truth") is not None and best(record)]
    labels = of_labels(several, scores(several), classes) if several and scores else None
    values = of_values(known, scores(known), classes) if known and scores else None
    return {
        "images": len(records),
        "rejected": len(records) - len(scored),
        "unanswered": len(broken),
        "unanswered_labelled": missing,
        "labelled": len(known) if head == "values" else len(labelled),
        "right": sum(record["correct"] for record in labelled),
        **(NOT_KNOWN if missing or not labelled else _of_all_labelled(labelled, per_class)),
        **(NO_CLASSES if missing or not exclusive else of_classes(labelled, by_class, len(classes))),
        **(NO_LABELS if missing or not labels else _gated(labels)),
        **(NO_VALUES if missing else over_all(values)),
        "per_class": per_class,
        "confusion": confusion(labelled, classes) if exclusive else None,
        "ece": expected_error(bins),
        "calibration": bins,
        "mean_confidence": fmean(sure) if sure else None,
        "unsure": sum(probability < UNSURE_BELOW for probability in sure) if exclusive else 0,
        "labels": labels,
        "values": values,
    }


def is_labelled(record: Mapping[str, Any]) -> bool:
    """Whether it is known what an image shows: its class, its labels, be there none, or its values."""
    several = record.get("label_indices") is not None or record.get("truth") is not None
    return several or record["label_index"] is not None


def _gated(labels: OfLabels) -> GatedLabels:
    return {
        "mean_average_precision": labels["mean_average_precision"],
        "micro_f1": labels["micro_f1"],
        "hamming_loss": labels["hamming_loss"],
    }


def _of_all_labelled(labelled: Labelled, per_class: Sequence[ClassAccuracy] | None) -> OfAllLabelled:
    """What every labelled image has a part in, given that each has an answer."""
    right = sum(record["correct"] for record in labelled)
    losses = [record["loss"] for record in labelled]
    low, high = wilson(right, len(labelled))
    return {
        "accuracy": right / len(labelled),
        "accuracy_low": low,
        "accuracy_high": high,
        "lowest_class_accuracy": min(row["accuracy"] for row in per_class) if per_class else None,
        # a loss that is not finite makes the mean so: not known, rather than a mean of the others
        "loss": fmean(losses) if None not in losses else None,
    }


def _per_class(
    labelled: Labelled, classes: Sequence[str], scores: Mapping[int, ClassScores]
) -> list[ClassAccuracy]:
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
                **scores[index],
            }
        )
    return rows
