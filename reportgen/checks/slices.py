"""Whether a group of look-alike images that nobody named is answered worse than the rest of its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from reportgen.checks import check
from reportgen.checks.case import Case, unjudged, untested
from reportgen.checks.parts import Part, judged_parts
from reportgen.checks.showing import pictures_of
from reportgen.checks.unlike import standardised
from reportgen.checks.words import counted, points
from reportgen.engine.needs import Features, ModelFacts, Need, Tape
from reportgen.findings import GRAVE, Array, Exhibits, Gallery, Verdict
from reportgen.stats import wilson

FEWEST_OF_A_CLASS = 16  # images of the sample
FEWEST = 4  # images of a slice on either half
CLUSTERS = (2, 3, 4, 6)  # a class is cut into so many
DIRECTIONS = 10  # principal directions of a class that are looked at
MOST_CLASSES = 200  # those with most wrong answers
CONFIRMED = 3  # slices that are held against the rest of their class
ERRORS = 2.0  # weight of being wrong beside the features
SHOWN = 12
MOSTLY = 0.5  # share right below which a group is a kind that the model does not know
LEAST_PART = 0.25  # of a class: smaller groups are not excluded where none is suspected
REASON = "a kind of picture that is wrong so much more often is another task to the model"
MORE = "Label more images, or look at more: checks.sample."
REMEDY = "Look at the pictures of the group for what they share; train with more of that kind."


@check("slices", group="the answers")
class Slices:
    """Slices: is a group of look-alike images within a class answered worse than the rest of the class?

    Measurement. On one half of the sample the penultimate features of each class are cut into 2 to 6 clusters
    (k-means), by the features alone and by the features with the error beside them. The three groups that
    are worst are held against the rest of their class on the other half, whose images go to the nearest
    centre by their features alone: the difference with Newcombe's interval, by Fisher's exact test
    corrected for three (Holm).

    Reading. A class may hide a kind that the model does not know: its pictures are shown, and what they share
    is for the reader to name. A class that is wrong all over has no such group.

    Limits. It sees what the features tell apart: a kind that looks to the network like the rest is not found.
    Wrong answers gather where two classes meet: a group of which not most are wrong is left open.
    Fewer than 16 images of a class in the sample, or 4 of a group on either half, decide nothing. A kind that
    is an eighth of a class of 120, wrong in 90 % of its images, was found in most draws.

    Remedy. Look at the pictures of the group for what they share; train with more of that kind.

    Source. Eyuboglu et al. 2022, Domino (arXiv:2203.14960); Sohoni et al. 2020, No Subclass Left Behind
    (arXiv:2011.12945).
    """

    limit: float = 0.15

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Features(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"features": tape[Features()]}  # (n, F)

    def judge(self, case: Case) -> Verdict:
        if not case.answers.judged.any():
            return unjudged(case.answers)
        features = case.sample.rows.get("features")
        if features is None or not len(features):
            return untested("the features of the sample are not in the evidence")
        groups, tried = self._searched(case, standardised(features))
        n = int(case.sampled.judged.sum())
        if not tried:
            text = f"No class has {FEWEST_OF_A_CLASS} labelled images in the sample of {n:,}: too few."
            return Verdict("undecided", text, n=n, sample=n, remedy=MORE)
        if not groups:
            return self._none(case, tried, n)
        return self._verdict(case, groups, tried, n)

    def _none(self, case: Case, tried: int, n: int) -> Verdict:
        """The verdict where no group is suspected. How much worse one could still be is bounded by the wrong
        answers of its class: all of them might be in it."""
        answers = case.sampled.only(case.sampled.judged)
        counts = np.bincount(answers.labels)
        wrong = np.bincount(answers.labels[~answers.right], minlength=len(counts))
        ends = [wilson(int(wrong[k]), int(counts[k]))[1] for k in np.flatnonzero(counts >= FEWEST_OF_A_CLASS)]
        high = min(1.0, max(ends) / LEAST_PART)
        text = f"No group of look-alike images within {counted(tried, 'class', 'classes')} is answered worse"
        clear = high <= self.limit
        open_ = (
            "" if clear else f"; that a quarter of a class is {100 * high:.0f} points worse is not excluded"
        )
        return Verdict(
            status="clear" if clear else "undecided",
            sentence=f"{text}, on {n:,} images{open_}.",
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason=REASON,
            n=n,
            sample=n,
            remedy="" if clear else MORE,
        )

    def _searched(self, case: Case, x: Array) -> tuple[list[tuple[int, Array, Part]], int]:
        """The worst groups of half A, as (class, members of both halves (n,), part of half B), and how many
        classes were looked at."""
        answers = case.sampled
        first = case.first_half[np.isin(case.answers.numbers, case.sample.numbers)]
        wrong = answers.judged & ~answers.right
        classes, counts = np.unique(answers.labels[answers.judged], return_counts=True)
        classes = classes[counts >= FEWEST_OF_A_CLASS]
        errors = np.array([wrong[answers.labels == k].sum() for k in classes])
        found: list[tuple[float, int, Array]] = []
        for k in classes[np.argsort(-errors, kind="stable")[:MOST_CLASSES]]:
            own = np.flatnonzero(answers.judged & (answers.labels == k))
            if wrong[own].sum() < FEWEST:
                continue
            for member in _groups(x[own], wrong[own], first[own], case.seed):
                a, rest = first[own] & member, first[own] & ~member
                if min(a.sum(), rest.sum()) >= FEWEST:
                    gap = float(wrong[own][a].mean() - wrong[own][rest].mean())
                    whole = np.zeros(len(wrong), dtype=bool)
                    whole[own[member]] = True
                    found.append(
                        (gap * np.sqrt(a.sum() * rest.sum() / (a.sum() + rest.sum())), int(k), whole)
                    )
        found.sort(key=lambda each: -each[0])
        parts: list[tuple[int, Array, Part]] = []
        for score, k, whole in found:
            if score <= 0 or len(parts) == CONFIRMED or any((whole & seen).any() for _, seen, _ in parts):
                continue
            b = ~first & answers.judged & (answers.labels == k)
            own, rest = b & whole, b & ~whole
            if min(own.sum(), rest.sum()) >= FEWEST:
                right = answers.right
                part = Part(
                    "", int(right[own].sum()), int(own.sum()), int(right[rest].sum()), int(rest.sum())
                )
                parts.append((k, whole, part))
        return parts, len(classes)

    def _verdict(self, case: Case, groups: list[tuple[int, Array, Part]], tried: int, n: int) -> Verdict:
        found = judged_parts([part for _, _, part in groups], self.limit)
        mostly = [part for part in found.worse if part.right < MOSTLY * part.count]
        # wrong answers gather where two classes meet, in every network: that is no kind of its own
        status = found.status if mostly or found.status not in GRAVE else "undecided"
        worst = (mostly or [found.largest])[0]
        if status == "fault" and wilson(worst.right, worst.count)[1] >= MOSTLY:
            status = "warning"  # few images may be mostly wrong by chance
        bad = status in GRAVE
        k, whole, part = next(group for group in groups if group[2] is worst)
        low, high = part.ends
        images = tuple(case.sampled.numbers[whole].tolist())
        return Verdict(
            status=status,
            sentence=self._sentence(case, status, k, whole, part, tried),
            effect=part.gap,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason=REASON,
            n=part.count + part.others,
            sample=n,
            remedy=REMEDY if bad else MORE if status == "undecided" else "",
            exhibits=Exhibits(images=images if bad else ()),
            figures=_gallery(case, images, whole) if bad else (),
        )

    def _sentence(self, case: Case, status: str, k: int, whole: Array, part: Part, tried: int) -> str:
        if status in GRAVE:
            of, wrong = part.count, part.count - part.right
            text = (
                f"A group of {counted(int(whole.sum()), 'look-alike image')} in {case.classes[k]} is answered"
            )
            text += f" worse: of the {of:,} held back for this test {wrong:,} are wrong"
            return f"{text}; of the rest of the class {part.others_right:,} of {part.others:,} are right."
        what = f"a group within {counted(tried, 'class', 'classes')} is {100 * self.limit:.0f} points worse"
        low, high = part.ends
        ends = f"{points(part.gap)}, 95 % interval {points(low)} to {points(high)}, in {case.classes[k]}"
        if status == "clear":
            return f"That {what} than the rest of its class is excluded for the groups found: at most {ends}."
        return f"Whether {what} than the rest of its class is open: the worst {ends}."


def _groups(x: Array, wrong: Array, first: Array, seed: int) -> list[Array]:
    """Groups (m,) of a class's images, from half A: the centres are found with and without the errors beside
    the features (m, F), and all images go to the nearest centre by their features alone."""
    a = x[first]
    if len(a) < min(CLUSTERS) * FEWEST:
        return []
    middle = a.mean(0)
    _, sizes, directions = np.linalg.svd(a - middle, full_matrices=False)
    kept = directions[: min(DIRECTIONS, int((sizes > 1e-9).sum()))]
    if not len(kept):
        return []
    z = (x - middle) @ kept.T
    z = z / max(1e-9, float(z[first].std(0).max()))  # the widest direction has a spread of 1
    found = []
    for weight in (0.0, ERRORS):
        with_errors = np.concatenate([z[first], weight * wrong[first, None]], 1)
        for count in (each for each in CLUSTERS if each * FEWEST <= len(a)):
            own = KMeans(count, n_init=2, random_state=seed).fit(with_errors).labels_
            centres = np.stack([z[first][own == c].mean(0) for c in range(count) if (own == c).any()])
            nearest = ((z[:, None] - centres[None]) ** 2).sum(2).argmin(1)
            found += [nearest == c for c in range(len(centres))]
    return found


def _gallery(case: Case, images: Sequence[int], whole: Array) -> tuple[Gallery, ...]:
    """The group's pictures, wrong ones first."""
    own = case.sampled.only(whole)
    order = own.numbers[np.argsort(own.right, kind="stable")][:SHOWN].tolist()
    return pictures_of(case, order, "slice", "Images of the group, wrong ones first")
