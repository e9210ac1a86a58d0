"""What a check judges: the answers, the facts of the pictures, and what was measured on the sample. Plain
numpy; nothing of it depends on how many images a batch had."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from reportgen.checks.changes import Change
from reportgen.checks.intervention import Intervention, Outcome
from reportgen.findings import Array, Exhibits, Finding, Status, Tally, Verdict

NO_LABEL = -1
NO_ANSWER = -1
# the checks whose verdicts rest on which answers are right, and on how sure they are: they may follow from
# whatever makes answers wrong
OF_ANSWERS = (
    *("accuracy", "calibration", "label-noise", "class-names", "abstention", "head", "slices", "groups"),
    *("properties", "training", "odd-images", "property-shortcut", "place-shortcut", "map-clusters"),
    *("corruptions", "stability", "background"),
)


@dataclass(frozen=True)
class View:
    """Another way to preprocess the images: what is None or False stays as the recipe has it.

    `fit` is how an image comes to the input's size: `squash` to it, `crop` the middle of what is resized
    by the shorter side to the crop's, or `pad` with black what is resized by the longer side. `mean` and
    `std` have one value a channel, or one for all; `images` are those that the sample's own pixels have.
    `reversed` turns the order of the channels round, `inverted` makes black white, and `turned` turns what
    the model sees by so many degrees, counter-clockwise. `adapted` leaves the images and gives every batch
    normalisation the statistics of some of them. `stepped` leaves the images and moves every tensor of
    weights by that share of its own length down the loss of the labelled images of half A; only those of the
    other half are answered so. `pixels` is a change of what the model sees, before it is normalised.
    """

    name: str
    fit: Literal["squash", "crop", "pad"] | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] | None = None
    mean: tuple[float, ...] | Literal["images"] | None = None
    std: tuple[float, ...] | Literal["images"] | None = None
    reversed: bool = False
    inverted: bool = False
    turned: Literal[0, 90, 180, 270] = 0
    adapted: bool = False
    stepped: float = 0.0
    pixels: Change | None = None

    @property
    def decoding(self) -> tuple[str | None, str | None]:
        """What of it has to be known when a file is decoded; all else is worked out of the input."""
        return self.fit, self.interpolation


@dataclass(frozen=True)
class Answers:
    """The readable images of the set and what the model answered, column by column, in order of number.

    `labels` and `answers` (N,) are class indices, -1 where there is none; `confidence` (N,) is the
    probability of the answer and `label_probability` (N,) that of the label, NaN where there is none.
    """

    numbers: Array
    paths: tuple[str, ...]
    hashes: tuple[str, ...]  # of the file's bytes
    labels: Array
    answers: Array
    confidence: Array
    label_probability: Array

    @property
    def answered(self) -> Array:
        """Which have an answer, bool (N,)."""
        return np.asarray(self.answers != NO_ANSWER)

    @property
    def judged(self) -> Array:
        """Which have a label and an answer, bool (N,)."""
        return np.asarray(self.answered & (self.labels != NO_LABEL))

    @property
    def right(self) -> Array:
        """Which are answered by their label, bool (N,)."""
        return np.asarray(self.judged & (self.answers == self.labels))

    def only(self, kept: Array) -> Answers:
        """Those of a mask (N,)."""
        places = np.flatnonzero(kept)
        return Answers(
            self.numbers[kept],
            tuple(self.paths[n] for n in places),
            tuple(self.hashes[n] for n in places),
            self.labels[kept],
            self.answers[kept],
            self.confidence[kept],
            self.label_probability[kept],
        )


@dataclass(frozen=True)
class Pictures:
    """The facts of pictures, a row each: `values` (N, F) by the names in `fields`; hashes of the pixels
    (N, 16) uint8; perceptual hashes of the picture and of its mirror image (N, 2) uint64; `hashes` of the
    files' bytes, in hex."""

    fields: tuple[str, ...]
    values: Array
    pixels: Array
    perceptual: Array
    hashes: tuple[str, ...]
    paths: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> Array:
        """One fact of every picture, (N,). Raises ValueError for a name that is none."""
        return np.asarray(self.values[:, self.fields.index(name)])


@dataclass(frozen=True)
class Sample:
    """What was measured for one check on the sample: the images' numbers (n,), its rows by name (n, …), its
    tally, the logits of every view by name (n, C), NaN where an image had no such view, what was answered to
    interventions, by their keys, and what a screen found, by name."""

    numbers: Array
    rows: Mapping[str, Array] = field(default_factory=dict)
    tally: Tally | None = None
    views: Mapping[str, Array] = field(default_factory=dict)
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    screened: Mapping[str, Array] = field(default_factory=dict)

    def only(self, numbers: Array) -> Sample:
        """What was measured for those of the sample that are among some images' numbers; a tally holds sums,
        which stay those of all."""
        kept = np.isin(self.numbers, numbers)
        if kept.all():
            return self
        rows = {name: values[kept] for name, values in self.rows.items()}
        views = {name: logits[kept] for name, logits in self.views.items()}
        return replace(self, numbers=self.numbers[kept], rows=rows, views=views)


@dataclass(frozen=True)
class Foreign:
    """Pictures that are not of the task: their facts, and what one check observed of each, by name (M, …)."""

    pictures: Pictures
    rows: Mapping[str, Array]


class Sources:
    """What is read only where a check asks for it. Each raises nothing that a check has to know of."""

    def logits(self) -> Iterator[tuple[Array, Array]]:
        """The numbers (b,) and the logits (b, C) of the readable images, batch by batch."""
        return iter(())

    def greys(self, numbers: Sequence[int], training: bool = False) -> Mapping[int, Array]:
        """Small grey pictures (64, 64) uint8 by number, of the set or of `images.training` by place."""
        return {}

    def seen(self, numbers: Sequence[int]) -> Mapping[int, Array]:
        """What the model saw, (H, W, C) uint8, by number, within 96 pixels."""
        return {}

    def changed(self, asked: Sequence[Intervention]) -> Mapping[int, Array]:
        """What the model saw of pictures of the sample under interventions, (H, W, C) uint8, by their keys,
        within 96 pixels; without those that cannot be made."""
        return {}

    def tensors(self) -> Iterator[tuple[str, Array]]:
        """The checkpoint's tensors by name, as the network holds them."""
        return iter(())

    def findings(self, visualization: str) -> Sequence[Finding]:
        """What a visualization of the model or of the set found; nothing where it was not asked for."""
        return ()


@dataclass(frozen=True)
class Case:
    """All that a check may judge by. `model` are the facts of the network, `groups` the columns of the
    labels' CSV that the recipe names, a word (or "") for every readable image. `things` are the numbers of
    the images whose mask or boxes say where the thing is that they show, `outlined` that masks do.
    `preprocessing` has resize, crop, mean, std and the rest of the model's as JSON values; `mended` names
    another one that the answers are by."""

    answers: Answers
    classes: tuple[str, ...]
    model: Any
    pictures: Pictures | None
    training: Pictures | None = None
    foreign: Foreign | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    things: frozenset[int] = frozenset()
    outlined: bool = False
    seed: int = 0
    wished_sample: int = 0
    sample: Sample = Sample(np.zeros(0, dtype=np.int64))
    sources: Sources = field(default_factory=Sources)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def first_half(self) -> Array:
        """Which images are in half A, bool (N,): on it a check searches, on the other it confirms. Drawn by
        a seeded hash of the content, so that copies of one picture are in one half."""
        return np.array([halved(content, self.seed) for content in self.answers.hashes], dtype=bool)

    @cached_property
    def sampled(self) -> Answers:
        """The answers to the images of the sample, in its order."""
        return self.answers.only(np.isin(self.answers.numbers, self.sample.numbers))

    def with_answers(self, answers: Answers) -> Case:
        """The same with other answers or labels; for fewer images, what is known of the others goes."""
        kept = np.isin(self.answers.numbers, answers.numbers)
        pictures = self.pictures
        if pictures is not None:
            places = np.flatnonzero(kept)
            pictures = replace(
                pictures,
                values=pictures.values[kept],
                pixels=pictures.pixels[kept],
                perceptual=pictures.perceptual[kept],
                hashes=tuple(pictures.hashes[n] for n in places),
                paths=tuple(pictures.paths[n] for n in places) if pictures.paths else (),
            )
        groups = {
            name: tuple(word for word, is_kept in zip(words, kept, strict=True) if is_kept)
            for name, words in self.groups.items()
        }
        sample = self.sample.only(answers.numbers)
        return replace(self, answers=answers, pictures=pictures, groups=groups, sample=sample)


def halved(content: str, seed: int) -> bool:
    """Whether an image of this hash is in half A."""
    return hashlib.sha256(f"half {seed} {content}".encode()).digest()[0] % 2 == 0


def decided(low: float, high: float, limit: float) -> Status:
    """`fault` where the interval of a harm lies past its limit, `clear` where it lies within, else
    `undecided`."""
    return "fault" if low > limit else "clear" if high <= limit else "undecided"


def untested(why: str, remedy: str = "", settings: Sequence[str] = ()) -> Verdict:
    """The verdict of a check that could not be asked, in words that follow "not tested: "."""
    shown = Exhibits(settings=tuple(settings))
    return Verdict("untested", f"Not tested: {why}.", remedy=remedy, exhibits=shown)


def unjudged(answers: Answers) -> Verdict:
    """The verdict of a check that needs labelled answers where there is none: it says which of the two is
    missing, as an output that is not finite is no answer."""
    if (answers.labels == NO_LABEL).all():
        return untested("no image has a label", "Name the labels: images.labels.", ["images.labels"])
    return untested(
        "no labelled image has an answer, as the model's output is not finite",
        "Look at the check of the weights, and at the preprocessing.",
        ["model.preprocessing"],
    )
