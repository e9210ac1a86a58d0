"""How good the answers are: against the majority answer, and class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from scipy.stats import fisher_exact
from sklearn.metrics import (
    average_precision_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

from reportgen.checks import check
from reportgen.checks.answering import probabilities
from reportgen.checks.case import Answers, Case, unjudged
from reportgen.checks.curves import operating_curves
from reportgen.checks.words import counted, interval, listed, percent, rounded_up
from reportgen.findings import GRAVE, Array, Exhibits, Number, Status, Table, Verdict
from reportgen.stats import finite, holm, newcombe, wilson

FEWEST = 30  # labelled images; fewer decide nothing
AUC_AT_MOST = 50  # classes of which a ROC is looked at
TOP = 5
SIGNIFICANT = 0.05
TITLES = {
    "balanced_accuracy": "balanced accuracy",
    **{
        f"{mean}_{key.lower()}": f"{key}, {mean}"
        for mean in ("macro", "weighted")
        for key in ("precision", "recall", "F1")
    },
    "mcc": "Matthews' correlation",
    "top_5_accuracy": f"label among the first {TOP} answers",
    "macro_roc_auc": "area under the ROC, macro",
    "macro_average_precision": "average precision, macro",
}
OF_SET = ("macro_precision", "macro_recall", "macro_f1", "top_5_accuracy")
REMEDY = "Look at the confusions of the named classes; train with more of their images."


@check("accuracy", group="the answers")
class Accuracy:
    """Accuracy: are the answers better than always giving the commonest one, and in every class?

    Measurement. Accuracy with its 95 % interval is held against the share of the commonest label. Each class'
    accuracy is held against that of all other classes: the difference with Newcombe's interval, where
    Fisher's exact test, corrected for the number of classes (Holm), shows one. Balanced accuracy, precision,
    recall and F1 as means over classes (macro) and over images (weighted), Matthews' correlation, the
    label among the first five answers and the areas under the curves stand in the table; of up to five
    classes the curves are drawn.

    Reading. A class far below the others is weak whatever the accuracy of the set; balanced accuracy shows
    how much of it the large classes make. A class that is never answered cannot be right.

    Limits. A class with few images is found only where nearly all of them are wrong: two of ten right among
    300 others that are right was. How often a class occurs in use is not known here.

    Remedy. Look at the confusions of the weak class; train with more of its images, or weigh them more.

    Source. Wilson 1927; Newcombe 1998; Holm 1979; Matthews 1975, for two classes, in Gorodkin's form of 2004.
    """

    # the others of TITLES are metrics of the set: a gate names them so
    numbers: ClassVar[Mapping[str, str]] = {key: words for key, words in TITLES.items() if key not in OF_SET}

    limit: float = 0.1

    def judge(self, case: Case) -> Verdict:
        answers = case.answers.only(case.answers.judged)
        n, right = len(answers.numbers), int(answers.right.sum())
        if not n:
            return unjudged(case.answers)
        low, high = wilson(right, n)
        counts = np.bincount(answers.labels, minlength=len(case.classes))
        commonest = counts.max() / n
        weak, gap, ends = self._weak(answers)
        status, why = self._status(case, answers, high, float(commonest), weak, ends)
        text = f"{right:,} of {counted(n, 'answer')} are right: "
        text += f"accuracy {percent(right / n)} {interval(low, high)}"
        balanced = _balanced(answers)
        text += f", balanced accuracy {percent(balanced)}" if abs(balanced - right / n) >= 0.01 else ""
        if n < FEWEST:  # an interval over them would only look like a finding
            gap = ends = None
        shown = answers.numbers[~answers.right & np.isin(answers.labels, weak)] if len(weak) else ()
        found, scores, labels = _numbers(case, answers, balanced)
        rows = tuple((TITLES[key], value) for key, value in found.items())
        table = Table("numbers", "Answers in numbers", ("number", "value"), rows)
        curves = operating_curves(scores, labels, case.classes) if len(labels) else ()
        return Verdict(
            status=status,
            sentence=f"{text}.{why}",
            effect=gap,
            low=ends[0] if ends else None,
            high=ends[1] if ends else None,
            unit="points",
            limit=self.limit,
            limit_reason="a class ten points below the others is another model for whoever meets it",
            n=n,
            remedy=self._remedy(status, answers, gap, ends[1] if ends else None),
            exhibits=Exhibits(images=tuple(int(k) for k in shown)),
            figures=(table, *curves),
            numbers={key: Number(found.get(key)) for key in self.numbers},
        )

    def _weak(self, answers: Answers) -> tuple[Array, float | None, tuple[float, float] | None]:
        """Classes that are worse than the others by more than chance, the worst first; how far that one is
        below the others, with its interval. Where none is, of the class with the largest difference."""
        labels, right = answers.labels, answers.right
        classes = np.unique(labels)
        if len(classes) < 2:
            return classes[:0], None, None
        counts = np.stack([np.bincount(labels[right], minlength=labels.max() + 1), np.bincount(labels)], 1)
        counts = counts[classes]
        total = counts.sum(0)
        p, gaps = [], []
        for own, of in counts:
            others, of_others = int(total[0] - own), int(total[1] - of)
            table = [[own, of - own], [others, of_others - others]]
            gaps.append(others / of_others - own / of)
            p.append(float(fisher_exact(table, alternative="less")[1]) if gaps[-1] > self.limit else 1.0)
        order = np.argsort([-gap for gap in gaps], kind="stable")
        adjusted = holm(p)
        weak = [k for k in order if adjusted[k] < SIGNIFICANT and gaps[k] > self.limit]
        worst = weak[0] if weak else order[0]
        own, of = (int(x) for x in counts[worst])
        ends = newcombe(int(total[0]) - own, int(total[1]) - of, own, of)
        return classes[weak], float(gaps[worst]), ends

    def _status(
        self,
        case: Case,
        answers: Answers,
        high: float,
        commonest: float,
        weak: Array,
        ends: tuple[float, float] | None,
    ) -> tuple[Status, str]:
        """The status, and the sentences that say why."""
        if len(answers.numbers) < FEWEST:
            return "undecided", " Too few images to judge."
        given = np.unique(answers.answers)
        occurring = np.unique(answers.labels)
        if len(given) == 1 and len(occurring) > 1:
            return "fault", f" Every answer is {case.classes[given[0]]}."
        if high <= commonest and len(occurring) > 1:
            return "fault", f" Always giving the commonest label would be right for {percent(commonest)}."
        share = float(answers.right.mean())
        if share <= commonest and len(occurring) > 1:
            worth = f" No better than always giving the commonest label, right for {percent(commonest)}."
            return "warning", worth
        never = np.setdiff1d(occurring, given)
        why = f" Never answered: {listed([case.classes[k] for k in never])}." if len(never) else ""
        if len(weak):
            parts = [
                f"{case.classes[k]} {int(answers.right[answers.labels == k].sum())} of"
                f" {int((answers.labels == k).sum())}"
                for k in weak
            ]
            grave: Status = "fault" if ends and ends[0] > self.limit else "warning"
            return grave, f" Far below the others: {listed(parts)} right.{why}"
        if ends is None:
            return "clear", f" All labels are {case.classes[occurring[0]]}: no class is held against another."
        if ends[1] <= self.limit:
            return "clear", f" No class is {100 * self.limit:.0f} points below the others.{why}"
        open_ = f" Whether a class is {100 * self.limit:.0f} points below the others is open."
        return "undecided", open_ + why

    def _remedy(self, status: Status, answers: Answers, gap: float | None, high: float | None) -> str:
        """What to do; where it is open, how many images may decide it: an interval is as wide as one over the
        root of their number."""
        if status in GRAVE:
            return REMEDY
        if status != "undecided":
            return ""
        n = len(answers.numbers)
        if n < FEWEST or gap is None or high is None or gap >= self.limit:
            return "Label more images of the weakest classes." if n >= FEWEST else "Label more images."
        times = max(1.0, (high - gap) / (self.limit - gap)) ** 2
        return f"Label more images: about {rounded_up(n * times):,} in all may decide it."


def _balanced(answers: Answers) -> float:
    """The mean over the classes that occur of the share that is right."""
    counts = np.bincount(answers.labels)
    right = np.bincount(answers.labels[answers.right], minlength=len(counts))
    return float((right[counts > 0] / counts[counts > 0]).mean())


def _numbers(case: Case, answers: Answers, balanced: float) -> tuple[dict[str, float | None], Array, Array]:
    """All the usual numbers by name, and what the operating curves of few classes are drawn from."""
    found: dict[str, float | None] = {"balanced_accuracy": balanced}
    for mean in ("macro", "weighted"):
        p, r, f, _ = precision_recall_fscore_support(
            answers.labels,
            answers.answers,
            labels=np.unique(answers.labels),  # those that an image has, as for the metrics of the set
            average=mean,
            zero_division=0,
        )
        found |= {f"{mean}_precision": float(p), f"{mean}_recall": float(r), f"{mean}_f1": float(f)}
    if len(np.unique(answers.labels)) > 1:
        found["mcc"] = float(matthews_corrcoef(answers.labels, answers.answers))
    among, scores, labels = _of_logits(case, answers)
    if among is not None:
        found["top_5_accuracy"] = among
    if len(labels):
        found["macro_roc_auc"] = _mean_area(roc_auc_score, scores, labels)
        found["macro_average_precision"] = _mean_area(average_precision_score, scores, labels)
    return found, scores, labels


def _of_logits(case: Case, answers: Answers) -> tuple[float | None, Array, Array]:
    """The share whose label is among the first answers, None where all classes are; and, where the classes
    are not too many for it, the probabilities (n, C) with their labels (n,)."""
    label = {int(n): int(k) for n, k in zip(answers.numbers, answers.labels, strict=True)}
    among, scores, truths = 0, [np.zeros((0, len(case.classes)))], [np.zeros(0, dtype=np.int64)]
    for numbers, logits in case.sources.logits():
        kept = [row for row, number in enumerate(numbers) if int(number) in label]
        if not kept:
            continue
        own = np.array([label[int(numbers[row])] for row in kept], dtype=np.int64)
        of = logits[kept].astype(np.float64)
        among += int(((of > np.take_along_axis(of, own[:, None], 1)).sum(1) < TOP).sum())
        if len(case.classes) <= AUC_AT_MOST:
            scores.append(probabilities(of))
            truths.append(own)
    first = among / len(label) if len(case.classes) > TOP and label else None
    return first, np.concatenate(scores), np.concatenate(truths)


def _mean_area(area: Callable[[Array, Array], float], scores: Array, labels: Array) -> float | None:
    """The mean over classes of the area under a curve, each class against the rest."""
    areas = [area(labels == k, scores[:, k]) for k in np.unique(labels) if not (labels == k).all()]
    return finite(float(np.mean(areas))) if areas else None
