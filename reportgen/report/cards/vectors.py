"""The probability of every class of one image: a bar a class where they are few, else a plot by rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.findings import Array, Distribution, faults
from reportgen.report.pictures.plots import ranked
from reportgen.report.values.card import Answer, Fact, Figure, Vector
from reportgen.report.wording import number, ordinal, plural, probability, sentence

LISTED_AT_MOST = 20  # classes that are still read bar by bar
ANSWERS = 5  # that stand above: where there are no more classes, the vector is there already


def vector(
    finding: Distribution, stem: str, subject: str, classes: Sequence[str], label: int | None
) -> Vector | None:
    """The whole vector of one image; None where the list of answers has every class already."""
    values = np.asarray(finding.values, np.float64)
    count = len(values)
    if count <= ANSWERS:
        return None
    title = f"All {count:,} classes"
    anchor = f"{stem}-{finding.name}"
    if not np.isfinite(values).all():
        return Vector(anchor, title, words=sentence(faults(values) or ""))
    if count <= LISTED_AT_MOST:
        rows = zip(classes, values, strict=True)
        return Vector(
            anchor, title, rows=tuple(_row(name, float(p), n == label) for n, (name, p) in enumerate(rows))
        )
    return Vector(anchor, title, figure=_by_rank(values, anchor, subject, classes, label))


def _row(name: str, p: float, is_label: bool) -> Answer:
    return Answer(name, probability(p), "", round(100 * p), is_label)


def _by_rank(values: Array, anchor: str, subject: str, classes: Sequence[str], label: int | None) -> Figure:
    """The probabilities from the largest down, the answers and the label marked."""
    count = len(values)
    falling = np.sort(values)[::-1]
    above = int((values > 1 / count).sum())
    facts = [Fact("more probable than an even guess", f"{above:,}")]
    told = f"{plural(above, 'class is', 'classes are')} more probable than an even guess"
    rank = None
    if label is not None:
        rank = 1 + int((values > values[label]).sum())
        facts.append(Fact("rank of the label", f"{rank:,}"))
        told += f"; the label {classes[label]} is {ordinal(rank)} with {probability(float(values[label]))}"
    return Figure(
        id=anchor,
        name="probabilities",
        title=f"All {count:,} classes by rank",
        caption="probability, largest first; both axes logarithmic",
        details=(f"dots: the {ANSWERS} answers" + (" and the label" if label is not None else ""),),
        alt=f"The {count:,} probabilities of {subject}, largest first: {number(float(falling[0]))} falls"
        f" to {number(float(falling[-1]))}; {told}",
        plot=ranked(falling, ANSWERS, rank),
        facts=tuple(facts),
    )
