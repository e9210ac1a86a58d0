"""Whether every class has images enough for its accuracy to be known."""

from __future__ import annotations

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.words import counted
from reportgen.findings import Array, Status, Table, Verdict
from reportgen.stats import wilson

NAMED = 5  # classes that a sentence names
TABLE_AT_MOST = 20


@check("balance", group="the images")
class Balance:
    """Balance: does every class have images enough to know how well it is answered?

    Measurement. The images of each class of the model are counted by their labels. `smallest` is the share
    of the median class, among those that have images, from which a class counts as small; classes without
    any image are named first.

    Reading. Of a class without images nothing is known, whatever the accuracy of the set. Where one class
    is much larger than the others, accuracy is mostly its own: balanced accuracy, the mean over the classes,
    and the accuracy of always answering the largest class say what it is worth.

    Limits. What the classes' shares are in use is not known here: a set may be unbalanced on purpose. With
    more classes than images most have none, and that alone is no fault of the set.

    Remedy. Add images of the named classes, or leave them out of the model's list if they never occur.

    Source. He & Garcia 2009, Learning from Imbalanced Data (IEEE TKDE 21:9); Brodersen et al. 2010, The
    Balanced Accuracy and Its Posterior Distribution.
    """

    smallest: float = 0.1

    def judge(self, case: Case) -> Verdict:
        labels = case.answers.labels[case.answers.labels >= 0]
        if not len(labels):
            return untested("no image has a label", "Name the labels: images.labels.", ["images.labels"])
        counts = np.bincount(labels, minlength=len(case.classes))
        absent = np.flatnonzero(counts == 0)
        median = float(np.median(counts[counts > 0]))
        small = np.flatnonzero((counts > 0) & (counts < self.smallest * median))
        worth = self._worth(case, counts)

        def said(status: Status, text: str) -> Verdict:
            return Verdict(
                status,
                text + worth,
                effect=None if status == "undecided" else float(counts.min() / median),
                unit="of the median class",
                limit=self.smallest,
                limit_reason="with a tenth of the images an interval is three times as wide",
                n=len(labels),
                remedy=REMEDY if status != "clear" else "",
                figures=() if status == "undecided" else (self._table(case, counts),),
            )

        few = len(labels) < 2 * len(case.classes)
        if len(absent) and few:
            text = f"{len(labels):,} labelled images cannot tell of {len(case.classes):,} classes: "
            return said("undecided", f"{text}{len(absent):,} have no image.")
        if len(absent):
            answered = int(np.isin(case.answers.answers[case.answers.answered], absent).sum())
            text = f"No image of {_named(case, absent)}: {_their(absent)} accuracy is not known"
            text += f"; {counted(answered, 'image is', 'images are')} answered so." if answered else "."
            return said("warning", text)
        if len(small):
            parts = f"{_named(case, small, counts)}, against {median:,.12g} in the median class"
            return said("warning", f"Few images: {parts}.")
        smallest = int(counts.argmin())
        text = f"Every class has images: {counts.min():,} ({case.classes[smallest]}) to {counts.max():,}."
        return said("clear", text)

    def _worth(self, case: Case, counts: Array) -> str:
        """What always answering the largest class is worth, where that is much."""
        largest = int(counts.argmax())
        share = counts[largest] / counts.sum()
        if share < 2 / max(2, int((counts > 0).sum())):
            return ""
        return f" Always answering {case.classes[largest]} would be right for {100 * share:.1f} %."

    def _table(self, case: Case, counts: Array) -> Table:
        """The classes, fewest images first."""
        right = np.bincount(case.answers.labels[case.answers.right], minlength=len(case.classes))
        judged = np.bincount(case.answers.labels[case.answers.judged], minlength=len(case.classes))
        order = np.argsort(counts, kind="stable")[:TABLE_AT_MOST]
        rows = tuple(
            (case.classes[k], int(counts[k]), *_accuracy(int(right[k]), int(judged[k]))) for k in order
        )
        heads = ("class", "images", "right", "95 % interval")
        return Table("classes", "Images by class, fewest first", heads, rows)


REMEDY = "Add images of them, or leave them out of the model's classes if they never occur."


def _accuracy(right: int, count: int) -> tuple[str, str]:
    if not count:
        return "–", "not known"
    low, high = wilson(right, count)
    return f"{right} of {count}", f"{100 * low:.1f} % to {100 * high:.1f} %"


def _named(case: Case, classes: Array, counts: Array | None = None) -> str:
    """The first few of several classes, with their counts where they are given."""
    words = [case.classes[k] + (f" ({counts[k]:,})" if counts is not None else "") for k in classes[:NAMED]]
    more = len(classes) - len(words)
    return ", ".join(words) + (f" and {more:,} more classes" if more else "")


def _their(classes: Array) -> str:
    return "its" if len(classes) == 1 else "their"
