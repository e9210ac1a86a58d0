"""Whether the network was trained on pictures of this set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Answers, Case, Pictures, untested
from reportgen.checks.likeness import FLAT, alike, confirmed, first_by_content, first_equal, standing_out
from reportgen.checks.words import counted, interval, percent, points
from reportgen.findings import Array, Exhibits, Status, Table, Verdict
from reportgen.stats import newcombe, wilson

COMPARED_AT_MOST = 100_000  # pictures of the set that are held against the training's perceptual hashes
CONFIRMED_AT_MOST = 2_000  # pairs that are decoded again to confirm that they are alike
CROWD = 200  # pictures of the set that a pair has to stand out from
LISTED = 40  # in the table
BY_CHANCE = 2.0  # so many times as many alike as chance gives are no chance
REMEDY = "Leave them out of this set, or out of the training, and judge the model by the new pictures alone."


@dataclass(frozen=True)
class Leaked:
    """For each picture of the set (N,): the place of its like in the training, -1 where it has none; whether
    the two have equal pixels; and whether it was looked at at all."""

    twin: Array
    equal: Array
    looked_at: Array

    @property
    def leaked(self) -> Array:
        return np.asarray(self.twin >= 0)

    @property
    def new(self) -> Array:
        return np.asarray(self.looked_at & (self.twin < 0))


@check("leakage", group="the images", training=True, any_head=True)
class Leakage:
    """Leakage: was the model trained on pictures of this set?

    Measurement. Each picture is looked for among those of `images.training`: with equal pixels, or nearly
    alike. Of these the perceptual hashes of 64 bits, or that of one and of the other's mirror image, differ
    in at most `distance` bits, and the grey versions of 64×64 pixels correlate by at least `correlation`, and
    lack a quarter at most of what a picture's correlation with any of 200 others of the set lacks. As simple
    pictures of one thing are alike by chance, nearly alike ones count only where they are more than twice as
    many as their likes within the set let expect. Accuracy is counted apart on the pictures that the training
    has and on the new ones.

    Reading. A picture that was learned from says nothing of how the model answers others. What counts is the
    accuracy on the new ones; where it is lower, the difference is what was learned by heart.

    Limits. A crop, a turn, and other pictures of the same thing, patient or place are not found: where a
    column tells these, the two sets should share none of its values. A set that is full of near copies of its
    own hides such ones of the training: mend it first (duplicates). Of more than 100,000 pictures a sample is
    looked for by likeness, all by their pixels. In trials one picture of 60 was found, whether it was saved
    again, resized, mirrored or slightly noisy.

    Remedy. Leave them out of this set, or out of the training.

    Source. Barz & Denzler 2020, Do We Train on Test Data? (arXiv:1902.00423); Kapoor & Narayanan 2023,
    Leakage and the Reproducibility Crisis in Machine-Learning-Based Science (Patterns 4:9).
    """

    limit: float = 0.005
    distance: int = 6
    correlation: float = 0.99

    def judge(self, case: Case) -> Verdict:
        if case.training is None or not len(case.training):
            return untested(
                "the pictures of the training are not known",
                "Name them, a folder, a list or a CSV: images.training.",
                ["images.training"],
            )
        if case.pictures is None or not len(case.pictures):
            return untested("the facts of the pictures are not in the evidence")
        found = self._found(case, case.pictures, case.training)
        count, n = int(found.leaked.sum()), int((found.leaked | found.new).sum())
        low, high = wilson(count, n)
        status: Status = "fault" if low > self.limit else "warning" if count / n > self.limit else "clear"
        judged = case.answers.only(found.new)
        return Verdict(
            status=status,
            sentence=self._sentence(case, found, count, n),
            effect=count / n,
            low=low if count else None,  # where there is none, there is nothing to estimate
            high=high if count else None,
            unit="share",
            limit=self.limit,
            limit_reason="of two hundred answers one may have been learned by heart",
            n=n,
            sample=n if n < len(case.pictures) else None,
            remedy=REMEDY if status != "clear" else "",
            exhibits=Exhibits(images=tuple(case.answers.numbers[found.leaked].tolist())),
            figures=(_table(case, case.training, found),) if count else (),
            explains=("accuracy", "calibration") if status != "clear" and judged.judged.any() else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case with the new pictures alone."""
        leaked = np.isin(case.answers.numbers, verdict.exhibits.images)
        return case.with_answers(case.answers.only(~leaked))

    def _found(self, case: Case, own: Pictures, training: Pictures) -> Leaked:
        """Which pictures the training has, too."""
        twin = first_equal(own.pixels, training.pixels)
        equal = twin >= 0
        patterned = np.flatnonzero(~equal & (own.column("contrast") >= FLAT))
        looked_for = first_by_content(patterned, own.hashes, COMPARED_AT_MOST)
        of_training = np.flatnonzero(training.column("contrast") >= FLAT)
        near, seen = self._near(case, looked_for, training, of_training)
        among, own_seen = self._near(case, looked_for, own, looked_for)
        chance = _by_chance(len(among) / max(1, len(own_seen)), len(looked_for), len(of_training))
        looked_at = np.ones(len(own), dtype=bool)
        looked_at[patterned] = False
        looked_at[seen] = True
        if len(near) > BY_CHANCE * chance * len(seen):
            twin[near[:, 0]] = near[:, 1]
        return Leaked(twin, equal, looked_at)

    def _near(self, case: Case, places: Array, others: Pictures, of: Array) -> tuple[Array, Array]:
        """Pairs (P, 2) of places of a picture and of one nearly alike among those of the training, or of
        other pixels in the set, one for each; and the places that were looked at."""
        own = case.pictures
        assert own is not None  # else nothing was judged
        pairs = alike(own.perceptual[places], others.perceptual[of], self.distance)
        pairs = np.stack([places[pairs[:, 0]], of[pairs[:, 1]]], 1)
        pairs = pairs[(own.pixels[pairs[:, 0]] != others.pixels[pairs[:, 1]]).any(1)]
        candidates = np.unique(pairs[:, 0])
        chosen = first_by_content(candidates, own.hashes, CONFIRMED_AT_MOST)
        pairs = pairs[np.isin(pairs[:, 0], chosen)]
        mine = _greys(case, pairs[:, 0])
        theirs = _greys(case, pairs[:, 1]) if others is own else _of_training(case, pairs[:, 1])
        sure = confirmed(pairs, mine, theirs, self.correlation)
        sure = sure[standing_out(sure, mine, theirs, _crowd(case))] if len(sure) else sure
        sure = sure[np.unique(sure[:, 0], return_index=True)[1]]
        return sure, np.setdiff1d(places, np.setdiff1d(candidates, chosen))

    def _sentence(self, case: Case, found: Leaked, count: int, n: int) -> str:
        training = case.training
        assert training is not None  # else nothing was judged
        of = f"{len(training):,} of the training"
        if not count:
            return f"None of {counted(n, 'picture')} is among the {of}, nor one that is nearly alike."
        near = int((found.leaked & ~found.equal).sum())
        how = f" ({near:,} of them nearly alike)" if 0 < near < count else ""
        how = " (nearly alike, none with equal pixels)" if near == count else how
        text = f"{count:,} of {counted(n, 'picture')} {'is' if count == 1 else 'are'} among the {of}{how}"
        return f"{text}{_apart(case.answers, found)}."


def _greys(case: Case, places: Array) -> Mapping[int, Array]:
    """The small grey pictures of the set by place."""
    numbers = {int(case.answers.numbers[place]): int(place) for place in places}
    return {numbers[number]: grey for number, grey in case.sources.greys(list(numbers)).items()}


def _crowd(case: Case) -> Array:
    """The small grey pictures of some of the set (C, 64, 64)."""
    some = first_by_content(np.arange(len(case.answers.numbers)), case.answers.hashes, CROWD)
    greys = _greys(case, some)
    return np.stack(list(greys.values())) if greys else np.zeros((0, 64, 64), dtype=np.uint8)


def _of_training(case: Case, places: Array) -> Mapping[int, Array]:
    return case.sources.greys(np.unique(places).tolist(), training=True)


def _by_chance(share: float, among: int, others: int) -> float:
    """The share of pictures that have a like among so many others, where one among others of their own set
    has this share, copies left out: each of them is a like by the same chance."""
    if share >= 1 or among < 2:
        return min(share, 1.0)
    return 1 - float((1 - share) ** (others / (among - 1)))


def _apart(answers: Answers, found: Leaked) -> str:
    """The accuracy on the pictures that the training has, and on the new ones."""
    told = []
    counts = []
    for which in (found.leaked, found.new):
        part = answers.only(which)
        right, of = int(part.right.sum()), int(part.judged.sum())
        counts.append((right, of))
        told.append(f"{percent(right / of)} {interval(*wilson(right, of))}" if of else "")
    if not counts[0][1] and not counts[1][1]:
        return ""
    if not counts[1][1]:
        return "; on new pictures accuracy is not known"
    if not counts[0][1]:
        return f"; on the {counts[1][1]:,} new ones accuracy is {told[1]}"
    text = f": there accuracy is {told[0]}, on the {counts[1][1]:,} new ones {told[1]}"
    low, high = newcombe(*counts[0], *counts[1])
    gap = counts[0][0] / counts[0][1] - counts[1][0] / counts[1][1]
    shown = low > 0
    ends = f"[{points(low)} to {points(high)}]".replace(" points", "")
    return text + (f", {100 * gap:.1f} points less {ends.replace('+', '')}" if shown else "")


def _table(case: Case, training: Pictures, found: Leaked) -> Table:
    """The pictures with their likes in the training, by number."""
    rows = tuple(
        (
            case.answers.paths[place],
            training.paths[found.twin[place]] if training.paths else str(found.twin[place]),
            "equal pixels" if found.equal[place] else "nearly alike",
        )
        for place in np.flatnonzero(found.leaked)[:LISTED]
    )
    return Table("pairs", "Pictures that the training has, too", ("picture", "in the training", "how"), rows)
