"""Whether confidence keeps its word: calibration error, and the temperature that would mend it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from reportgen.checks import check
from reportgen.checks.case import Answers, Case, unjudged
from reportgen.checks.words import counted, percent
from reportgen.findings import GRAVE, Array, Exhibits, Status, Table, Verdict
from reportgen.stats import t_95

FEWEST = 100  # labelled images; fewer decide nothing
READ_AT_MOST = 20_000  # images whose logits are read, those that the hash of the content puts first
BINS = 15
DRAWS = 200
MENDED = 0.05  # nats of log loss that a temperature has to win, and surely some, before it is said
REMEDY = "Divide the logits by that temperature before the softmax, or train with label smoothing."


@check("calibration", group="the answers")
class Calibration:
    """Calibration: does a confidence of 90 % mean that 90 % of such answers are right?

    Measurement. The expected calibration error over 15 bins of equally many answers, less what binning adds
    by chance on as many images, with a bootstrap interval over images. Beside it
    the mean confidence less the accuracy, with its interval, Brier's score and the log loss. The temperature
    that would mend it is fitted on one half of the images; what it wins is shown on the other.

    Reading. Over-confident answers are wrong more often than they say; under-confident ones less often.
    A threshold on the confidence means what it says only where the error is small.

    Limits. The error sums up all answers: classes may be over- and under-confident at once. It holds for
    images like these. Fewer than 100 labelled images decide nothing. Logits five times too large were found
    by their log loss where the error was still below the limit.

    Remedy. Divide the logits by the fitted temperature.

    Source. Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv:1706.04599); Kumar, Liang & Ma
    2019, Verified Uncertainty Calibration (arXiv:1909.10155), on the bias of binning.
    """

    limit: float = 0.05

    def judge(self, case: Case) -> Verdict:
        answers = case.answers.only(case.answers.judged)
        n = len(answers.numbers)
        if not n:
            return unjudged(case.answers)
        if n < FEWEST:
            text = f"{counted(n, 'labelled image')} are too few for a calibration error: {FEWEST} decide."
            return Verdict("undecided", text, n=n, remedy="Label more images.")
        right, sure = answers.right.astype(np.float64), answers.confidence
        error, low, high = debiased(sure, right, case.seed)
        scale, won = self._temperature(case, answers)
        gap = float(sure.mean() - right.mean())
        status = self._status(error, low, high, won)
        bad = status in GRAVE
        return Verdict(
            status=status,
            sentence=self._sentence(sure, right, error, gap, scale, won, status),
            effect=error,
            low=low,
            high=high,
            unit="share",
            limit=self.limit,
            limit_reason="a confidence that is five points off is no longer a number to act on",
            n=n,
            remedy=REMEDY if bad else "Label more images." if status == "undecided" else "",
            exhibits=Exhibits(settings=("model.head",) if bad else ()),
            figures=(_table(case, answers, error, scale, won),),
        )

    def _status(self, error: float, low: float, high: float, won: tuple[float, float] | None) -> Status:
        """By the error; below its limit a large and sure gain of log loss is a warning."""
        if low > self.limit:
            return "fault"
        if won is not None and won[0] > 0 and sum(won) / 2 > MENDED:
            return "warning"
        if high <= self.limit:  # a large gain of log loss that is not sure leaves it open
            return "undecided" if won is not None and sum(won) / 2 > MENDED else "clear"
        return "warning" if error > self.limit else "undecided"

    def _sentence(
        self,
        sure: Array,
        right: Array,
        error: float,
        gap: float,
        scale: float | None,
        won: tuple[float, float] | None,
        status: Status,
    ) -> str:
        bad = status in GRAVE
        kept = "Confidence keeps its word"
        word = kept if status == "clear" else "Whether confidence keeps its word is open"
        word = ("Over-confident" if gap > 0 else "Under-confident") if bad else word
        text = f"{word}: mean confidence {percent(float(sure.mean()))}, "
        text += f"{percent(float(right.mean()))} are right (calibration error {percent(error)})"
        if bad and scale is not None and won is not None and won[1] > 0:
            text += f"; a temperature of {scale:.2g}, fitted on one half, lowers the log loss of the other"
            text += f" by {sum(won) / 2:.2f} nats"
        elif status == "undecided" and won is not None and sum(won) / 2 > MENDED:
            text += f"; a temperature of {scale:.2g} may lower the log loss: by {sum(won) / 2:.2f} nats"
            text += " on one half, which may be chance"
        return f"{text}."

    def _temperature(self, case: Case, answers: Answers) -> tuple[float | None, tuple[float, float] | None]:
        """The temperature fitted on half A, and the interval of what it wins in log loss on half B, in nats;
        None where no logits are known."""
        logits, labels, first = _read(case, answers)
        if len(logits) < FEWEST or not 0 < first.sum() < len(first):
            return None, None
        scale = fitted(logits[first], labels[first])
        rest, of = logits[~first], labels[~first]
        gain = _losses(rest, of, 1.0) - _losses(rest, of, scale)
        reach = t_95(len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
        return scale, (float(gain.mean() - reach), float(gain.mean() + reach))


def debiased(sure: Array, right: Array, seed: int) -> tuple[float, float, float]:
    """The expected calibration error of confidences (N,) and answers (N,) 0 or 1, less its bias, with a 95 %
    bootstrap interval over images (of at most 20,000 of them).

    The bias is what the noise of each bin adds to the size of its difference, by a normal distribution
    around that of a smooth curve of the share right over the confidence (Platt's). A resample has the noise
    of the images twice over.
    """
    draw = np.random.default_rng(seed)
    order = np.argsort(sure, kind="stable")
    if len(order) > READ_AT_MOST:
        order = np.sort(draw.permutation(order)[:READ_AT_MOST])
        order = order[np.argsort(sure[order], kind="stable")]
    x, y = sure[order], right[order]
    n = len(x)
    error = _error(x, y, np.ones(n), 1.0)
    times = draw.multinomial(n, np.full(n, 1 / n), DRAWS)  # how often a resample has each image
    again = [_error(x, y, weights.astype(np.float64), 2.0) for weights in times]
    low, high = np.quantile(again, [0.025, 0.975])
    return max(0.0, error), max(0.0, float(low)), max(0.0, float(high))


def _error(sure: Array, right: Array, weights: Array, noise: float) -> float:
    """The mean over bins of equally many answers of |mean confidence - share right|, less what the noise of
    the bins adds, which is `noise` times that of the images. In order of the confidence (N,)."""
    curve = _curve(sure, right, weights)
    bins = np.minimum((np.cumsum(weights) - weights) * BINS // weights.sum(), BINS - 1).astype(np.int64)
    count = np.maximum(np.bincount(bins, weights, BINS), 1e-9)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(bins, weights * values, BINS) / count)

    gap, smooth = np.abs(mean(sure - right)), np.abs(mean(sure - curve))
    spread = np.sqrt(noise * mean(curve * (1 - curve)) / count) + 1e-12
    folded = spread * np.sqrt(2 / np.pi) * np.exp(-(smooth**2) / (2 * spread**2))
    folded += smooth * (1 - 2 * norm.cdf(-smooth / spread))
    return float((count * (gap - (folded - smooth))).sum() / count.sum())


def _curve(sure: Array, right: Array, weights: Array) -> Array:
    """The share right over the confidence (N,), smooth: a line over its log odds (Platt 1999), by Newton's
    method with a little ridge, so that all right or all wrong has an end."""
    odds = np.clip(sure, 1e-6, 1 - 1e-6)
    x = np.stack([np.ones(len(sure)), np.log(odds / (1 - odds))], 1)
    line, ridge = np.array([0.0, 1.0]), 0.1 * np.eye(2)
    for _ in range(8):
        p = 1 / (1 + np.exp(-np.clip(x @ line, -30, 30)))
        slope = x.T @ (weights * (right - p)) - ridge @ (line - np.array([0.0, 1.0]))
        line = line + np.linalg.solve((x * (weights * p * (1 - p))[:, None]).T @ x + ridge, slope)
    return np.asarray(1 / (1 + np.exp(-np.clip(x @ line, -30, 30))))


def fitted(logits: Array, labels: Array) -> float:
    """The temperature of the least log loss, from 1/20 to 20."""
    found = minimize_scalar(
        lambda log: float(_losses(logits, labels, float(np.exp(log))).mean()),
        bounds=(-np.log(20), np.log(20)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _losses(logits: Array, labels: Array, temperature: float) -> Array:
    """The log loss of each image, in nats."""
    wide = logits / temperature
    wide = wide - wide.max(1, keepdims=True)
    logs = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    return np.asarray(-np.take_along_axis(logs, labels[:, None], 1)[:, 0])


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


def _table(
    case: Case, answers: Answers, error: float, scale: float | None, won: tuple[float, float] | None
) -> Table:
    p = answers.label_probability
    known = p[np.isfinite(p)]
    sure, right = answers.confidence, answers.right
    rows: list[tuple[str, float | None]] = [
        ("calibration error, less what chance shows", error),
        ("mean confidence", float(sure.mean())),
        ("accuracy", float(right.mean())),
        ("log loss, nats", float(-np.log(np.maximum(known, 1e-12)).mean()) if len(known) else None),
        ("Brier's score of the answer", float(((sure - right) ** 2).mean())),
        ("temperature, fitted on one half", scale),
    ]
    if won is not None:
        rows.append(("log loss that it wins on the other half, nats", sum(won) / 2))
    return Table("numbers", "Calibration in numbers", ("number", "value"), tuple(rows))
