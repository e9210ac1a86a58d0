"""The numbers of models that answer with no single class: labels, each by itself, or values.

They are those of results.json; here they are only worded and placed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reportgen.audit.metrics import is_labelled
from reportgen.evidence import Record, best
from reportgen.report.values.card import Fact
from reportgen.report.values.document import HeadTable
from reportgen.report.wording import NONE, number, plural, probability, share

NOUNS = {"classes": "classes", "binary": "classes", "labels": "labels", "values": "values"}
LABELS_NOTE = (
    "A label is answered where its probability is at least 1/2. Of the images where it holds, the recall is"
    " the share that was answered; of those that were answered, the precision is the share where it holds."
    " Average precision asks how well the probabilities put the images where it holds before the others,"
    " whatever the threshold; its mean over labels is mAP."
)
VALUES_NOTE = (
    "Errors are in the unit of the value, answer minus label. Intervals are 95 %, over images. R² is the"
    " share of the labels' variance that the answers explain: 0 is no better than their mean."
)
Totals = Mapping[str, Any]  # `metrics` of results.json


def noun(model: Mapping[str, Any]) -> str:
    """What a model's outputs are called, in the plural."""
    return NOUNS[(model.get("head") or {}).get("kind", "classes")]


def facts(totals: Totals) -> tuple[Fact, ...] | None:
    """The numbers over all labelled images; None for a model that answers with a class."""
    if labels := totals.get("labels"):
        return _of_labels(totals, labels)
    values = totals.get("values")
    return _of_values(values) if values else None


def _of_labels(totals: Totals, labels: Totals) -> tuple[Fact, ...]:
    images = plural(totals["labelled"], "labelled image")
    interval = ""
    if totals["accuracy"] is not None:
        interval = f"; 95 % interval {share(totals['accuracy_low'])} to {share(totals['accuracy_high'])}"
    exact = share(totals["accuracy"])
    return (
        Fact("all labels right", exact, f"exact match: every label and no other; {images}{interval}"),
        Fact("mean average precision", number(labels["mean_average_precision"]), "mAP, the mean over labels"),
        Fact("F1", share(labels["micro_f1"]), f"micro; mean over labels {share(labels['macro_f1'])}"),
        Fact("most probable label right", share(labels["top_1"]), "top-1: it is one of the image's labels"),
    )


def _of_values(values: Totals) -> tuple[Fact, ...]:
    rows = values["per_value"]
    row = rows[0]
    name = f"of {row['class_name']}; " if len(rows) > 1 else ""
    r2 = number(row["r2"]) if row["r2"] is not None else NONE
    return (
        Fact("mean absolute error", number(row["mae"]), f"{name}{_interval(row['mae_interval'])}"),
        Fact("root mean squared error", number(row["rmse"]), _interval(row["rmse_interval"])),
        Fact("mean error", number(row["bias"]), "above 0: answers are too high"),
        Fact("R²", r2, f"over {plural(row['count'], 'labelled image')}"),
    )


def _interval(ends: Any) -> str:
    return f"95 % interval {number(ends[0])} to {number(ends[1])}" if ends else "no interval: too few images"


def table(totals: Totals) -> HeadTable | None:
    """The same by label or by value; None for a model that answers with a class."""
    if labels := totals.get("labels"):
        heads = ("label", "images", "answered", "precision", "recall", "interval", "F1", "average precision")
        return HeadTable("By label", LABELS_NOTE, heads, tuple(map(_label_row, labels["per_label"])))
    if values := totals.get("values"):
        heads = ("value", "images", "MAE", "interval", "RMSE", "interval", "mean error", "R²")
        return HeadTable("By value", VALUES_NOTE, heads, tuple(map(_value_row, values["per_value"])))
    return None


def _label_row(row: Totals) -> tuple[str, ...]:
    ends = NONE if row["low"] is None else f"{share(row['low'])} to {share(row['high'])}"
    return (
        row["class_name"],
        f"{row['count']:,}",
        f"{row['answered']:,}",
        share(row["precision"]),
        share(row["recall"]),
        ends,
        share(row["f1"]),
        number(row["average_precision"]),
    )


def _value_row(row: Totals) -> tuple[str, ...]:
    both = (row["mae_interval"], row["rmse_interval"])
    ends = [f"{number(pair[0])} to {number(pair[1])}" if pair else NONE for pair in both]
    return (
        row["class_name"],
        f"{row['count']:,}",
        number(row["mae"]),
        ends[0],
        number(row["rmse"]),
        ends[1],
        number(row["bias"]),
        number(row["r2"]),
    )


def details(totals: Totals) -> Iterable[str] | None:
    """What the verdict rests on; None for a model that answers with a class."""
    if totals.get("labels"):
        counts = f"{totals['right']:,} of {totals['labelled']:,} labelled images with all labels right"
        return (counts, f"mean average precision {number(totals['labels']['mean_average_precision'])}")
    if totals.get("values"):
        images = plural(totals["labelled"], "labelled image")
        return (f"mean absolute error {number(totals['mae'])} over {images}",)
    return None


def answered(record: Record, classes: list[str]) -> tuple[str, float | None]:
    """The answer in words, and its probability, None of values and where there is no answer."""
    answer = best(record)
    if answer is None:
        return NONE, None
    if "answered_indices" in record:
        held = [classes[index] for index in record["answered_indices"]]
        return " | ".join(held) or "no label", answer["probability"]
    if answer["probability"] is None:
        return ", ".join(number(one["logit"]) for one in record["predictions"]), None
    return answer["class_name"], answer["probability"]


def wrong_labels(record: Record, classes: list[str]) -> str:
    """Which labels were answered, and which hold, in words; "" of a record of one class."""
    if "answered_indices" not in record:
        return ""
    words, p = answered(record, classes)
    return (
        f"{record['id']} {record['path']}, answered {words}, the most probable at {probability(p)} (its"
        f" labels are {record['label']})"
    )


__all__ = ["answered", "details", "facts", "is_labelled", "noun", "table", "wrong_labels"]
