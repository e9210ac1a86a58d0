"""What the model says of pictures that are not of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from reportgen.checks import check
from reportgen.checks.answering import probabilities
from reportgen.checks.case import Case, untested
from reportgen.checks.words import counted, interval, listed, percent, rounded_up
from reportgen.engine.needs import Features, Logits, ModelFacts, Need, Tape
from reportgen.findings import Array, Curve, Exhibits, Finding, NotApplicable, Number, Status, Table, Verdict
from reportgen.stats import auroc, auroc_interval, wilson

KEEPING = 0.95  # of the own pictures, above the threshold
FEWEST = 20  # pictures of each kind
NEIGHBOURS = 20  # a distance is that to the n/20-th nearest of n, at most to the 50th
FURTHEST = 50
DRAWS = 300
LISTED = 12
GRID = np.linspace(0, 1, 101)
SCORES = {"probability": "confidence", "energy": "energy", "distance": "distance of features"}


@check("foreign", group="the limits of use", foreign=True)
class ForeignPictures:
    """Foreign pictures: does the model say less surely what it cannot know?

    Measurement. The pictures of `images.foreign`, at most as many as the sample has, are answered as those of
    the set are. Three scores are held against each other on own and foreign pictures: the probability of the
    answer, the energy (the logarithm of the sum of the exponentials of the logits), and the distance of
    the penultimate features, each of length one, to the n/20-th nearest of the n own ones (itself left
    out, at most the 50th). Of each the area under the ROC curve with its 95 % interval (Newcombe), and the
    share of foreign pictures that pass a threshold which 95 % of the own ones pass, with a bootstrap interval
    over both kinds of pictures, no narrower than Wilson's. The effect is that share for the probability.
    Foreign pictures with the same pixels as one of the set are left out and counted.

    Reading. A classifier has to choose one of its classes, whatever it is shown. What passes the threshold is
    answered as surely as a picture of the task. Where energy or distance keep foreign pictures out and the
    probability does not, it is a warning, as a threshold on these mends it; else a fault.

    Limits. It holds for foreign pictures like these: others may be told apart better or worse. The own
    pictures stand for those of the task. Fewer than 20 of either kind decide nothing. In tests photographs
    among digits were kept out by the features of a network whose probabilities let them pass.

    Remedy. Refuse an answer below a threshold of the score that tells foreign pictures apart, or train with
    foreign pictures.

    Source. Hendrycks & Gimpel 2017, A Baseline for Detecting Misclassified and Out-of-Distribution Examples
    (arXiv:1610.02136); Liu et al. 2020, Energy-based Out-of-distribution Detection (arXiv:2010.03759); Sun et
    al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors (arXiv:2204.06507); Newcombe 2006.
    """

    numbers: ClassVar[Mapping[str, str]] = {
        **{f"{score}.auroc": f"area under the ROC curve of the {words}" for score, words in SCORES.items()},
        **{f"{score}.fpr": f"foreign share that passes by the {words}" for score, words in SCORES.items()},
    }

    limit: float = 0.2

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Logits(), Features()) if _has_features(model) else (Logits(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        kept = {"logits": tape[Logits()]}  # (n, C)
        return {**kept, "features": tape[Features()]} if _has_features(tape.model) else kept  # (n, F)

    def judge(self, case: Case) -> Verdict:
        if case.foreign is None:
            why = "no pictures are known that are not of the model's task"
            remedy = "Name a folder or list of pictures that are not of the task: images.foreign."
            return untested(why, remedy, ["images.foreign"])
        rows, strangers = case.sample.rows, case.foreign
        if "logits" not in rows or "logits" not in strangers.rows:
            return untested("the answers to the foreign pictures are not in the evidence")
        same = _same(case)
        known = ~same & np.isfinite(strangers.rows["logits"]).all(1)
        own = np.asarray(np.isfinite(rows["logits"]).all(1))
        if same.all():
            text = f"all of {counted(len(same), 'foreign picture')} are pictures of the set itself"
            return untested(
                text, "Name pictures that are not of the task: images.foreign.", ["images.foreign"]
            )
        if min(own.sum(), known.sum()) < FEWEST:
            few = f"{counted(int(known.sum()), 'foreign picture')} and {counted(int(own.sum()), 'own one')}"
            text = f"{few} that are answered are too few: {FEWEST} of each decide.{_left_out(same)}"
            return Verdict(
                "undecided", text, n=int(known.sum()), remedy="Name more pictures: images.foreign."
            )
        told = _told(case, own, known)
        return self._verdict(case, told, known, same)

    def _verdict(self, case: Case, told: Sequence[Told], known: Array, same: Array) -> Verdict:
        first = told[0]
        low, high = first.ends
        status = self._status(told)
        best = min(told, key=lambda score: score.passing)
        return Verdict(
            status=status,
            sentence=_sentence(told, best, status) + _left_out(same),
            effect=first.passing,
            low=low,
            high=high,
            unit="share",
            limit=self.limit,
            limit_reason="one foreign picture in five is answered as surely as the own ones",
            n=len(first.foreign),
            sample=len(first.own),
            remedy=self._remedy(status, best, len(first.foreign)),
            exhibits=Exhibits(settings=("images.foreign",)),
            figures=_figures(case, told, known),
            numbers={
                **{f"{score.name}.auroc": Number(score.area) for score in told},
                **{f"{score.name}.fpr": Number(score.passing) for score in told},
            },
        )

    def _status(self, told: Sequence[Told]) -> Status:
        low, high = told[0].ends
        if low > self.limit:
            return "warning" if any(score.ends[1] <= self.limit for score in told[1:]) else "fault"
        return "clear" if high <= self.limit else "undecided"

    def _remedy(self, status: Status, best: Told, n: int) -> str:
        if status == "warning":
            return f"Refuse an answer by the {SCORES[best.name]}: below {best.threshold:.3g} it is foreign."
        if status == "fault":
            return "Train with pictures that are not of the task, and let the model refuse them."
        return f"About {rounded_up(3 * n):,} foreign pictures may decide it." if status == "undecided" else ""


@dataclass(frozen=True)
class Told:
    """One score on own (n,) and foreign (m,) pictures, larger for own ones: the area under the ROC curve with
    its interval, the threshold that most of the own ones pass, and the share of foreign ones that do."""

    name: str
    own: Array
    foreign: Array
    area: float
    area_ends: tuple[float, float]
    threshold: float
    passing: float
    ends: tuple[float, float]


def told_by(name: str, own: Array, foreign: Array, seed: int) -> Told:
    """What one score tells apart."""
    area = auroc(own, foreign)
    at = _threshold(own)
    passing = int((foreign >= at).sum())
    draw = np.random.default_rng(seed)
    again = []
    for _ in range(DRAWS):
        ours, theirs = (part[draw.integers(0, len(part), len(part))] for part in (own, foreign))
        again.append(float((theirs >= _threshold(ours)).mean()))
    low, high = np.quantile(again, [0.025, 0.975])
    least, most = wilson(passing, len(foreign))
    return Told(
        name=name,
        own=own,
        foreign=foreign,
        area=area,
        area_ends=auroc_interval(area, len(own), len(foreign)),
        threshold=at,
        passing=passing / len(foreign),
        ends=(min(least, float(low)), max(most, float(high))),
    )


def _threshold(own: Array) -> float:
    """The largest that 95 % of the own scores reach."""
    return float(np.quantile(own, 1 - KEEPING, method="lower"))


def _told(case: Case, own: Array, known: Array) -> list[Told]:
    assert case.foreign is not None
    mine, theirs = case.sample.rows["logits"][own], case.foreign.rows["logits"][known]
    scores = [
        ("probability", probabilities(mine).max(1), probabilities(theirs).max(1)),
        ("energy", energy(mine), energy(theirs)),
    ]
    if "features" in case.sample.rows and "features" in case.foreign.rows:
        features = case.sample.rows["features"][own], case.foreign.rows["features"][known]
        if all(np.isfinite(part).all() for part in features):
            ours, foreign = distances(*features)
            scores.append(("distance", -ours, -foreign))
    return [told_by(name, ours, foreign, case.seed) for name, ours, foreign in scores]


def energy(logits: Array) -> Array:
    """The logarithm of the sum of the exponentials of logits (n, C): (n,), less the energy of Liu et al."""
    wide = logits.astype(np.float64)
    top = wide.max(1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(wide - top).sum(1)))


def distances(own: Array, foreign: Array) -> tuple[Array, Array]:
    """How far the features of own (n, F) and foreign (m, F) pictures lie from their n/20-th nearest own ones,
    each of length one; an own one is no neighbour of itself."""
    ours, theirs = (_of_length_one(part) for part in (own, foreign))
    k = max(1, min(FURTHEST, len(ours) // NEIGHBOURS))
    near = NearestNeighbors(n_neighbors=min(k + 1, len(ours))).fit(ours)
    return near.kneighbors(ours)[0][:, -1], near.kneighbors(theirs)[0][:, k - 1]


def _of_length_one(features: Array) -> Array:
    wide = features.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def _has_features(model: ModelFacts) -> bool:
    try:
        Features().work(model)
    except NotApplicable:
        return False
    return True


def _same(case: Case) -> Array:
    """Which foreign pictures (M,) have the pixels of one of the set."""
    assert case.foreign is not None
    strangers = case.foreign.pictures
    if case.pictures is None:
        return np.zeros(len(strangers), dtype=bool)
    there = {row.tobytes() for row in case.pictures.pixels}
    return np.array([row.tobytes() in there for row in strangers.pixels], dtype=bool)


def _left_out(same: Array) -> str:
    count = int(same.sum())
    return (
        f" {counted(count, 'foreign picture is', 'foreign pictures are')} in the set, too, and left out."
        * bool(count)
    )


def _sentence(told: Sequence[Told], best: Told, status: Status) -> str:
    first, n = told[0], len(told[0].foreign)
    text = (
        f"{percent(first.passing)} {interval(*first.ends)} of {counted(n, 'foreign picture')} are answered "
        f"as surely as 95 % of the own ones (mean confidence {percent(float(first.foreign.mean()))} against "
        f"{percent(float(first.own.mean()))})"
    )
    areas = [
        f"{SCORES[score.name]} {score.area:.2f} [{score.area_ends[0]:.2f} to {score.area_ends[1]:.2f}]"
        for score in told
    ]
    text += f"; areas under the ROC curve: {listed(areas)}"
    if status == "warning":
        text += f"; by the {SCORES[best.name]} only {percent(best.passing)} {interval(*best.ends)} would pass"
    return f"{text}."


def _figures(case: Case, told: Sequence[Told], known: Array) -> tuple[Finding, ...]:
    """The ROC curves, how sure own and foreign pictures are answered, and the surest foreign ones."""
    names = tuple(SCORES[score.name] for score in told)
    roc = np.stack([_roc(score) for score in told])
    sure = np.stack([[float((part >= at).mean()) for at in GRID] for part in (told[0].own, told[0].foreign)])
    title = "Own pictures that pass, over foreign ones that do"
    x, y = "foreign pictures that pass", "own pictures that pass"
    passes = "Pictures answered at least so surely"
    return (
        _numbers(told),
        Curve("roc", title, roc, GRID, names, x, y, None, (0.0, 1.0)),
        Curve("confidence", passes, sure, GRID, ("own", "foreign"), "confidence", "share", None, (0.0, 1.0)),
        _surest(case, told[0], known),
    )


def _roc(score: Told) -> list[float]:
    """The largest share of own pictures that pass at up to a share of foreign ones."""
    cuts = np.unique(np.concatenate([score.own, score.foreign, [np.inf]]))[::-1]
    foreign = np.array([(score.foreign >= cut).mean() for cut in cuts])
    own = np.array([(score.own >= cut).mean() for cut in cuts])
    return [float(own[foreign <= rate + 1e-12].max(initial=0)) for rate in GRID]


def _numbers(told: Sequence[Told]) -> Table:
    rows = tuple(
        (
            SCORES[score.name],
            f"{score.area:.3f} [{score.area_ends[0]:.3f} to {score.area_ends[1]:.3f}]",
            f"{percent(score.passing)} {interval(*score.ends)}",
            score.threshold,
        )
        for score in told
    )
    columns = ("score", "area under the ROC curve", "foreign pictures that pass", "threshold")
    return Table("scores", "Own and foreign pictures told apart", columns, rows)


def _surest(case: Case, score: Told, known: Array) -> Table:
    assert case.foreign is not None
    paths = [case.foreign.pictures.paths[k] for k in np.flatnonzero(known)]
    answers = case.foreign.rows["logits"][known].argmax(1)
    order = np.argsort(-score.foreign, kind="stable")[:LISTED]
    rows = tuple((paths[k], case.classes[int(answers[k])], percent(float(score.foreign[k]))) for k in order)
    return Table(
        "surest", "Foreign pictures that are answered most surely", ("file", "answer", "confidence"), rows
    )
