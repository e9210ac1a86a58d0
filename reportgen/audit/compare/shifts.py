"""How far the scores and probabilities of the same images moved from one audit to another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Annotated, Any

import numpy as np
from typing_extensions import TypedDict

from reportgen.audit.compare.matching import Match
from reportgen.audit.compare.sides import Side
from reportgen.audit.quantities import Change, Count, ImageId, Share
from reportgen.evidence import best
from reportgen.findings import Array

LISTED = 40


class Shifted(TypedDict):
    """One image whose answer kept its class, and how sure both models were of it."""

    id: ImageId
    path: str
    class_name: str
    old: Share
    new: Share
    shift: Annotated[Change, "of the probability, from the old model to the new one"]


class Shifts(TypedDict):
    """Over the images that both audits answered."""

    images: Count
    probability: Annotated[
        Share | None, "the mean size of the shift of the probability of the old answer; null without any"
    ]
    logit: Annotated[
        float | None,
        "the mean size of the shift of a score; null where the scores are not at hand or of other classes",
    ]
    largest: Annotated[list[Shifted], "answers of the same class, the largest shifts first"]


def shifts(new: Side, old: Side, pairs: Sequence[Match], same_classes: bool) -> Shifts:
    """The shifts of answered images."""
    both = [pair for pair in pairs if best(pair.new) and best(pair.as_new)]
    moved = [change for pair in both if (change := _of_answer(pair)) is not None]
    kept = sorted(filter(None, map(_kept, both)), key=lambda one: (-abs(one["shift"]), one["id"]))
    return {
        "images": len(both),
        "probability": fmean(moved) if moved else None,
        "logit": _of_scores(new, old, both) if same_classes else None,
        "largest": [one for one in kept if one["shift"]][:LISTED],
    }


def _of_answer(pair: Match) -> float | None:
    """The size of the shift of the probability of the class that the old model answered. Where the new one
    does not list that class, all that is left beside those it lists bounds it; the middle is taken."""
    answer: Any = best(pair.as_new)
    before: float | None = answer["probability"]
    after = _probability(pair.new["predictions"], answer["class_index"])
    return None if before is None or after is None else abs(after - before)


def _probability(predictions: Iterable[Any], class_index: int) -> float | None:
    listed = {answer["class_index"]: answer["probability"] for answer in predictions}
    if None in listed.values():
        return None
    if class_index in listed:
        return float(listed[class_index])
    rest = max(0.0, 1 - sum(listed.values()))
    return float(min(rest, *listed.values())) / 2


def _kept(pair: Match) -> Shifted | None:
    new: Any = best(pair.new)
    old: Any = best(pair.as_new)
    if new["class_index"] != old["class_index"] or None in (new["probability"], old["probability"]):
        return None
    shift = new["probability"] - old["probability"]
    return {
        "id": pair.new["id"],
        "path": pair.new["path"],
        "class_name": new["class_name"],
        "old": old["probability"],
        "new": new["probability"],
        "shift": shift,
    }


def _of_scores(new: Side, old: Side, pairs: Sequence[Match]) -> float | None:
    """The mean size of the difference of scores, over all images and classes."""
    if new.evidence is None or old.evidence is None or not pairs:
        return None
    mine: Array = new.evidence.logits([pair.new for pair in pairs]).astype(np.float64)
    theirs: Array = old.evidence.logits([pair.old for pair in pairs]).astype(np.float64)
    if mine.shape != theirs.shape:
        return None
    # a class that is masked out, at -inf, in both has not moved
    with np.errstate(invalid="ignore"):
        moved = np.where(mine == theirs, 0.0, np.abs(mine - theirs))
    mean = float(moved.mean())
    return mean if np.isfinite(mean) else None
