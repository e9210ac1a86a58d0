"""Which answers are confused, and whether confidence keeps its word: from the labelled records alone."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, TypeAlias

from typing_extensions import TypedDict

from reportgen.audit.quantities import Count, Share
from reportgen.evidence import best

BINS = 15  # of equal width, as Guo et al. 2017 have them
JUDGED_FROM = 30  # labelled images; below, the bins hold too few to say anything
MATRIX_AT_MOST = 50  # occurring classes; above, the most frequent confusions stand for the matrix
PAIRS_AT_MOST = 20

# records of answered images that have a label
Labelled: TypeAlias = Sequence[Mapping[str, Any]]


class Bin(TypedDict):
    """The answers whose confidence lies in (low, high]: its mean, and the share of them that is right."""

    low: Share
    high: Share
    count: Count
    confidence: Share | None
    accuracy: Share | None


class Matrix(TypedDict):
    """How often which class was answered for which label: rows by label, columns by answer."""

    classes: list[str]
    counts: list[list[Count]]


class Mistake(TypedDict):
    """How often one class was answered for another one, and how many images have that label."""

    label: str
    answer: str
    count: Count
    images: Count


class Mistakes(TypedDict):
    """The most frequent mistakes, where there are too many classes for a matrix."""

    pairs: list[Mistake]


def calibration(labelled: Labelled) -> list[Bin] | None:
    """The answers by their confidence, in bins (low, high]: Guo et al. 2017, section 2.

    `confidence` is the mean of the bin and `accuracy` the share that is right, None in an empty bin.
    None for the whole where there is no labelled answer.
    """
    answers = [(a["probability"] or 0.0, bool(r["correct"])) for r in labelled if (a := best(r))]
    if not answers:
        return None
    edges = [n / BINS for n in range(BINS + 1)]
    within: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in answers:
        within[min(BINS - 1, bisect_left(edges[1:], confidence))].append((confidence, right))
    return [
        {
            "low": low,
            "high": high,
            "count": len(inside),
            "confidence": fmean(confidence for confidence, _ in inside) if inside else None,
            "accuracy": fmean(right for _, right in inside) if inside else None,
        }
        for low, high, inside in zip(edges[:-1], edges[1:], within, strict=True)
    ]


def expected_error(bins: Sequence[Bin] | None) -> float | None:
    """ECE, Guo et al. 2017, eq. 3: the mean over the images of |accuracy - confidence| of their bin."""
    if bins is None:
        return None
    gaps = sum(
        bin["count"] * abs(bin["accuracy"] - bin["confidence"])
        for bin in bins
        if bin["accuracy"] is not None and bin["confidence"] is not None  # an empty one has neither
    )
    return gaps / sum(bin["count"] for bin in bins)


def confusion(labelled: Labelled, classes: Sequence[str]) -> Matrix | Mistakes | None:
    """How often which class was answered for which label; None without labels.

    Up to 50 classes that occur, as label or as answer, in the order of their index: `classes` and
    `counts`, rows by label, columns by answer. Above: `pairs`, the 20 most frequent wrong ones.
    """
    if not labelled:
        return None
    counts = Counter((r["label_index"], a["class_index"]) for r in labelled if (a := best(r)))
    occurring = sorted({index for pair in counts for index in pair})
    if len(occurring) <= MATRIX_AT_MOST:
        table = [[counts[label, answer] for answer in occurring] for label in occurring]
        return {"classes": [classes[index] for index in occurring], "counts": table}
    images = Counter(record["label_index"] for record in labelled)
    wrong = sorted((-n, label, answer) for (label, answer), n in counts.items() if label != answer)
    return {
        "pairs": [
            {"label": classes[label], "answer": classes[answer], "count": -n, "images": images[label]}
            for n, label, answer in wrong[:PAIRS_AT_MOST]
        ]
    }
