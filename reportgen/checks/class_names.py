"""Whether the class names stand in the order that the network has them in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from reportgen.checks import check
from reportgen.checks.answering import probabilities
from reportgen.checks.case import OF_ANSWERS, Case, decided, unjudged
from reportgen.checks.words import counted, interval, percent
from reportgen.findings import GRAVE, Array, Exhibits, Status, Verdict
from reportgen.stats import paired_difference, wilson

FEWEST = 30  # images of the half that confirms; fewer decide nothing
MOST_CLASSES = 2000  # above, only orders that have a name are tried: the table of all pairs would not fit
FOLLOWS = (*OF_ANSWERS, "preprocessing", "input-statistics")
REMEDY = (
    "Put the class names, or the labels, into the network's own order: model.classes, images.labels, or the "
    "class_to_idx of the training."
)

NO_ORDER = (
    "Another order of the class names makes some more answers right, but most answers that it moves are "
    "wrong in either: it is not the order alone."
)


@check("class-names", group="the labels")
class ClassNames:
    """Class names: would another order of the names fit the answers better?

    Measurement. On one half of the labelled images the order is searched that makes most answers right: the
    best assignment of answers to labels (Hungarian method), and orders with a name: shifted by one, sorted
    as text, sorted by number, reversed. What is found is confirmed on the other half: the gain in accuracy
    with its 95 % interval for the same images.

    Reading. Where another order makes many more answers right, the network is better than it looks, and every
    number that is told by class is wrong: mend the order first. Whether the names or the labels are out of
    order cannot be told from the answers.

    Limits. A class whose answers are mostly wrong for another reason cannot be assigned: an order without a
    name is found only where it makes most of the answers that it moves right. Classes with one or
    two images cannot be told apart; only orders with a name are then found. Without labels nothing is.

    Remedy. Put the class names, or the labels, into the order that the training had.

    Source. Kuhn 1955, The Hungarian Method for the Assignment Problem; Agresti & Min 2005 for the interval.
    """

    limit: float = 0.05

    def judge(self, case: Case) -> Verdict:
        judged = case.answers.judged
        if not judged.any():
            return unjudged(case.answers)
        search, confirm = judged & case.first_half, judged & ~case.first_half
        order, name = self._found(case, search)
        n = int(confirm.sum())
        labels, answers = case.answers.labels[confirm], case.answers.answers[confirm]
        as_listed, mended = answers == labels, order[answers] == labels
        gained, lost = int((mended & ~as_listed).sum()), int((as_listed & ~mended).sum())
        low, high = paired_difference(gained, lost, n)
        status: Status = decided(low, high, self.limit) if n >= FEWEST else "undecided"
        if status == "undecided" and n >= FEWEST and low > 0 and (gained - lost) / n > self.limit:
            status = "warning"  # that there is a gain is shown; whether it is as large is not
        fits = status not in GRAVE or bool(name) or _fits(order, answers, labels)
        if not fits:
            status = "undecided"  # some gain, and still no order: the answers are wrong for another reason
        bad = status in GRAVE
        changed = [k for k in np.unique(answers) if order[k] != k]
        text = self._sentence(case, order, name, as_listed, mended) if changed and bad else ""
        moved = np.isin(case.answers.answers, changed) & judged & ~case.answers.right
        return Verdict(
            status=status,
            sentence=text or (_in_order(status, n, high) if fits else NO_ORDER),
            effect=(gained - lost) / n if n >= FEWEST else None,
            low=low if n >= FEWEST else None,
            high=high if n >= FEWEST else None,
            unit="points",
            limit=self.limit,
            limit_reason="one answer in twenty would be right in another order",
            n=n,
            remedy=REMEDY if bad else _more(status, n) if fits else "Look at the last layer and its weights.",
            exhibits=Exhibits(
                images=tuple(case.answers.numbers[moved].tolist()) if bad else (),
                settings=("model.classes", "images.labels") if bad else (),
            ),
            explains=FOLLOWS if bad else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case with every label as the network would name it."""
        order, _ = self._found(case, case.answers.judged & case.first_half)
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        answers = case.answers
        labels = np.where(answers.labels >= 0, inverse[answers.labels], answers.labels)
        return case.with_answers(replace(answers, labels=labels, label_probability=_of(case, labels)))

    def _found(self, case: Case, search: Array) -> tuple[Array, str]:
        """The label that each answer stands for (C,), and the name of that order, "" of one without: the
        best one on a half. One with a name goes before one that fits as well without."""
        labels, answers = case.answers.labels[search], case.answers.answers[search]
        listed = np.arange(len(case.classes))
        best, best_name, most = listed, "", int((answers == labels).sum())
        for name, order in _named_orders(case.classes):
            fits = int((order[answers] == labels).sum())
            if fits > most:
                best, best_name, most = order, name, fits
        occurring = np.union1d(labels, answers)
        if 1 < len(occurring) <= MOST_CLASSES:
            order = _assigned(labels, answers, occurring, len(case.classes))
            # an assignment fits chance as well: each class that it moves has to be worth two images
            moved = int((order != listed).sum())
            if int((order[answers] == labels).sum()) > most + 2 * moved:
                best, best_name = order, ""
        return best, best_name

    def _sentence(self, case: Case, order: Array, name: str, as_listed: Array, mended: Array) -> str:
        n = len(mended)
        right, of = int(mended.sum()), counted(n, "image")
        low, high = wilson(right, n)
        before = percent(as_listed.mean())
        found = (
            f"with the names put right {percent(right / n)} {interval(low, high)} of the {of} held back for"
        )
        what = f"The class names look {name}" if name else self._described(case, order)
        return f"{what}: {found} this test are answered right, instead of {before}."

    def _described(self, case: Case, order: Array) -> str:
        """What an order without a name is: two classes that are exchanged, or several that are mixed up."""
        answers, labels = case.answers.answers[case.answers.judged], case.answers.labels[case.answers.judged]
        moved = [k for k in np.unique(np.concatenate([answers, labels])) if order[k] != k]
        if len(moved) == 2:
            a, b = moved
            parts = [
                f"{int(((labels == x) & (answers == y)).sum())} of {int((labels == x).sum())} images labelled"
                f" {case.classes[x]} are answered {case.classes[y]}"
                for x, y in ((a, b), (b, a))
            ]
            return f"{case.classes[a]} and {case.classes[b]} look exchanged ({', and '.join(parts)})"
        return f"The names of {len(moved):,} classes look out of order"


def _fits(order: Array, answers: Array, labels: Array) -> bool:
    """Whether an order makes most of the answers that it moves right: where a layer is untrained, or the
    answers are worth little, the best assignment gains a little by giving each answer its likeliest label."""
    moved, right = order[answers] != answers, order[answers] == labels
    most = 0.5
    if moved.mean() < 0.5:  # a weak network is as weak where the order is exchanged
        most = min(most, 0.8 * float(right[~moved].mean()))
    return not moved.any() or float(right[moved].mean()) > most


def _in_order(status: str, n: int, high: float) -> str:
    if status == "clear":
        return f"No other order of the class names makes more answers right: at most {100 * high:.1f} points."
    held = counted(n, "image held back for this test", "images held back for this test")
    return f"{held} cannot tell whether another order of the class names would fit better."


def _more(status: str, n: int) -> str:
    more = max(3 * FEWEST, 4 * n)  # of which half is held back
    return f"Label more images: {more:,} in all may decide it." if status == "undecided" else ""


def _named_orders(classes: tuple[str, ...]) -> Iterable[tuple[str, Array]]:
    """Orders that happen: each gives for the k-th output the index of the name that belongs to it."""
    count = len(classes)
    listed = np.arange(count)
    yield "shifted by one (the first output belongs to the last name)", np.roll(listed, 1)
    yield "shifted by one (the last output belongs to the first name)", np.roll(listed, -1)
    yield "reversed", listed[::-1].copy()
    by_text = np.array(sorted(range(count), key=lambda k: (classes[k], k)))
    by_number = np.array(sorted(range(count), key=lambda k: (_natural(classes[k]), k)))
    numbers = all(re.search(r"\d", name) for name in classes)
    text = "sorted by number, where the network has them sorted as text (10 before 2)" if numbers else ""
    yield text or "out of order, where the network has them sorted as text", by_text
    yield "sorted as text, where the network has them sorted by number (2 before 10)", by_number


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """A name as a sort key by which 2 comes before 10."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def _assigned(labels: Array, answers: Array, occurring: Array, count: int) -> Array:
    """The label that each answer (C,) stands for by the best assignment on the confusion counts."""
    places = np.full(count, -1)
    places[occurring] = np.arange(len(occurring))
    table = np.zeros((len(occurring), len(occurring)))
    np.add.at(table, (places[answers], places[labels]), 1.0)
    table += 1e-3 * np.eye(len(occurring))  # what no image speaks against stays as it is
    rows, columns = linear_sum_assignment(-table)
    order = np.arange(count)
    order[occurring[rows]] = occurring[columns]
    return order


def _of(case: Case, labels: Array) -> Array:
    """The probability of other labels (N,), NaN where there is none or no logits are known."""
    known = np.full(len(labels), np.nan)
    places = {int(number): place for place, number in enumerate(case.answers.numbers)}
    for numbers, logits in case.sources.logits():
        p = probabilities(logits)
        for row, number in enumerate(numbers):
            place = places.get(int(number))
            if place is not None and labels[place] >= 0:
                known[place] = p[row, labels[place]]
    return known
