"""Two models' answers to the same images: what changed from the one beside to the main one, and
whether that may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

from typing_extensions import TypedDict

from reportgen.audit.quantities import Change, Count, Gated, Share, Within
from reportgen.audit.types import Prediction
from reportgen.evidence import Record, best, is_unanswered
from reportgen.stats import mcnemar, paired_difference

LISTED = 40  # changed answers that a report lists
# how an answer changed, from the model beside to the main one; the worst first
Kind: TypeAlias = Literal["broken", "mended", "both wrong", "no label"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Changed(TypedDict):
    """An image to which two models answer differently."""

    id: str
    kind: Kind
    answers: Annotated[list[Prediction], Within(length=2), "the main model's, then the other's"]


class AnswerCounts(TypedDict):
    """The counts of two models' right and wrong answers to the same images, and what they say.

    What depends on labels is null where no image that both answered has one. A number that is marked as
    `Gated` may be named by a gate, as `beside.` and its key.
    """

    accuracy_change: Annotated[Change | None, Gated("labelled", " percentage points")]
    accuracy_change_low: Annotated[Change | None, "the ends of its 95 % interval: the images are the same"]
    accuracy_change_high: Change | None
    changed: Annotated[Count | None, Gated("answers"), "null of values, which name no class"]
    mended: Annotated[Count | None, Gated("labelled")]
    broken: Annotated[Count | None, Gated("labelled")]
    mcnemar_p: Annotated[Share | None, Gated("labelled")]
    compared: Count
    unanswered: Annotated[Count, "by one of the two"]
    unanswered_labelled: Count
    labelled: Count
    changed_both_wrong: Count
    changed_unlabelled: Count
    both_right: Count
    both_wrong: Count


class Pair(NamedTuple):
    """One image's records, and what each of the two models answered."""

    mine: Record
    other: Record
    answers: list[Any]

    @property
    def of_values(self) -> bool:
        """Whether one of the two gave values, which name no class."""
        return "truth" in self.mine or "truth" in self.other

    @property
    def differ(self) -> bool:
        """Whether the two answers name different classes; where labels hold each by itself, other ones. Of
        values it cannot be said."""
        if self.of_values:
            return False
        if "answered_indices" in self.mine and "answered_indices" in self.other:
            return set(self.mine["answered_indices"]) != set(self.other["answered_indices"])
        return bool(self.answers[0]["class_index"] != self.answers[1]["class_index"])


def changed(main: Sequence[Record], beside: Sequence[Record]) -> list[Changed]:
    """Every image to which the two answer differently, by kind, and the surest answers first."""
    changes: list[Changed] = [
        {"id": pair.mine["id"], "kind": kind_of(pair.mine, pair.other), "answers": pair.answers}
        for pair in compared(main, beside)
        if pair.differ
    ]
    return sorted(changes, key=_worst_first)


def _worst_first(change: Changed) -> tuple[int, float, str]:
    return KINDS.index(change["kind"]), -(change["answers"][0]["probability"] or 0), change["id"]


def counts(main: Sequence[Record], beside: Sequence[Record]) -> AnswerCounts:
    """The counts of both models' right and wrong answers, and McNemar's exact test of them.

    `mended` are answers that the main model has right and the one beside wrong, `broken` the other
    way round. What depends on labels is None where no image that both answered has one. An image that
    one of them did not answer, its output not being finite, is in `unanswered` alone.
    """
    pairs = list(compared(main, beside))
    without = {record["number"] for record in (*main, *beside) if is_unanswered(record)}
    with_label = {record["number"] for record in main if record["label_index"] is not None}
    kinds = [kind_of(pair.mine, pair.other) for pair in pairs if pair.differ]
    labelled = [(p.mine["correct"], p.other["correct"]) for p in pairs if p.mine["correct"] is not None]
    mended, broken = labelled.count((True, False)), labelled.count((False, True))
    ends = paired_difference(mended, broken, len(labelled)) if labelled else (None, None)
    return {
        "compared": len(pairs),
        "unanswered": len(without),
        "unanswered_labelled": len(without & with_label),
        "labelled": len(labelled),
        "changed": None if any(pair.of_values for pair in pairs) else len(kinds),
        "mended": mended if labelled else None,
        "broken": broken if labelled else None,
        "changed_both_wrong": kinds.count("both wrong"),
        "changed_unlabelled": kinds.count("no label"),
        "both_right": labelled.count((True, True)),
        "both_wrong": labelled.count((False, False)),
        "accuracy_change": (mended - broken) / len(labelled) if labelled else None,
        "accuracy_change_low": ends[0],
        "accuracy_change_high": ends[1],
        "mcnemar_p": mcnemar(mended, broken) if labelled else None,
    }


def compared(main: Sequence[Record], beside: Sequence[Record]) -> Iterator[Pair]:
    """The images that both models answered."""
    others = {record["number"]: record for record in beside}
    for mine in main:
        other = others.get(mine["number"])
        if other and (answer := best(mine)) and (rival := best(other)):
            yield Pair(mine, other, [answer, rival])


def kind_of(mine: Record, other: Record) -> Kind:
    """How the answer to one image changed, one of KINDS."""
    if mine["correct"] is None:
        return "no label"
    if mine["correct"] == other["correct"]:
        return "both wrong"
    return "mended" if mine["correct"] else "broken"
