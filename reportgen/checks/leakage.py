"""Whether pictures of the set were among those that the model was trained on."""

from __future__ import annotations

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Answers, Case, Pictures, untested
from reportgen.checks.copies import compared, confirmed, crowd_of, greys_of, standing_out
from reportgen.checks.nearby import alike
from reportgen.checks.words import counted, interval, listed, percent, points
from reportgen.findings import GRAVE, Array, Exhibits, Status, Table, Verdict
from reportgen.stats import newcombe, wilson

LISTED = 40  # pairs in the table
NAMED = 3  # in the sentence
REMEDY = "Take the named images out of this set, or out of the training: an answer to them is remembered."


@check("leakage", group="the images", training=True, any_head=True)
class Leakage:
    """Leakage: were images of this set among those of the training?

    Measurement. Every picture is held against those of `images.training`: equal pixels whatever the file,
    and pictures that are nearly alike: their perceptual hashes of 64 bits, or that of one and of the
    other's mirror image, differ in at most `distance` bits, and their grey versions of 64×64 pixels
    correlate by at least `correlation`, and lack a quarter at most of what the picture's correlation with
    any of 200 others of the set lacks: simple pictures of one thing are alike without being copies.
    Accuracy is told on the pictures of the training and on the new ones apart.

    Reading. What was trained on is known by heart: accuracy there says nothing of new pictures. The
    accuracy on the new ones is that of the model. Where both are alike, the set is still smaller than it
    looks.

    Limits. It sees what stands in the folder or list that is named, and none of what it leaves out. Other
    pictures of the same scene, crops, turns and shifts are not found. Pictures that are nearly alike, none
    with equal pixels, may be of one series: they are a fault only where they are surely more than the
    limit. Of more than 20,000 pictures near copies are looked for in a sample; equal pixels always are. One
    equal picture of 200 was found, and so were pictures saved again as JPEG at twice the size.

    Remedy. Take the named images out of the set, and judge the model on the others.

    Source. Barz & Denzler 2020, Do We Train on Test Data? (arXiv:1902.00423); Kaufman et al. 2012, Leakage
    in Data Mining.
    """

    limit: float = 0.005
    distance: int = 6
    correlation: float = 0.99

    def judge(self, case: Case) -> Verdict:
        pictures, training = case.pictures, case.training
        if training is None or not len(training):
            why = "no pictures of the training are known" if training is None else "its list has none"
            remedy = "Name the training pictures' folder or list: images.training."
            return untested(why, remedy, ["images.training"])
        if pictures is None or not len(pictures):
            return untested("the facts of the pictures are not in the evidence")
        equal = _equal(pictures, training)  # (N,) a place in the training, -1
        near = self._near(case, pictures, training, equal)
        twin = np.where(equal >= 0, equal, near)
        n, leaked = len(pictures), twin >= 0
        share = float(leaked.mean())
        status = self._status(n, int((equal >= 0).sum()), int(leaked.sum()))
        bad = status in GRAVE
        return Verdict(
            status=status,
            sentence=self._sentence(case, equal, leaked, len(training)),
            effect=share,
            unit="share",
            limit=self.limit,
            limit_reason="one answer in two hundred is remembered; of equal pictures any one is told",
            n=n,
            remedy=REMEDY if bad else "",
            exhibits=Exhibits(images=tuple(case.answers.numbers[leaked].tolist())),
            figures=(_table(case, training, equal, twin),) if leaked.any() else (),
            explains=("accuracy", "calibration", "label-noise", "abstention") if bad else (),
        )

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The case with the new pictures only. Raises ValueError where none is new."""
        new = ~np.isin(case.answers.numbers, verdict.exhibits.images)
        if not new.any():
            raise ValueError("no picture is new")
        return case.with_answers(case.answers.only(new))

    def _status(self, n: int, equal: int, leaked: int) -> Status:
        """Equal pictures are counted, not estimated; those that only look alike have to be surely many."""
        if equal / n > self.limit or wilson(leaked, n)[0] > self.limit:
            return "fault"
        return "warning" if equal or leaked / n > self.limit else "clear"

    def _near(self, case: Case, pictures: Pictures, training: Pictures, equal: Array) -> Array:
        """For each picture (N,) the place of one of the training that is nearly alike, -1 where none is."""
        found = np.full(len(pictures), -1, dtype=np.int64)
        own = compared(pictures, np.flatnonzero(equal < 0))
        other = compared(training, _one_of_each(training), len(training))
        pairs = alike(pictures.perceptual[own], training.perceptual[other], self.distance)
        pairs = np.stack([own[pairs[:, 0]], other[pairs[:, 1]]], 1)
        greys, others = greys_of(case, pairs[:, 0]), greys_of(case, pairs[:, 1], training=True)
        sure = confirmed(pairs, greys, others, self.correlation)
        if len(sure):
            sure = sure[standing_out(sure, greys, others, crowd_of(case, pictures))]
        found[sure[::-1, 0]] = sure[::-1, 1]  # the first of several stands
        return found

    def _sentence(self, case: Case, equal: Array, leaked: Array, trained: int) -> str:
        n, count, same = len(leaked), int(leaked.sum()), int((equal >= 0).sum())
        if not count:
            return f"None of {counted(n, 'picture')} is among the {trained:,} of the training, nor nearly so."
        kinds = [f"{same:,} with equal pixels"] * bool(same) + [f"{count - same:,} nearly alike"] * (
            count > same
        )
        are = "is" if count == 1 else "are"
        names = listed([case.answers.paths[k] for k in np.flatnonzero(leaked)], NAMED)
        text = f"{count:,} of {counted(n, 'image')} ({percent(count / n)}) {are} in the training folder"
        return f"{text} ({', '.join(kinds)}): {names}.{_apart(case.answers, leaked)}"


def _equal(pictures: Pictures, training: Pictures) -> Array:
    """For each picture (N,) the first place in the training with equal pixels, -1 where none has."""
    whole = np.ascontiguousarray(np.concatenate([training.pixels, pictures.pixels]))
    rows = whole.view([("", whole.dtype)] * whole.shape[1]).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    place = first[group.ravel()[len(training) :]]
    return np.asarray(np.where(place < len(training), place, -1))


def _one_of_each(pictures: Pictures) -> Array:
    """The first place of each group of equal pixels, in order."""
    return np.sort(np.unique(pictures.pixels, axis=0, return_index=True)[1])


def _apart(answers: Answers, leaked: Array) -> str:
    """The accuracy on both kinds of pictures."""
    if not answers.judged.any():
        return ""
    known, new = answers.only(leaked & answers.judged), answers.only(~leaked & answers.judged)
    if not len(new.numbers):
        return " No labelled image is new: the accuracy on new images is not known."
    right, of = int(new.right.sum()), len(new.numbers)
    text = f" Of the new ones {percent(right / of)} {interval(*wilson(right, of))} are answered right"
    if not len(known.numbers):
        return f"{text}."
    own, count = int(known.right.sum()), len(known.numbers)
    low, high = newcombe(own, count, right, of)
    ends = f"{points(own / count - right / of)}, 95 % interval {points(low)} to {points(high)}"
    return f"{text}, of the others {percent(own / count)} {interval(*wilson(own, count))} ({ends})."


def _table(case: Case, training: Pictures, equal: Array, twin: Array) -> Table:
    """The pairs, those with equal pixels first."""
    leaked = np.flatnonzero(twin >= 0)
    order = leaked[np.argsort(equal[leaked] < 0, kind="stable")][:LISTED]
    paths = training.paths or ("",) * len(training)
    rows = tuple(
        (
            f"{case.answers.numbers[k]:06d}",
            case.answers.paths[k],
            paths[twin[k]],
            "equal pixels" if equal[k] >= 0 else "nearly alike",
        )
        for k in order
    )
    return Table("pairs", "Images of the training", ("image", "file", "in the training", "how alike"), rows)
