"""Two models' answers to the same images: what changed from the one beside to the main one, and
whether that may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reportgen.evidence import Record, best, is_unanswered
from reportgen.stats import mcnemar

LISTED = 40  # changed answers that a report lists
# how an answer changed, from the model beside to the main one; the worst first
KINDS = ("broken", "mended", "both wrong", "no label")


def changed(main: Sequence[Record], beside: Sequence[Record]) -> list[dict[str, Any]]:
    """Every image to which the two answer differently, by kind, and the surest answers first."""
    found = [
        {"id": mine["id"], "kind": kind_of(mine, other), "answers": [best(mine), best(other)]}
        for mine, other in compared(main, beside)
        if mine["predictions"][0]["class_index"] != other["predictions"][0]["class_index"]
    ]
    found.sort(key=lambda held: (KINDS.index(held["kind"]), -held["answers"][0]["probability"], held["id"]))
    return found


def counts(main: Sequence[Record], beside: Sequence[Record]) -> dict[str, Any]:
    """The counts of both models' right and wrong answers, and McNemar's exact test of them.

    `mended` are answers that the main model has right and the one beside wrong, `broken` the other
    way round. What depends on labels is None where no image that both answered has one. An image that
    one of them did not answer, its output not being finite, is in `unanswered` alone.
    """
    pairs = list(compared(main, beside))
    without = {record["number"] for record in (*main, *beside) if is_unanswered(record)}
    with_label = {record["number"] for record in main if record["label_index"] is not None}
    kinds = [held["kind"] for held in changed(main, beside)]
    labelled = [(mine["correct"], other["correct"]) for mine, other in pairs if mine["correct"] is not None]
    mended, broken = labelled.count((True, False)), labelled.count((False, True))
    return {
        "compared": len(pairs),
        "unanswered": len(without),
        "unanswered_labelled": len(without & with_label),
        "labelled": len(labelled),
        "changed": len(kinds),
        "mended": mended if labelled else None,
        "broken": broken if labelled else None,
        "changed_both_wrong": kinds.count("both wrong"),
        "changed_unlabelled": kinds.count("no label"),
        "both_right": labelled.count((True, True)),
        "both_wrong": labelled.count((False, False)),
        "accuracy_change": (mended - broken) / len(labelled) if labelled else None,
        "mcnemar_p": mcnemar(mended, broken) if labelled else None,
    }


def compared(main: Sequence[Record], beside: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """The records of the images that both models answered."""
    others = {record["number"]: record for record in beside if best(record)}
    for record in main:
        if best(record) and record["number"] in others:
            yield record, others[record["number"]]


def kind_of(mine: Record, other: Record) -> str:
    """How the answer to one image changed, one of KINDS."""
    if mine["correct"] is None:
        return "no label"
    if mine["correct"] == other["correct"]:
        return "both wrong"
    return "mended" if mine["correct"] else "broken"


