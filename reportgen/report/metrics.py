"""Numbers over the whole set, from the records alone: every image that was scored counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from reportgen.findings import wilson
from reportgen.report.calibration import calibration, confusion, expected_error

UNSURE_BELOW = 0.4  # an answer with less probability than this is called unsure


def metrics(records: Sequence[Mapping[str, Any]], classes: Sequence[str]) -> dict[str, Any]:
    """Counts, accuracy with its interval, loss and confidence. None where nothing is known.

    `per_class` has the classes that occur among the labels, in the order of their index.
    """
    scored = [record for record in records if record["status"] == "ok"]
    labelled = [record for record in scored if record["correct"] is not None]
    right = sum(bool(record["correct"]) for record in labelled)
    low, high = wilson(right, len(labelled)) if labelled else (None, None)
    per_class = _per_class(labelled, classes) if labelled else None
    best = [record["predictions"][0]["probability"] for record in scored]
    sure = [probability for probability in best if probability is not None]
    bins = calibration(labelled)
    losses = [record["loss"] for record in labelled]
    return {
        "images": len(records),
        "rejected": len(records) - len(scored),
        "labelled": len(labelled),
        "accuracy": right / len(labelled) if labelled else None,
        "accuracy_low": low,
        "accuracy_high": high,
        "lowest_class_accuracy": min(row["accuracy"] for row in per_class) if per_class else None,
        "per_class": per_class,
        "confusion": confusion(labelled, classes),
        "ece": expected_error(bins),
        "calibration": bins,
        # a loss that is not finite makes the mean so: not known, rather than a mean of the others
        "loss": fmean(losses) if losses and None not in losses else None,
        "mean_confidence": fmean(sure) if sure else None,
        "unsure": len(best) - sum(probability >= UNSURE_BELOW for probability in sure),
    }


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
