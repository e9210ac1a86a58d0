"""Numbers over the whole set, from the records alone: every image that was scored counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from reportgen.audit.calibration import calibration, confusion, expected_error
from reportgen.evidence import best, is_unanswered
from reportgen.stats import wilson

UNSURE_BELOW = 0.4  # an answer with less probability than this is called unsure
# not known where a labelled image has no answer
OF_ALL_LABELLED = ("accuracy", "accuracy_low", "accuracy_high", "lowest_class_accuracy", "loss")


def metrics(records: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
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
        **(_of_all_labelled(labelled, per_class) if not missing else dict.fromkeys(OF_ALL_LABELLED)),
        "per_class": per_class,
        "confusion": confusion(labelled, classes),
        "ece": expected_error(bins),
        "calibration": bins,
        "mean_confidence": fmean(sure) if sure else None,
        "unsure": sum(probability < UNSURE_BELOW for probability in sure),
    }


def _of_all_labelled(
    labelled: Sequence[Mapping[str, Any]], per_class: Sequence[Mapping[str, Any]] | None
) -> dict[str, Any]:
    """What every labelled image has a part in, given that each has an answer."""
    if not labelled or not per_class:
        return dict.fromkeys(OF_ALL_LABELLED)
    right = sum(record["correct"] for record in labelled)
    losses = [record["loss"] for record in labelled]
    low, high = wilson(right, len(labelled))
    lowest = min(row["accuracy"] for row in per_class)
    # a loss that is not finite makes the mean so: not known, rather than a mean of the others
    loss = fmean(losses) if None not in losses else None
    return dict(zip(OF_ALL_LABELLED, (right / len(labelled), low, high, lowest, loss), strict=True))


def _per_class(
    labelled: Sequence[Mapping[str, Any]], classes: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
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
