"""Whether confidence tells which answers to give, and from which confidence on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.stats import rankdata

from reportgen.checks import check
from reportgen.checks.answering import probabilities
from reportgen.checks.case import Answers, Case, decided, unjudged
from reportgen.checks.words import counted, interval, percent
from reportgen.findings import GRAVE, Array, Curve, Exhibits, Number, Table, Verdict
from reportgen.stats import t_95, wilson

FEWEST = 100  # labelled images; fewer decide nothing
FEWEST_OF_A_KIND = 5  # right answers, and wrong ones
FEWEST_GIVEN = 30  # answers above a threshold
POINTS = 101  # of the curve
REMEDY = (
    "Do not use the confidence to choose answers: look at the preprocessing, the labels and the training."
)


@check("abstention", group="the answers")
class Abstention:
    """Abstention: does confidence tell which answers should not be given?

    Measurement. How often, of a right and a wrong answer, the wrong one is the surer is the harm: one less
    the area under the ROC of the confidence, with DeLong's interval over images. On one half of them the
    lowest confidence is searched above which `accuracy` of the answers are right; how many are right above
    it, and how many are given at all, is told on the other half. The curve has the share of wrong answers
    among the most confident ones (risk) over their share of all (coverage), and its mean (AURC). Beside it is
    the size of the sets of classes that hold the label for `sure` of images (split conformal prediction).

    Reading. Give the answers above the threshold, and refer the others to a person. Where the most confident
    answers are no better than the rest, no threshold helps.

    Limits. The threshold holds for images like these, in the same mix. A share of 99 % right has an
    interval that is wide on few images. Fewer than 5 wrong answers do not tell whether
    confidence orders them. Of 400 images, 10 % wrong, a random confidence was a fault in most draws.

    Remedy. Refer what lies below the threshold; where confidence orders nothing, mend the training first.

    Source. El-Yaniv & Wiener 2010 (JMLR 11); Geifman & El-Yaniv 2017 (arXiv:1705.08500); DeLong et al. 1988;
    Sadinle, Lei & Wasserman 2019, Least Ambiguous Set-Valued Classifiers (arXiv:1609.00451).
    """

    numbers: ClassVar[Mapping[str, str]] = {"threshold": "probability below which answers are referred"}
    limit: float = 0.4
    accuracy: float = 0.99
    sure: float = 0.95

    def judge(self, case: Case) -> Verdict:
        kept = case.answers.judged
        answers = case.answers.only(kept)
        n = len(answers.numbers)
        if not n:
            return unjudged(case.answers)
        wrong = int((~answers.right).sum())
        if n < FEWEST:
            text = f"{counted(n, 'labelled image')} are too few for a threshold: it takes {FEWEST}."
            return Verdict("undecided", text, n=n, remedy="Label more images.")
        found = _threshold(answers, case.first_half[kept], self.accuracy)
        curve, aurc = _risk(answers)
        figures = (curve, self._table(case, answers, aurc, found))
        said = self._threshold_words(found)
        if min(wrong, n - wrong) < FEWEST_OF_A_KIND:
            kind = "wrong" if wrong < n - wrong else "right"
            few = f"Only {counted(min(wrong, n - wrong), kind + ' answer')} of {n:,}: "
            text = f"{few}whether confidence tells right from wrong is open. {said}"
            return Verdict("undecided", text, n=n, remedy="Label more images.", figures=figures)
        area, low, high = auroc(answers.confidence, answers.right)
        status = decided(1 - high, 1 - low, self.limit)
        return Verdict(
            status=status,
            sentence=f"{_order_words(status, area, low, high)} {said}",
            effect=1 - area,
            low=1 - high,
            high=1 - low,
            unit="share of pairs",
            limit=self.limit,
            limit_reason="by a half, confidence would order answers as a coin does",
            n=n,
            remedy=REMEDY if status in GRAVE else "Label more images." if status == "undecided" else "",
            exhibits=Exhibits(images=_surest_wrong(answers) if status in GRAVE else ()),
            figures=figures,
            numbers={"threshold": Number(found[0] if found else None)},
        )

    def _threshold_words(self, found: tuple[float, str, int, int, int] | None) -> str:
        goal = percent(self.accuracy)
        if found is None:
            return f"No threshold was found above which {goal} are right."
        threshold, words, right, given, n = found
        share = f"{percent(right / given)} {interval(*wilson(right, given))}" if given else "none"
        told_on = f"of the {n:,} images held back for this test"
        if threshold <= 0:
            return f"Without any threshold {share} {told_on} are right: {goal} were wished for."
        answered = f"{share} are right, on {percent(given / n)} {told_on}"
        return f"Below {words} it should not answer: above, {answered}."

    def _table(
        self, case: Case, answers: Answers, aurc: float, found: tuple[float, str, int, int, int] | None
    ) -> Table:
        rows: list[tuple[str, float | str | None]] = [("mean risk over coverage (AURC)", aurc)]
        if found is not None and found[3]:
            rows += [
                ("threshold, found on one half", found[0]),
                ("share right above it, on the other half", found[2] / found[3]),
                ("share of images above it, on the other half", found[3] / found[4]),
            ]
        sets = _sets(case, answers, self.sure)
        if sets is not None:
            rows += [
                (f"classes in a set that holds the label for {percent(self.sure)}, mean", sets[0]),
                ("share of such sets that hold it, on the other half", sets[1]),
            ]
        return Table("numbers", "Answering or not, in numbers", ("number", "value"), tuple(rows))


def auroc(sure: Array, right: Array) -> tuple[float, float, float]:
    """The chance that of a right and a wrong answer the right one is surer (ties count half), with a 95 %
    interval over images: DeLong, DeLong & Clarke-Pearson 1988, by ranks, on the scale of log odds."""
    good, bad = sure[right], sure[~right]
    ranks = rankdata(np.concatenate([good, bad]))
    m, n = len(good), len(bad)
    above = (ranks[:m] - rankdata(good)) / n  # of each right answer: the share of wrong ones below it
    below = 1 - (ranks[m:] - rankdata(bad)) / m
    area = float(above.mean())
    error = float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
    inside = min(max(area, 0.5 / (m * n)), 1 - 0.5 / (m * n))
    error = max(error, np.sqrt(inside * (1 - inside) / (m * n)))  # all in order: still not known to be so
    spread = t_95(min(m, n) - 1) * error / (inside * (1 - inside))
    odds = np.log(inside / (1 - inside))
    low, high = (float(1 / (1 + np.exp(-np.clip(end, -40, 40)))) for end in (odds - spread, odds + spread))
    return area, min(low, area), max(high, area)


def _order_words(status: str, area: float, low: float, high: float) -> str:
    harm = f"{percent(1 - area)} {interval(1 - high, 1 - low)}"
    pairs = f"of a right and a wrong answer the wrong one is the surer in {harm} of pairs."
    first = {
        "fault": "Confidence hardly tells right answers from wrong ones: ",
        "clear": "Confidence tells right answers from wrong ones: ",
    }
    return first.get(status, "Whether confidence tells right answers from wrong ones is open: ") + pairs


def _threshold(answers: Answers, first: Array, goal: float) -> tuple[float, str, int, int, int] | None:
    """The least confidence above which a share `goal` is right on half A: the threshold, in words, and on
    half B how many above it are right, how many there are, and how many images in all. None where there is
    none, or a half has too few images."""
    sure, right = answers.confidence[first], answers.right[first]
    told_on = int((~first).sum())
    if len(sure) < FEWEST_GIVEN or not told_on:
        return None
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    ends = np.append(np.diff(sure[order]) < 0, True)  # answers of one confidence are given together
    enough = np.flatnonzero(ends & (share >= goal) & (np.arange(1, len(order) + 1) >= FEWEST_GIVEN))
    if not len(enough):
        return None
    last = int(enough[-1])
    threshold, words = 0.0, ""
    if last + 1 < len(order):
        threshold, words = _between(float(sure[order[last + 1]]), float(sure[order[last]]))
    above = answers.confidence[~first] > threshold
    return threshold, words, int(answers.right[~first][above].sum()), int(above.sum()), told_on


def _between(low: float, high: float) -> tuple[float, str]:
    """A number of few digits from `low`, included, to `high`, and as it is written."""
    for digits in range(2, 9):
        words = f"{(low + high) / 2:.{digits}f}"
        if low <= float(words) < high:
            return float(words), words
    return low, repr(low)


def _risk(answers: Answers) -> tuple[Curve, float]:
    """Risk over coverage, the surest answers first, with Wilson's interval; and its mean. Answers of one
    confidence share their mean risk."""
    n = len(answers.numbers)
    order = np.argsort(-answers.confidence, kind="stable")
    _, groups, sizes = np.unique(-answers.confidence[order], return_inverse=True, return_counts=True)
    wrong = (~answers.right[order]).astype(np.float64)
    mean = np.bincount(groups.ravel(), wrong) / sizes
    risk = np.cumsum(mean[groups.ravel()]) / np.arange(1, n + 1)
    places = np.unique(np.linspace(FEWEST_GIVEN - 1, n - 1, POINTS).astype(np.int64))
    band = np.array([wilson(round(risk[k] * (k + 1)), int(k) + 1) for k in places]).T
    best = np.maximum(0.0, (places + 1 - answers.right.sum()) / (places + 1))
    band = np.stack([np.minimum(band[0], risk[places]), np.maximum(band[1], risk[places])])
    curve = Curve(
        "risk-coverage",
        "Wrong answers among the most confident",
        np.stack([best, risk[places]]),
        (places + 1) / n,
        ("in the best order", "most confident first"),
        "share of images answered",
        "share of them wrong",
        band,
        (0.0, max(0.05, float(band.max()))),
    )
    return curve, float(risk.mean())


def _sets(case: Case, answers: Answers, sure: float) -> tuple[float, float] | None:
    """Sets of the classes whose probability is at least a threshold that half A gives, so that they hold the
    label for a share `sure`: on half B their mean size, and how often they hold it. None without logits."""
    halves = dict(zip(case.answers.numbers.tolist(), case.first_half.tolist(), strict=True))
    first = np.array([halves[number] for number in answers.numbers.tolist()], dtype=bool)
    known = answers.label_probability
    own = np.sort(known[first & np.isfinite(known)])
    place = int(np.floor((len(own) + 1) * (1 - sure))) - 1  # as many of A may be left out
    if place < 0:
        return None
    least, label = own[place], dict(zip(answers.numbers[~first].tolist(), known[~first], strict=True))
    count = size = containing = 0
    for numbers, logits in case.sources.logits():
        rows = [k for k, number in enumerate(numbers.tolist()) if np.isfinite(label.get(number, np.nan))]
        p = probabilities(logits[rows])
        count, size = count + len(rows), size + int((p >= least - 1e-9).sum())
        containing += int(sum(label[int(numbers[k])] >= least - 1e-9 for k in rows))
    return (size / count, containing / count) if count else None


def _surest_wrong(answers: Answers) -> tuple[int, ...]:
    wrong = np.flatnonzero(~answers.right)
    order = wrong[np.argsort(-answers.confidence[wrong], kind="stable")]
    return tuple(answers.numbers[order[:100]].tolist())
