"""The answers to labelled images -> tables, a diagram and the worst of them. The numbers are those of
results.json; here they are only worded and placed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reportgen.audit.calibration import BINS, JUDGED_FROM
from reportgen.evidence import Record
from reportgen.report.document import heads
from reportgen.report.pictures.plots import reliability
from reportgen.report.values.card import Fact, Figure
from reportgen.report.values.document import (
    BinRow,
    Calibration,
    ClassRow,
    Confused,
    ConfusionCell,
    ConfusionRow,
    Confusions,
    ImageRow,
    Mistake,
)
from reportgen.report.wording import NONE, number, plural, probability, share, view
from reportgen.stats import wilson

CLASSES_AT_MOST = 100
DRAWN_AT_MOST = 20  # classes of a confusion matrix that is still read at a glance
CONFUSIONS_AT_MOST = 20
MISTAKES_AT_MOST = 8
SHORT = 4  # characters of a name that can stand over its column
TOO_FEW = "too few labelled images to judge"


def accuracy(totals: Mapping[str, Any]) -> tuple[Fact, ...]:
    """The numbers over all labelled images; none without labels."""
    if not has_answers(totals):
        return ()
    if (other := heads.facts(totals)) is not None:
        return other
    labelled = plural(totals["labelled"], "labelled image")
    return (
        Fact("accuracy", share(totals["accuracy"]), f"{labelled}; {interval(totals)}"),
        Fact("lowest class", share(totals["lowest_class_accuracy"]), "accuracy of the worst class"),
        Fact("mean loss", number(totals["loss"]), "cross entropy, nats"),
        Fact("mean confidence", probability(totals["mean_confidence"]), "of every answer"),
    )


def means(totals: Mapping[str, Any]) -> str:
    """How to read precision and F1, and their means over the classes, each counting the same."""
    if totals["macro_f1"] is None:
        return ""
    return (
        "The accuracy of a class is its recall; its precision is the share of right ones among the images"
        " answered with it, F1 the harmonic mean of both. Means over the classes: precision"
        f" {share(totals['macro_precision'])}, recall {share(totals['macro_recall'])}, F1"
        f" {share(totals['macro_f1'])}."
    )


def has_answers(totals: Mapping[str, Any]) -> bool:
    """Whether there is a section on the answers to labelled images."""
    return bool(totals["labelled"] or totals["unanswered_labelled"])


def by_class(per_class: Sequence[Mapping[str, Any]]) -> tuple[tuple[ClassRow, ...], str]:
    """Accuracy by class in the model's order; the worst where there are too many to read."""
    kept = list(per_class)
    note = ""
    if len(kept) > CLASSES_AT_MOST:
        kept = sorted(kept, key=lambda row: (row["accuracy"], row["class_index"]))[:CLASSES_AT_MOST]
        note = f"The {CLASSES_AT_MOST} lowest of {len(per_class):,} classes, worst first."
    return tuple(
        ClassRow(
            name=row["class_name"],
            count=f"{row['count']:,}",
            correct=f"{row['correct']:,}",
            accuracy=share(row["accuracy"]),
            interval=f"{share(row['low'])} to {share(row['high'])}",
            low=round(100 * row["low"], 1),
            high=round(100 * row["high"], 1),
            middle=round(100 * row["accuracy"], 1),
            precision=share(row["precision"]),
            f1=share(row["f1"]),
            view=view(label=row["class_name"]),
            right_view=view(label=row["class_name"], show="right"),
        )
        for row in kept
    ), note


def interval(totals: Mapping[str, Any]) -> str:
    """The Wilson interval of the accuracy, in words; or why the accuracy is not known."""
    if missing := totals["unanswered_labelled"]:
        return f"{totals['right']:,} right; {missing:,} more without an answer: not known"
    return f"95 % interval {share(totals['accuracy_low'])} to {share(totals['accuracy_high'])}"


def confused(totals: Mapping[str, Any]) -> Confusions | None:
    """The confusion matrix where it can be read at a glance, else the most frequent confusions."""
    confusion = totals["confusion"]
    if confusion is None:
        return None
    if "pairs" in confusion:
        return Confusions(pairs=tuple(map(_pair, confusion["pairs"])))
    names, counts = confusion["classes"], confusion["counts"]
    if len(names) <= DRAWN_AT_MOST:
        return _matrix(names, counts)
    pairs = [
        {"label": names[row], "answer": names[column], "count": n, "images": sum(counts[row])}
        for row in range(len(names))
        for column, n in enumerate(counts[row])
        if n and row != column
    ]
    pairs.sort(key=lambda pair: -pair["count"])
    return Confusions(pairs=tuple(map(_pair, pairs[:CONFUSIONS_AT_MOST])))


def _pair(pair: Mapping[str, Any]) -> Confused:
    return Confused(
        label=pair["label"],
        answer=pair["answer"],
        count=f"{pair['count']:,}",
        images=f"{pair['images']:,}",
        share=share(pair["count"] / pair["images"]),
        view=view(label=pair["label"], answer=pair["answer"]),
    )


def _matrix(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Confusions:
    numbered = max(map(len, names)) > SHORT
    heads = [str(n + 1) for n in range(len(names))] if numbered else names
    rows = [
        ConfusionRow(
            head=head if numbered else "",
            name=name,
            cells=tuple(
                replace(_cell(n, sum(row), at == column), view=_view(name, names[column], n))
                for column, n in enumerate(row)
            ),
            total=f"{sum(row):,}",
            view=view(label=name),
        )
        for at, (head, name, row) in enumerate(zip(heads, names, counts, strict=True))
    ]
    return Confusions(heads=tuple(zip(heads, names, strict=True)), rows=tuple(rows))


def _view(label: str, answer: str, n: int) -> str:
    return view(label=label, answer=answer) if n else ""


def _cell(n: int, total: int, right: bool) -> ConfusionCell:
    """A count; its tint is its share of the label's images in tenths, at least one where it is not 0."""
    tenths = max(1, round(10 * n / total)) if n else 0
    kind = "plus" if right else "minus"
    return ConfusionCell(f"{n:,}", f"{kind}-{tenths}" if n else "none", right and n > 0)


def calibrated(totals: Mapping[str, Any]) -> Calibration | None:
    """The reliability diagram with its numbers; None where no confidence is known."""
    bins, ece = totals["calibration"], totals["ece"]
    if bins is None:
        return None
    filled = [bin_ for bin_ in bins if bin_["count"]]
    count = sum(bin_["count"] for bin_ in filled)
    sure = sum(bin_["count"] * bin_["confidence"] for bin_ in filled) / count
    right = totals["right"] / totals["labelled"]
    gap = sure - right
    low, high = wilson(totals["right"], totals["labelled"])
    if low <= sure <= high:  # the images do not tell the two apart
        leaning = "neither over- nor underconfident, as far as these images tell"
    else:
        leaning = f"{'over' if gap > 0 else 'under'}confident by {probability(abs(gap))}"
    few = count < JUDGED_FROM
    intervals = [wilson(round(bin_["accuracy"] * bin_["count"]), bin_["count"]) for bin_ in filled]
    error = "" if few else f"ECE {probability(ece)}"
    whole = "" if few else f": on the whole the model is {leaning}"  # of few labels it would be chance
    return Calibration(
        ece=error,
        few=f"{TOO_FEW}: {count} of at least {JUDGED_FROM}" if few else "",
        text=f"Over {plural(count, 'labelled image')} the mean confidence is {probability(sure)} and"
        f" the share right is {probability(right)}{whole}.",
        figure=Figure(
            id="reliability",
            name="reliability",
            title="Reliability diagram",
            caption="the share right in each bin of confidence, over the bin's mean confidence",
            details=("bars: 95 % Wilson intervals", "above: images of the bin", "dashed: calibrated"),
            alt=f"Reliability diagram: {error and error + ' over '}{BINS} bins,"
            f" {plural(count, 'labelled image')};"
            f" mean confidence {probability(sure)}, share right {probability(right)}",
            plot=reliability(filled, intervals, [_bin_view(bin_) for bin_ in filled]),
        ),
        bins=tuple(_bin(bin_, *ends) for bin_, ends in zip(filled, intervals, strict=True)),
    )


def _bin(bin_: Mapping[str, Any], low: float, high: float) -> BinRow:
    return BinRow(
        range=f"{bin_['low']:.3f} to {bin_['high']:.3f}",
        count=f"{bin_['count']:,}",
        confidence=probability(bin_["confidence"]),
        accuracy=probability(bin_["accuracy"]),
        interval=f"{probability(low)} to {probability(high)}",
        gap=f"{round(bin_['accuracy'] - bin_['confidence'], 3) + 0.0:+.3f}".replace("-", "−"),
        view=_bin_view(bin_),
    )


def _bin_view(bin_: Mapping[str, Any]) -> str:
    """The images of a bin in the table; it is open below: an answer on an edge is in one of two alone."""
    ends = {"from": repr(math.nextafter(bin_["low"], 1)), "to": repr(bin_["high"])}
    return view(show="labelled", **ends)


def mistakes(records: Sequence[Record], rows: Sequence[ImageRow]) -> tuple[Mistake, ...]:
    """The wrong answers that were the surest, surest first; the link leads to the card or the row."""
    # of several labels the findings say which were answered
    one = (record for record in records if "answered_indices" not in record)
    wrong = [record for record in one if record["correct"] is False]
    wrong.sort(key=lambda record: (-(record["predictions"][0]["probability"] or 0.0), record["number"]))
    listed = {row.number: row for row in rows}
    return tuple(_mistake(record, listed.get(record["id"])) for record in wrong[:MISTAKES_AT_MOST])


def _mistake(record: Record, row: ImageRow | None) -> Mistake:
    best = record["predictions"][0]
    return Mistake(
        number=record["id"],
        href=(row.href or f"#row-{row.number}") if row else "#images",
        path=record["path"],
        answer=best["class_name"],
        probability=probability(best["probability"]),
        label=record["label"] or NONE,
        label_probability=probability(record["label_probability"]),
        picture=row.picture if row else None,
    )
