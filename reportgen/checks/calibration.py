"""Whether confidence keeps its word: calibration error, and the temperature that would mend it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reportgen.checks import check
from reportgen.checks.calibration_error import DRAWS, debiased
from reportgen.checks.case import Answers, Case, unjudged
from reportgen.checks.temperature import WIDEST, fitted, log_losses
from reportgen.checks.words import counted, percent
from reportgen.findings import GRAVE, Array, Exhibits, Status, Table, Verdict

FEWEST = 100  # labelled images; fewer decide nothing
READ_AT_MOST = 20_000  # images whose logits are read, those that the hash of the content puts first
MENDED = 0.05  # nats of log loss that a temperature has to win, and surely some, before it is said
REMEDY = "Divide the logits by that temperature before the softmax."
UNKNOWN = "Look at what scales the logits: no temperature from 1/20 to 20 mends it."
MORE = "Label more images."
SURE = "a confidence that is five points too high is no longer a number to act on"
UNSURE = "answers that are right more often than they say cost a second look, not a mistake"


@check("calibration", group="the answers")
class Calibration:
    """Calibration: does a confidence of 90 % mean that 90 % of such answers are right?

    Measurement. The expected calibration error over 15 bins of equally many answers, less what binning adds
    by chance on as many images, with a bootstrap interval over images. Beside it
    the mean confidence less the accuracy, with its interval, Brier's score and the log loss. The temperature
    that would mend it is fitted on one half of the images; what it wins is shown on the other.

    Reading. Over-confident answers are wrong more often than they say; under-confident ones less often.
    A threshold on the confidence means what it says only where the error is small.

    Limits. Answers that are more often right than they say are an alarm from twice the error on, as they
    cost a second look, not a mistake. The error sums up all answers: classes may be over- and under-confident
    at once. It holds for images like these. Fewer than 100 labelled images decide nothing. Logits five times
    too large were found by their log loss where ten of 360 answers were wrong and the error was 2 points.

    Remedy. Divide the logits by the fitted temperature.

    Source. Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv:1706.04599); Kumar, Liang & Ma
    2019, Verified Uncertainty Calibration (arXiv:1909.10155), on the bias of binning.
    """

    limit: float = 0.05
    under: float = 0.1

    def judge(self, case: Case) -> Verdict:
        answers = case.answers.only(case.answers.judged)
        n = len(answers.numbers)
        if not n:
            return unjudged(case.answers)
        if n < FEWEST:
            text = f"{counted(n, 'labelled image')} are too few for a calibration error: it takes {FEWEST}."
            return Verdict("undecided", text, n=n, remedy="Label more images.")
        right, sure = answers.right.astype(np.float64), answers.confidence
        error, low, high = debiased(sure, right, case.seed)
        mended = _mended(case, answers)
        gap = float(sure.mean() - right.mean())
        limit = self.limit if gap > 0 else self.under
        status = _status(limit, error, low, high, mended if gap > 0 else None)
        bad = status in GRAVE
        known = mended is not None and mended.is_known
        return Verdict(
            status=status,
            sentence=_sentence(sure, right, error, mended, status),
            effect=error,
            low=low,
            high=high,
            unit="share",
            limit=limit,
            limit_reason=SURE if gap > 0 else UNSURE,
            n=n,
            remedy=(REMEDY if known else UNKNOWN) if bad else MORE if status == "undecided" else "",
            exhibits=Exhibits(settings=("model.head",) if bad else ()),
            figures=(_table(case, answers, error, mended),),
        )


@dataclass(frozen=True)
class Mended:
    """The temperature of the least log loss, and what one that was fitted on the other half wins on each
    image, in nats: its mean with a 95 % interval over images."""

    temperature: float
    won: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether the least loss lies within the temperatures that were tried, and is less than before."""
        return self.won > 0 and 1.02 / WIDEST < self.temperature < WIDEST / 1.02

    @property
    def large(self) -> bool:
        """Whether it wins so much that a reader is told, be it sure or not."""
        return self.won > MENDED


def _status(limit: float, error: float, low: float, high: float, mended: Mended | None) -> Status:
    """By the error; where answers are too sure, also by the log loss that a temperature surely wins: an
    error that is small on the mean may be a large one of the few that are wrong."""
    if low > limit or (mended is not None and mended.low > MENDED):
        return "fault"
    if mended is not None and mended.large and mended.low > 0:
        return "warning"
    if high <= limit:  # a large gain of log loss that is not sure leaves it open
        return "undecided" if mended is not None and mended.large else "clear"
    return "warning" if error > limit else "undecided"


def _sentence(sure: Array, right: Array, error: float, mended: Mended | None, status: Status) -> str:
    bad, gap = status in GRAVE, float(sure.mean() - right.mean())
    kept = "Confidence keeps its word"
    word = kept if status == "clear" else "Whether confidence keeps its word is open"
    word = ("Over-confident" if gap > 0 else "Under-confident") if bad else word
    text = f"{word}: mean confidence {percent(float(sure.mean()))}, "
    text += f"{percent(float(right.mean()))} are right (calibration error {percent(error)})"
    if mended is None or not mended.is_known:
        return f"{text}."
    told = f"by {mended.won:.2f} nats on images that it was not fitted on"
    if bad and mended.low > 0:
        text += f"; a temperature of {mended.temperature:.2g} lowers the log loss {told}"
    elif status == "undecided" and mended.large:
        text += f"; a temperature of {mended.temperature:.2g} may lower the log loss, {told}, or by chance"
    return f"{text}."


def _mended(case: Case, answers: Answers) -> Mended | None:
    """What a temperature would mend; None where too few logits are known. Each half is told by the
    temperature of the other, so that every image counts and none is told by its own."""
    logits, labels, first = _read(case, answers)
    if len(logits) < FEWEST or not 0 < first.sum() < len(first):
        return None
    gains = np.zeros(len(logits))
    for half in (first, ~first):
        there, of = logits[~half], labels[~half]
        gains[~half] = log_losses(there, of, 1.0) - log_losses(there, of, fitted(logits[half], labels[half]))
    low, high = _mean_interval(gains, case.seed)
    return Mended(fitted(logits, labels), float(gains.mean()), low, high)


def _mean_interval(values: Array, seed: int) -> tuple[float, float]:
    """A 95 % bootstrap interval of a mean (n,): a few images may hold most of it, which a t interval takes
    for more noise than there is below."""
    draw = np.random.default_rng(seed)
    n = len(values)
    means = [float(draw.multinomial(n, np.full(n, 1 / n)) @ values) / n for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _read(case: Case, answers: Answers) -> tuple[Array, Array, Array]:
    """Logits (n, C), labels (n,) and which are in half A, of the labelled images or of the first of them."""
    order = np.argsort(answers.hashes)[:READ_AT_MOST]
    wanted = {int(answers.numbers[k]): int(answers.labels[k]) for k in order}
    halves = dict(zip(case.answers.numbers.tolist(), case.first_half.tolist(), strict=True))
    rows, labels, first = [], [], []
    for numbers, logits in case.sources.logits():
        for number, row in zip(numbers.tolist(), logits, strict=True):
            if number in wanted and np.isfinite(row).all():
                rows.append(row.astype(np.float64))
                labels.append(wanted[number])
                first.append(halves[number])
    if not rows:
        return np.zeros((0, 1)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    return np.stack(rows), np.array(labels), np.array(first)


def _table(case: Case, answers: Answers, error: float, mended: Mended | None) -> Table:
    p = answers.label_probability
    known = p[np.isfinite(p)]
    sure, right = answers.confidence, answers.right
    rows: list[tuple[str, float | None]] = [
        ("calibration error, less what chance shows", error),
        ("mean confidence", float(sure.mean())),
        ("accuracy", float(right.mean())),
        ("log loss, nats", float(-np.log(np.maximum(known, 1e-12)).mean()) if len(known) else None),
        ("Brier's score of the answer", float(((sure - right) ** 2).mean())),
        ("temperature of the least log loss", mended.temperature if mended else None),
    ]
    if mended is not None:
        rows.append(("log loss won by one that was fitted on the other half, nats", mended.won))
    return Table("numbers", "Calibration in numbers", ("number", "value"), tuple(rows))
