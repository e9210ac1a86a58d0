"""Whether some pictures are unlike the rest of the set, and are answered worse for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

from reportgen.checks import check
from reportgen.checks.case import Answers, Case, untested
from reportgen.checks.odd_images.kinds import Kind, minorities
from reportgen.checks.odd_images.telling import Judged, many, sentence, table
from reportgen.checks.odd_images.unlike import unlike
from reportgen.engine.needs import Features, ModelFacts, Need, Tape
from reportgen.findings import Array, Exhibits, NotApplicable, Status, Verdict
from reportgen.stats import Z_95, holm, newcombe

SIGNIFICANT = 0.05
MOVES = 0.02  # share of the set's accuracy that a minority can cost at most where nothing is to be said
REMEDY = "Look at the named pictures: leave out what is not of this task, and train with what is."


@check("odd-images", group="the images", any_head=True)
class OddImages:
    """Odd images: are some pictures unlike the rest, and answered worse for it?

    Measurement. A minority, of three pictures to a quarter of the set, is told by each fact of the pictures
    by itself: colour among grey and grey among colour, turned by EXIF data, higher than wide among wider
    ones, and far from the median in luminance, contrast, saturation, sharpness, JPEG quality, size or
    aspect: by 4.5 robust standard deviations and a difference that is seen. Its accuracy is held against
    that of the others: the difference with Newcombe's interval, where Fisher's exact test, corrected for
    the number of minorities (Holm), shows one. Without labels the confidence is compared in its place.
    Pictures of one value in all pixels are counted. On a sample, the distance of the penultimate features
    to the k-th nearest of the same answer, with a quarter of them for k, says which are unlike the rest: a
    candidate for "not of this task" where it is 4.5 robust standard deviations, and 1.5 times, beyond the
    median.

    Reading. A minority is a finding only where it is answered worse: then the set mixes two kinds of
    pictures, and its accuracy is of neither. Else it is a note. A blank picture cannot be answered at all.

    Limits. What differs in one of several ways that are nearly as common is no minority. Pictures on their
    side are seen where most are wider or higher than that, and not in square ones. A few per cent of sharp
    or dark pictures are no fault by themselves. In trials a grey or a dark twentieth of 200 pictures was
    found where half of it was answered wrongly, and photographs that were a twentieth of 200 digits.

    Remedy. Look at the named pictures: leave out what is not of this task, and train with what is.

    Source. Pech-Pacheco et al. 2000 (the Laplacian's variance); Sun, Ming, Zhu & Li 2022, Out-of-
    Distribution Detection with Deep Nearest Neighbors (arXiv:2204.06507).
    """

    limit: float = 0.1

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Features(),) if _has_features(model) else ()

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"features": tape[Features()].flatten(1)} if _has_features(tape.model) else {}  # (n, F)

    def judge(self, case: Case) -> Verdict:
        if case.pictures is None or not len(case.pictures):
            return untested("the facts of the pictures are not in the evidence")
        kinds = minorities(case.pictures)
        judged = self._judged(case.answers, kinds)
        worse = [one for one in judged if one.p < SIGNIFICANT and one.gap > self.limit]
        worse.sort(key=lambda one: -one.low)
        empty = [kind for kind in kinds if kind.name == "blank" and not _well_answered(case.answers, kind)]
        places, far = _unlike(case, kinds)
        shown = _shown([one.kind for one in worse] + empty, (places, far), len(case.pictures))
        status = self._status(case.answers, judged, worse, bool(empty), far)
        worst = worse[0] if worse else max(judged, key=lambda one: one.gap, default=None)
        known = worst is not None and np.isfinite(worst.gap)
        return Verdict(
            status=status,
            sentence=sentence(case, judged, worse, empty, far),
            effect=worst.gap if worst and known else None,
            low=worst.low if worst and known else None,
            high=worst.high if worst and known else None,
            unit="points" if known else "",
            limit=self.limit,
            limit_reason="ten points below the others is another model for whoever has such pictures",
            n=len(case.pictures),
            remedy=REMEDY if status in ("fault", "warning") else self._more(status),
            exhibits=Exhibits(images=tuple(case.answers.numbers[shown].tolist())),
            figures=(table(case, judged),) if judged else (),
            explains=("accuracy", "calibration") if status in ("fault", "warning") else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case without the odd pictures that the verdict shows."""
        shown = np.isin(case.answers.numbers, verdict.exhibits.images)
        return case.with_answers(case.answers.only(~shown))

    def _judged(self, answers: Answers, kinds: Sequence[Kind]) -> list[Judged]:
        """The minorities with how they are answered, corrected for their number."""
        each = [(_by_labels if answers.judged.any() else _by_confidence)(answers, kind) for kind in kinds]
        adjusted = holm([one[3] for one in each])
        return [Judged(k, *one[:3], p) for k, one, p in zip(kinds, each, adjusted, strict=True)]

    def _status(
        self, answers: Answers, judged: Sequence[Judged], worse: Sequence[Judged], empty: bool, far: Array
    ) -> Status:
        labelled = bool(answers.judged.any())
        if labelled and any(one.low > self.limit for one in worse):
            return "fault"
        if worse or empty or many(far):
            return "warning"
        n = len(answers.numbers)
        may_cost = [one.kind.among.sum() / n * one.high for one in judged if np.isfinite(one.high)]
        if labelled and max(may_cost, default=0.0) > MOVES and any(one.high > self.limit for one in judged):
            return "undecided"
        return "clear"

    def _more(self, status: Status) -> str:
        return "Label more pictures of the named kind." if status == "undecided" else ""


def _has_features(model: ModelFacts) -> bool:
    try:
        Features().work(model)
    except NotApplicable:
        return False
    return True


def _by_labels(answers: Answers, kind: Kind) -> tuple[float, float, float, float]:
    """How far the accuracy of a minority is below the others', its interval and p."""
    own, others = answers.judged & kind.among, answers.judged & ~kind.among
    right, of = int((answers.right & own).sum()), int(own.sum())
    rest, of_rest = int((answers.right & others).sum()), int(others.sum())
    if not of or not of_rest:
        return float("nan"), float("nan"), float("nan"), 1.0
    table = [[right, of - right], [rest, of_rest - rest]]
    low, high = newcombe(rest, of_rest, right, of)
    return rest / of_rest - right / of, low, high, float(fisher_exact(table, alternative="less")[1])


def _by_confidence(answers: Answers, kind: Kind) -> tuple[float, float, float, float]:
    """How far the mean confidence of a minority is below the others', and p; no interval of answers."""
    known = np.isfinite(answers.confidence)
    own, others = answers.confidence[known & kind.among], answers.confidence[known & ~kind.among]
    if not len(own) or not len(others):
        return float("nan"), float("nan"), float("nan"), 1.0
    gap = float(others.mean() - own.mean())
    spread = Z_95 * np.sqrt(own.var() / len(own) + others.var() / len(others))
    same = np.ptp(answers.confidence[known]) == 0
    p = 1.0 if same else float(mannwhitneyu(own, others, alternative="less").pvalue)
    return gap, gap - float(spread), gap + float(spread), p


def _well_answered(answers: Answers, kind: Kind) -> bool:
    """Whether most pictures of a kind are answered by their labels: then being so is what the label says."""
    own = answers.judged & kind.among
    return bool(own.any() and (answers.right & own).sum() > 0.5 * own.sum())


def _unlike(case: Case, kinds: Sequence[Kind]) -> tuple[Array, Array]:
    """The places of the sample's pictures in the set (n,), and which of them are far from the rest by their
    features and of no kind so far, bool (n,)."""
    features = case.sample.rows.get("features")
    answers = case.sampled
    if features is None or len(features) != len(answers.numbers):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    told = np.zeros(len(case.answers.numbers), dtype=bool)
    for kind in kinds:
        told |= kind.among
    places = np.flatnonzero(np.isin(case.answers.numbers, case.sample.numbers))
    usable = np.isfinite(features).all(1) & answers.answered & ~told[places]
    far = np.zeros(len(features), dtype=bool)
    far[usable] = unlike(features[usable], answers.answers[usable])
    return places, far


def _shown(kinds: Sequence[Kind], far: tuple[Array, Array], n: int) -> Array:
    """The pictures that the findings name, bool (n,)."""
    shown = np.zeros(n, dtype=bool)
    for kind in kinds:
        shown |= kind.among
    places, are_far = far
    if many(are_far):
        shown[places[are_far]] = True
    return shown
