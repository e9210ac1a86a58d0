"""Whether some labels are wrong: answers that contradict them as surely as right answers are given."""

from __future__ import annotations

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, unjudged
from reportgen.checks.words import counted, interval, listed, percent, rounded_up
from reportgen.findings import GRAVE, Array, Exhibits, Status, Table, Verdict
from reportgen.stats import wilson

FEWEST = 100  # labelled images; fewer decide nothing
LISTED = 40  # suspicious images in the table
NAMED = 3  # in the sentence
OWN_ERRORS = 0.1  # share of the model's own mistakes, past which it is no judge of labels
AS_SURE = 0.5  # of its own mistakes, what may be counted as wrong labels: a fourth as sure as right answers
FOLLOWS = "accuracy", "calibration", "abstention", "properties", "slices", "groups"
REMEDY = "Look at the named images, and mend the labels that are wrong."


@check("label-noise", group="the labels")
class LabelNoise:
    """Label noise: are labels wrong?

    Measurement. An answer's margin is the logit of the class answered less the largest other one. Of answers
    that a label contradicts, those with at least the median margin of the right answers of the same class are
    counted: a wrong label leaves the margin as it is, and a mistake of the model seldom has one so large.
    Twice their number, as half of the right answers lie above that median, is the estimate of wrong labels,
    with the interval of a share.

    Reading. The estimate says how many labels are wrong; the table names the images, the likeliest first,
    with the label and the answer. What is left of the contradictions are mistakes of the model.

    Limits. It holds for images that the model was not trained on: labels that it learned by heart it does not
    contradict. Where wrong labels are not spread at random over a class, twice the number is too many or too
    few. A model that is wrong itself on more than a tenth of the images, or against most labels, is no judge:
    nothing is decided, but where far more answers are sure. Fewer than some 400 images cannot exclude 2 %.
    Of 600 images, 8 % of planted wrong labels and more were a fault, and 5 % at least a warning.

    Remedy. Look at the named images, and mend the labels that are wrong.

    Source. Northcutt, Jiang & Chuang 2021, Confident Learning (JAIR 70), with medians of the right answers
    for the thresholds.
    """

    limit: float = 0.02

    def judge(self, case: Case) -> Verdict:
        answers = case.answers.only(case.answers.judged)
        n = len(answers.numbers)
        if not n:
            return unjudged(case.answers)
        margin = _margins(case, answers.numbers)
        wrong = ~answers.right
        threshold = _thresholds(answers.answers, margin, answers.right)
        suspicious = wrong & (margin >= threshold[answers.answers])
        low, high = (min(1.0, 2 * end) for end in wilson(int(suspicious.sum()), n))
        share = min(1.0, 2 * suspicious.sum() / n)
        # where most labels are contradicted the right answers left are no measure of a sure one
        own = float(wrong.mean()) if wrong.mean() > 0.5 else max(0.0, float(wrong.mean()) - share)
        status = self._status(n, share, low, high, own)
        beyond = (margin - threshold[answers.answers])[wrong]
        order = np.flatnonzero(wrong)[np.argsort(-beyond, kind="stable")]
        bad = status in GRAVE
        named = order[: round(share * n)] if bad else order[:0]
        return Verdict(
            status=status,
            sentence=self._sentence(case, status, n, share, (low, high), own, order),
            effect=float(share) if n >= FEWEST else None,  # of few it would only look like a finding
            low=float(low) if n >= FEWEST else None,
            high=float(high) if n >= FEWEST else None,
            unit="share",
            limit=self.limit,
            limit_reason="as many wrong labels as a good model has mistakes",
            n=n,
            remedy=REMEDY if bad else self._more(status, n, share, high, own),
            exhibits=Exhibits(images=tuple(answers.numbers[named].tolist())),
            figures=(_table(case, answers.numbers, margin, order[:LISTED]),) if bad else (),
            explains=FOLLOWS if bad else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case without the images whose labels look wrong."""
        doubted = np.isin(case.answers.numbers, verdict.exhibits.images)
        return case.with_answers(case.answers.only(~doubted))

    def _status(self, n: int, share: float, low: float, high: float, own: float) -> Status:
        if n < FEWEST:
            return "undecided"
        if low - AS_SURE * own > self.limit and own <= 2.5 * OWN_ERRORS:
            return "fault"  # however many of the mistakes are the model's: there are too many sure ones
        if own > OWN_ERRORS:
            return "undecided"
        if low > self.limit:
            # the model's own mistakes are an estimate, too, and the rougher the more labels are wrong: where
            # most contradictions look like wrong labels these are shown
            return "fault" if own <= max(OWN_ERRORS / 2, share) else "warning"
        if high <= self.limit:
            return "clear"
        likely = share > self.limit and low > self.limit / 2 and own <= OWN_ERRORS / 2
        return "warning" if likely else "undecided"

    def _more(self, status: Status, n: int, share: float, high: float, own: float) -> str:
        """How many images would decide it, as the width of an interval goes by their root."""
        if status != "undecided" or own > OWN_ERRORS or (self.limit <= share and n >= FEWEST):
            return ""
        times = ((high - share) / (self.limit - share)) ** 2 if share < self.limit else 1.0
        return f"Label more images: about {rounded_up(max(FEWEST, n * times)):,} may decide it."

    def _sentence(
        self,
        case: Case,
        status: str,
        n: int,
        share: float,
        ends: tuple[float, float],
        own: float,
        order: Array,
    ) -> str:
        if n < FEWEST:
            return f"{counted(n, 'labelled image')} are too few to tell wrong labels from mistakes."
        if status == "undecided" and own > OWN_ERRORS:
            return f"The model itself is wrong on {percent(own)} of {n:,} images: it is no judge of labels."
        text = f"About {percent(share)} {interval(*ends)} of {n:,} labels look wrong"
        if status == "clear":
            return f"{text}: few answers contradict their labels as surely as right ones are given."
        if share <= self.limit:
            return f"{text}: whether it is more than {percent(self.limit)} is open."
        answers = case.answers.only(case.answers.judged)
        named = [
            f"{answers.paths[k]} ({case.classes[answers.labels[k]]}, answered"
            f" {case.classes[answers.answers[k]]})"
            for k in order[: min(NAMED, round(share * n))]
        ]
        return f"{text}, first of all {listed(named, NAMED)}, if the model was not trained on these images."


def _margins(case: Case, numbers: Array) -> Array:
    """The largest logit less the second one (N,), in the order of `numbers`."""
    places = {int(number): place for place, number in enumerate(numbers)}
    margin = np.zeros(len(numbers))
    for of_batch, logits in case.sources.logits():
        if logits.shape[1] < 2:
            continue
        two = np.partition(logits.astype(np.float64), -2, axis=1)[:, -2:]
        for number, gap in zip(of_batch, two[:, 1] - two[:, 0], strict=True):
            if int(number) in places:
                margin[places[int(number)]] = gap
    return margin


def _thresholds(answered: Array, margin: Array, right: Array) -> Array:
    """The median margin of the right answers of each class (C,); that of all where a class has few."""
    pooled = float(np.median(margin[right])) if right.any() else np.inf
    count = int(answered.max()) + 1
    found = np.full(count, pooled)
    for k in range(count):
        own = margin[right & (answered == k)]
        if len(own) >= 10:
            found[k] = np.median(own)
    return found


def _table(case: Case, numbers: Array, margin: Array, order: Array) -> Table:
    answers = case.answers.only(np.isin(case.answers.numbers, numbers))
    rows = tuple(
        (
            f"{answers.numbers[k]:06d}",
            answers.paths[k],
            case.classes[answers.labels[k]],
            case.classes[answers.answers[k]],
            float(margin[k]),
        )
        for k in order
    )
    heads = ("image", "file", "label", "answer", "margin, logit")
    return Table("suspicious", "Labels that look wrong, the likeliest first", heads, rows)
