"""What the other ways to preprocess answer, searched on one half of the sample and confirmed on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reportgen.checks.answering import answers_of, probabilities
from reportgen.checks.case import NO_ANSWER, Answers, Case
from reportgen.checks.preprocessing.alternatives import Alternative, alternatives
from reportgen.findings import Array
from reportgen.stats import holm, mcnemar, newcombe, paired_difference, wilson

FEWEST = 15  # images of the half that confirms; fewer decide nothing
FEWEST_OF_CLASS = 5  # of each half
MOST = 5  # hypotheses that are confirmed
ALIKE = 0.01  # share of the images by which a way of the list may be worse than the best, and goes before it
SURE = 0.05  # of Holm's p
CLASS_GAIN = 0.3  # of a class's images on the half that is searched
MENDED = 0.5, 0.35  # share of the wrong answers that a part's way mends: seen, and by the interval


@dataclass(frozen=True)
class Tried:
    """One way and its answers to the sample: class indices (n,), -1 for none, and probabilities (n, C)."""

    way: Alternative
    answers: Array
    probabilities: Array

    def right(self, labels: Array) -> Array:
        """Which are answered by their label, bool (n,)."""
        return np.asarray((self.answers == labels) & self.asked)

    @property
    def asked(self) -> Array:
        """Which images it answered, bool (n,): what a part of it excludes is not asked of the rest."""
        return np.asarray(self.answers != NO_ANSWER)


@dataclass(frozen=True)
class Found:
    """A way that answers more labels right, for all images, for those of one class, or for a part of them:
    `where` (n,) are those of the sample. `gain` with `low` and `high` is confirmed on `n` images."""

    kind: Literal["all", "class", "part"]
    tried: Tried
    where: Array
    gain: float
    low: float
    high: float
    n: int
    label: int = -1
    others: int = 0  # more classes of the same kind


def tried(case: Case) -> list[Tried]:
    """Every way that the network took."""
    found = []
    for way in alternatives(case.model):
        logits = case.sample.views.get(way.view.name)
        if logits is None or not np.isfinite(logits).any():
            continue
        p = probabilities(logits)
        found.append(Tried(way, answers_of(p), np.nan_to_num(p)))
    return found


def first_half(case: Case) -> Array:
    """Which images of the sample are in half A, bool (n,)."""
    return np.asarray(case.first_half[np.isin(case.answers.numbers, case.sample.numbers)])


def for_all(ways: Sequence[Tried], answers: Answers, first: Array, limit: float) -> Found | None:
    """The way that answers more of all images right; where several do, the first of those as good as the
    best."""
    search, confirm = answers.judged & first, answers.judged & ~first
    if confirm.sum() < FEWEST or search.sum() < FEWEST:
        return None
    right = {id(t): t.right(answers.labels) for t in ways}
    gains = {id(t): _gain(answers.right, right[id(t)], search) for t in ways}
    best = max(gains.values(), default=0.0)
    likely = sorted((t for t in ways if gains[id(t)] > limit), key=lambda t: -gains[id(t)])[:MOST]
    if not likely:
        return None
    p = holm([_p(answers.right, right[id(t)], confirm) for t in likely])
    sure = {id(t): each < SURE for t, each in zip(likely, p, strict=True)}
    n = int(confirm.sum())
    for t in (t for t in ways if sure.get(id(t)) and gains[id(t)] >= best - ALIKE):
        low, high = _interval(answers.right, right[id(t)], confirm)
        return Found("all", t, answers.judged, _gain(answers.right, right[id(t)], confirm), low, high, n)
    return None


def for_a_class(ways: Sequence[Tried], answers: Answers, first: Array, limit: float) -> Found | None:
    """The radical way that answers more of one class right, as where its images lie on their side."""
    hypotheses = []
    for label in np.unique(answers.labels[answers.judged]):
        own = answers.judged & (answers.labels == label)
        if min((own & first).sum(), (own & ~first).sum()) < FEWEST_OF_CLASS:
            continue
        for t in (t for t in ways if t.way.radical):
            gain = _gain(answers.right, t.right(answers.labels), own & first)
            if gain >= CLASS_GAIN:
                hypotheses.append((gain, int(label), t, own))
    hypotheses = sorted(hypotheses, key=lambda h: -h[0])[:MOST]
    pairs = [(answers.right, t.right(answers.labels), own & ~first) for _, _, t, own in hypotheses]
    p = holm([_p(*pair) for pair in pairs])
    found: list[Found] = []
    for (_, label, t, own), pair, each in zip(hypotheses, pairs, p, strict=True):
        low, high = _interval(*pair)
        if each < SURE and low > limit and label not in [f.label for f in found]:
            n = int(pair[2].sum())
            found.append(Found("class", t, own, _gain(*pair), low, high, n, label))
    if not found:
        return None
    return Found(**{**vars(found[0]), "others": len(found) - 1})


def for_a_part(ways: Sequence[Tried], answers: Answers, first: Array, limit: float) -> Found | None:
    """The radical way that mends most of the wrong answers, as where some of the images lie on their side."""
    wrong = answers.judged & ~answers.right
    search, confirm = wrong & first, wrong & ~first
    if min(search.sum(), confirm.sum()) < FEWEST_OF_CLASS:
        return None
    radical = [t for t in ways if t.way.radical]
    if not radical:
        return None
    best = max(radical, key=lambda t: int(t.right(answers.labels)[search].sum()))
    mends = best.right(answers.labels)
    mended, of = int(mends[confirm].sum()), int(confirm.sum())
    if mends[search].mean() < MENDED[0] or not mended or wilson(mended, of)[0] < MENDED[1]:
        return None
    # hard images are right by no way: only of images that need it are more right than of the others
    others = answers.right & ~first
    if not others.any() or newcombe(mended, of, int(mends[others].sum()), int(others.sum()))[0] <= 0:
        return None
    n = int((answers.judged & ~first).sum())
    low, high = wilson(mended, n)
    return Found("part", best, wrong & mends, mended / n, low, high, n) if mended / n > limit else None


def open_ways(ways: Sequence[Tried], answers: Answers, first: Array, limit: float) -> frozenset[str]:
    """The names of the ways that may answer more of all images right by more than the limit, by the 95 % end
    of what is known of half A; and the radical ones that may be right for one class, or for a part. As long
    as not all of that half is known, these are all that answer any wrong image right."""
    half = answers.judged & first
    if not half.any():
        return frozenset(t.way.view.name for t in ways)
    kept = set()
    for t in ways:
        where, right = half & t.asked, t.right(answers.labels)
        if not where.any():
            continue
        mends = right & ~answers.right & where
        part = mends.any() and (
            where.sum() < half.sum()
            or mends.sum() >= MENDED[0] * (half & ~answers.right).sum()
            or _mends_a_class(answers, right, half)
        )
        if _interval(answers.right, right, where)[1] > limit or (t.way.radical and part):
            kept.add(t.way.view.name)
    return frozenset(kept)


def _mends_a_class(answers: Answers, right: Array, half: Array) -> bool:
    labels = answers.labels
    return any(
        _gain(answers.right, right, half & (labels == label)) >= CLASS_GAIN
        for label in np.unique(labels[half])
    )


def _gain(own: Array, other: Array, where: Array) -> float:
    return float(other[where].mean() - own[where].mean()) if where.any() else 0.0


def _pairs(own: Array, other: Array, where: Array) -> tuple[int, int]:
    return int((other & ~own)[where].sum()), int((own & ~other)[where].sum())


def _p(own: Array, other: Array, where: Array) -> float:
    return mcnemar(*_pairs(own, other, where))


def _interval(own: Array, other: Array, where: Array) -> tuple[float, float]:
    return paired_difference(*_pairs(own, other, where), int(where.sum()))


def highest(ways: Sequence[Tried], answers: Answers) -> tuple[float, float]:
    """The largest gain that is not excluded for any way, and the gain seen of that way, on all labelled
    images that it was asked. Each is excluded by its own interval: to exclude all, nothing is corrected."""
    ends = []
    for t in ways:
        right, where = t.right(answers.labels), answers.judged & t.asked
        if where.any():
            ends.append((_interval(answers.right, right, where)[1], _gain(answers.right, right, where)))
    return max(ends, default=(1.0, 0.0))


def surer(ways: Sequence[Tried], answers: Answers, first: Array, limit: float) -> Found | None:
    """Without labels: the way by which the answers are surer. A larger scale alone makes them so, and is no
    evidence."""
    known = answers.answered & np.isfinite(answers.confidence)
    if min((known & first).sum(), (known & ~first).sum()) < FEWEST:
        return None
    gains = [(t, t.probabilities.max(1) - answers.confidence) for t in ways if not t.way.scaling]
    if not gains:
        return None
    best, gain = max(gains, key=lambda pair: float(pair[1][known & first].mean()))
    confirmed = gain[known & ~first]
    spread = 1.96 * float(confirmed.std(ddof=1)) / np.sqrt(len(confirmed))
    mean = float(confirmed.mean())
    if mean - spread <= limit:
        return None
    return Found("all", best, known, mean, mean - spread, mean + spread, len(confirmed))
