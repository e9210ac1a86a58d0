"""Whether the features know better than the last layer what a picture is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from reportgen.checks import check
from reportgen.checks.case import OF_ANSWERS, Case, decided, unjudged, untested
from reportgen.checks.words import counted, interval, percent, points
from reportgen.engine.needs import Features, ModelFacts, Tape
from reportgen.findings import GRAVE, Array, Exhibits, Table, Verdict
from reportgen.stats import mcnemar, paired_difference, wilson

FEWEST = 40  # images of each half; fewer teach a probe nothing
FEWEST_OF_CLASS = 3  # of half A, for a class to be learned
KEPT = 2048  # features of an image that are kept, those that spread most
SURE = 0.05


@check("head", group="the answers")
class Head:
    """Head: do the features know better than the last layer?

    Measurement. What the last layer is given, the penultimate features, is taken of every image of the
    sample. On one half of the labelled images the mean of each class is learned, and a linear probe
    (logistic regression on standardised features); both are told on the other half, against the network's own
    answers to the same images: the gain in accuracy with its 95 % interval (McNemar's test).

    Reading. Where a mean of a few images answers better than the layer that was trained for it, the layer is
    untrained, was loaded from elsewhere, or has its rows in another order. Where both agree,
    wrong answers come of the features.

    Limits. A probe that learns from a few images of each class is weaker than a trained layer: that it does
    not win proves little, and classes with fewer than three images in the half are left out of the
    comparison. Fewer than 40 images in a half decide nothing. A network that answers in two ways is looked
    at where most layers lead. Found in tests: a last layer that was initialised anew, or of which two rows
    were lost, among ten classes of thirty images.

    Remedy. Load or train the last layer.

    Source. Alain & Bengio 2016, Understanding intermediate layers using linear classifier probes
    (arXiv:1610.01644).
    """

    limit: float = 0.05

    def needs(self, model: ModelFacts) -> Sequence[Features]:
        Features().work(model)
        return (Features(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"features": tape[Features()]}  # (n, F)

    def judge(self, case: Case) -> Verdict:
        answers = case.sampled
        if not answers.judged.any():
            return unjudged(case.answers)
        features = case.sample.rows.get("features")
        if features is None:
            return untested("the features of some images are not known")
        halves = _halves(case, features.astype(np.float64))
        if min(halves.learn.sum(), halves.tell.sum()) < FEWEST:
            return _too_few(int(halves.learn.sum()), int(halves.tell.sum()))
        return self._verdict(case, halves, _probed(halves, case.seed))

    def _verdict(self, case: Case, halves: Halves, told: Mapping[str, Array]) -> Verdict:
        own = halves.own[halves.tell]
        labels = halves.labels[halves.tell]
        right = {name: answer == labels for name, answer in told.items()}
        # the better of two: half of its chance is the other's
        best = max(right, key=lambda name: int(right[name].sum()))
        gained, lost = int((right[best] & ~own).sum()), int((own & ~right[best]).sum())
        n = len(own)
        low, high = paired_difference(gained, lost, n)
        share = (gained - lost) / n
        status = decided(low, high, self.limit)
        if status == "undecided" and share > self.limit and len(told) * mcnemar(gained, lost) < SURE:
            status = "warning"
        bad = status in GRAVE
        layer = Features().layer(case.model).name
        return Verdict(
            status=status,
            sentence=_sentence(layer, own, right, best, status, high),
            effect=share,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason="one answer in twenty would be right from the same features",
            n=n,
            sample=len(halves.own),
            remedy=_remedy(layer, status, n),
            exhibits=Exhibits(
                images=tuple(halves.numbers[halves.tell][right[best] & ~own].tolist()) if bad else (),
                layers=(layer,) if bad else (),
            ),
            figures=(_table(own, right),),
            explains=OF_ANSWERS if bad else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The half that was held back, answered by the better probe."""
        features = case.sample.rows["features"].astype(np.float64)
        halves = _halves(case, features)
        told = _probed(halves, case.seed)
        labels = halves.labels[halves.tell]
        best = max(told.values(), key=lambda answer: int((answer == labels).sum()))
        told_on = case.sampled.only(halves.tell)
        # how sure it would be is not known: what is told of the confidence is judged without it
        unknown = np.full(len(best), np.nan)
        return case.with_answers(
            replace(told_on, answers=best, confidence=unknown, label_probability=unknown)
        )


@dataclass(frozen=True)
class Halves:
    """The sample's features (n, F), labels (n,) and numbers (n,); which are answered right, which a probe
    learns from, and which it is told on: of classes that it learned."""

    features: Array
    labels: Array
    numbers: Array
    own: Array
    learn: Array
    tell: Array


def _too_few(learn: int, tell: int) -> Verdict:
    """The verdict where a probe has too few images to learn from, or to be told on."""
    enough = (
        f"{counted(min(learn, tell), 'labelled image')} of classes that are seen often enough are too few"
    )
    text = enough if learn and tell else f"No class has {FEWEST_OF_CLASS} labelled images"
    on = " for a probe of the features" if learn and tell else " for a probe of the features to learn from"
    more = f"Label more images: {4 * FEWEST} in all may decide it."
    return Verdict("undecided", f"{text}{on}.", n=tell, remedy=more)


def _halves(case: Case, features: Array) -> Halves:
    answers = case.sampled
    first = case.first_half[np.isin(case.answers.numbers, case.sample.numbers)]
    usable = answers.judged & np.isfinite(features).all(1)
    features = np.where(usable[:, None], features, 0.0)
    learn = usable & first
    counts = np.bincount(answers.labels[learn], minlength=len(case.classes))
    known = counts[answers.labels.clip(0)] >= FEWEST_OF_CLASS
    if features.shape[1] > KEPT and learn.any():
        spread = features[learn].std(0)
        features = features[:, np.sort(np.argsort(-spread, kind="stable")[:KEPT])]
    return Halves(
        features, answers.labels, answers.numbers, answers.right, learn & known, usable & ~first & known
    )


def _probed(halves: Halves, seed: int) -> dict[str, Array]:
    """The answers (m,) to the half that was held back, by each probe that was learned on the other."""
    scaler = StandardScaler().fit(halves.features[halves.learn])
    learn, tell = (scaler.transform(halves.features[part]) for part in (halves.learn, halves.tell))
    labels = halves.labels[halves.learn]
    classes = np.unique(labels)
    means = np.stack([learn[labels == k].mean(0) for k in classes])
    distance = (means**2).sum(1) - 2 * tell @ means.T  # less what is the same for all classes
    told = {"nearest class mean": classes[distance.argmin(1)]}
    if len(classes) > 1:
        probe = LogisticRegression(C=0.1, max_iter=200, random_state=seed % 2**32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one that is not at its end answers, too
            told["linear probe"] = probe.fit(learn, labels).predict(tell)
    return told


def _sentence(layer: str, own: Array, right: Mapping[str, Array], best: str, status: str, high: float) -> str:
    n, won = counted(len(own), "image"), int(right[best].sum())
    if status in GRAVE:
        now = f"{percent(won / len(own))} {interval(*wilson(won, len(own)))}"
        return (
            f"The network answers {percent(float(own.mean()))} of {n} held back for this test right, but"
            f" {now} are right from its own features (by the {best}): the last layer, {layer}, does not fit."
        )
    if status == "clear":
        return (
            f"The last layer, {layer}, makes of the features what can be made: no probe answers more of {n} "
            f"right, at most {100 * max(high, 0):.1f} points."
        )
    share = points(float(right[best].mean() - own.mean()))
    return (
        f"{n} held back for this test cannot tell whether the features know better than the last layer: "
        f"{share}, and up to {points(high)} are not excluded."
    )


def _remedy(layer: str, status: str, n: int) -> str:
    if status in GRAVE:
        return f"Look whether {layer} was loaded from the checkpoint and trained; train it on the features."
    more = f"Label more images, or raise checks.sample: {8 * n:,} may decide it."
    return more if status == "undecided" else ""


def _table(own: Array, right: Mapping[str, Array]) -> Table:
    rows = [("the network", own), *right.items()]
    return Table(
        "probes",
        "Who answers how many right",
        ("by", "right, %"),
        tuple((name, 100 * float(each.mean())) for name, each in rows),
    )
