"""What the answers to the whole set say, as sentences: how many are wrong, and where it is weak."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from reportgen.audit.calibration import JUDGED_FROM
from reportgen.report.values.document import FindingLine
from reportgen.report.wording import number, plural, probability, share, view
from reportgen.stats import wilson

CLASS_FROM = 5  # images of a class before it is called weak
CLASSES_LISTED = 3  # weak classes named one by one before the rest are counted
FREQUENT_FROM = 2  # times that a wrong answer was given to be called frequent
WRONG = "Read the cards of the wrong answers: is the label wrong, the image unfit, or the model at fault?"
WEAK = "Train with more images of the class, or leave it out of the intended use."
CONFIDENCE = "Calibrate, by temperature for one, before anything is decided by the probability."
CONFUSED = "Compare the images of both classes, and their labels."
Totals = Mapping[str, Any]  # `metrics` of results.json


def wrong(totals: Totals, surest: Sequence[str] = ()) -> Iterable[FindingLine]:
    """How many of the labelled answers are wrong, and which were the surest: one line, as no single answer
    says more than the pattern that the checks found."""
    labelled = totals["labelled"]
    missed = labelled - totals["right"]
    if not missed or totals.get("values"):
        return
    text = f"{missed:,} of {plural(labelled, 'labelled answer')} {'is' if missed == 1 else 'are'} wrong"
    if totals.get("labels"):
        have = "has" if missed == 1 else "have"
        text = f"{missed:,} of {plural(labelled, 'labelled image')} {have} a label too many or too few"
    what = "exact match" if totals.get("labels") else "accuracy"
    if totals["accuracy"] is not None:
        interval = f"{share(totals['accuracy_low'])} to {share(totals['accuracy_high'])}"
        text += f": {what} {share(totals['accuracy'])} (95 % interval {interval})"
    if surest:
        text += f". Most confident: {'; '.join(surest)}" if len(surest) < missed else f": {'; '.join(surest)}"
    yield FindingLine("bad", "wrong", f"{text}.", "#images", "images", remedy=WRONG, view=view(show="wrong"))


def weak(totals: Totals, asked: Collection[str] = ()) -> Iterable[FindingLine]:
    """Classes that are worse than the set by more than chance, whether confidence keeps its word,
    and the answer that is wrong most often; of the first two what no check was `asked` about."""
    if "accuracy" not in asked:
        yield from _classes(totals)
    if "calibration" not in asked:
        yield from _confidence(totals)
    yield from _confused(totals["confusion"])


def _classes(totals: Totals) -> Iterable[FindingLine]:
    """Those whose 95 % interval ends below where that of the whole set begins, where that is known."""
    if totals["accuracy_low"] is None:
        return
    enough = [row for row in totals["per_class"] or () if row["count"] >= CLASS_FROM]
    rows = [row for row in enough if row["high"] < totals["accuracy_low"]]
    rows.sort(key=lambda row: (row["accuracy"], -row["count"]))
    for row in rows[:CLASSES_LISTED]:
        text = (
            f"{row['class_name']}: only {row['correct']:,} of {plural(row['count'], 'labelled image')} right"
            f" (95 % interval up to {share(row['high'])}); that of the set begins at"
            f" {share(totals['accuracy_low'])}."
        )
        images = view(label=row["class_name"], show="wrong")
        yield FindingLine("warn", "weak class", text, "#answers", "numbers", remedy=WEAK, view=images)
    if len(rows) > CLASSES_LISTED:
        more = plural(len(rows) - CLASSES_LISTED, "more class is", "more classes are")
        text = f"{more} below the set by more than chance."
        yield FindingLine("warn", "weak class", text, "#answers", "numbers", remedy=WEAK)


def _confidence(totals: Totals) -> Iterable[FindingLine]:
    """A mean confidence outside the interval of the accuracy, on enough images to say so."""
    bins, labelled = totals["calibration"], totals["labelled"]
    if not bins or labelled < JUDGED_FROM:
        return
    mean = sum(bin_["count"] * bin_["confidence"] for bin_ in bins if bin_["count"]) / labelled
    low, high = wilson(totals["right"], labelled)
    if low <= mean <= high:
        return
    word = "Over-confident" if mean > high else "Under-confident"
    text = (
        f"{word}: the mean confidence over {labelled:,} labelled answers is {probability(mean)}, but"
        f" {share(totals['right'] / labelled)} are right"
        f" (expected calibration error {number(totals['ece'])})."
    )
    yield FindingLine("warn", "confidence", text, "#calibration", "diagram", remedy=CONFIDENCE)


def _confused(confusion: Mapping[str, Any] | None) -> Iterable[FindingLine]:
    """The most frequent wrong answer, where one was given again and again."""
    pair = max(_pairs(confusion or {}), key=lambda candidate: candidate["count"], default=None)
    if pair and pair["count"] >= FREQUENT_FROM:
        text = (
            f"The most frequent mistake: {pair['answer']} for {pair['label']}, in {pair['count']:,} of"
            f" {plural(pair['images'], 'image')} of that label."
        )
        images = view(label=pair["label"], answer=pair["answer"])
        yield FindingLine("note", "confused", text, "#answers", "numbers", remedy=CONFUSED, view=images)


def _pairs(confusion: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Wrong answers with their counts, from the matrix or from the list that stands for it."""
    yield from confusion.get("pairs", ())
    names = confusion.get("classes", ())
    for label, row in zip(names, confusion.get("counts", ()), strict=True):
        for answer, times in zip(names, row, strict=True):
            if answer != label:
                yield {"label": label, "answer": answer, "count": times, "images": sum(row)}
