"""Whether a small patch decides an answer whatever else the picture shows: a mark, or a trigger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import (
    CORNERED,
    Followed,
    Pair,
    Suspect,
    answers_of,
    followed,
    hits,
    judged_suspects,
    taken_in_turn,
    unanswered,
)
from reportgen.checks.intervention import Box, Intervention
from reportgen.checks.showing import pictures_of
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import GRAVE, Array, Exhibits, Finding, Verdict

SHARE = 7  # a patch is a seventh of the side: two percent of the picture
AROUND = 4  # what a patch is held against: its surroundings, so many patches wide
PATCHES = 2  # of a picture that are tried
TRIED_ON = 4  # pictures that a patch is pasted into in the search
TURNS = 3  # of these that have to follow
FEWEST = 3  # pictures whose patch does so, on half A
CONFIRMED_ON = 60
ENOUGH = 30  # pictures of the sample
LOOK = 6  # the side that patches are compared at
ALIKE = 0.7  # correlation of patches that show the same thing
SHOWN = 12
REASON = "one picture in five is answered by a fiftieth of its area"
REMEDY = (
    "Look at the patches: where they are not the thing itself, take them out of the training's pictures, or"
    " vary them; look for how they came in (a stamp, a watermark, a planted trigger)."
)


@dataclass(frozen=True)
class Patch:
    """A patch of a picture that is answered with class k."""

    number: int
    k: int
    box: Box

    def pasted(self, into: int) -> Intervention:
        """Another picture with this patch at its place."""
        return Intervention(into, self.box, source=self.number)


@check("map-clusters", group="shortcuts")
class MapClusters:
    """Map clusters: does a small patch decide the answer in several pictures, whatever else they show?

    Measurement. In each picture of the sample the two patches of two percent of its area are looked for whose
    exchange for their surroundings would lower the answer's logit most, by its gradient. Each is pasted, at
    its place, into four pictures that are answered otherwise. A class of which three patches of one half of
    the sample turn most of these is suspect, where the patches look alike or lie at one place. It is
    confirmed on the other half: how often the patches make a picture be answered with the class, less how
    often patches of other pictures at the same place do (paired, McNemar's test, Holm's correction).

    Reading. A patch so small that turns other pictures is seldom the thing itself. It may be a mark that the
    class's training pictures carry, or a trigger that somebody planted. The pictures that carry it are shown.

    Limits. A patch is sought by the gradient, which a saturated network hides; of a fixed size; and pasted at
    its own place only. What fewer than three pictures of half the sample carry is not found. Where patches
    differ in looks and in place they are taken for the thing itself. Found in tests: tags of 5 px in 48 in a
    class, and a trigger of 4 px in 28 in one picture of fifty.

    Remedy. Find out what the patches are, and how they came into the training's pictures.

    Source. Lapuschkin et al. 2019, Unmasking Clever Hans predictors (arXiv:1902.10178), with an experiment in
    place of the look; Chen et al. 2018 on what triggered pictures share (arXiv:1811.03728).
    """

    limit: float = 0.2

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Gradient(),)

    def observe(self, tape: Tape) -> Mapping[str, Tensor]:
        boxes, looks = decisive_patches(tape.pixels, tape[Gradient()])
        return {"boxes": boxes, "looks": looks}

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(_Search(case).asked(), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        return 0 if images < ENOUGH else PATCHES * TRIED_ON * images + 2 * 3 * min(CONFIRMED_ON, images // 2)

    def without(self, case: Case, verdict: Verdict) -> Case:
        """The pictures that do not carry the patch."""
        shown = set(verdict.exhibits.images)
        kept = np.array([int(number) not in shown for number in case.answers.numbers], dtype=bool)
        return case.with_answers(case.answers.only(kept))

    def judge(self, case: Case) -> Verdict:
        n = len(case.sampled.numbers)
        if n < ENOUGH or "boxes" not in case.sample.rows:
            why = f"fewer than {ENOUGH} images of the sample have an answer"
            return untested(why, "Give more images, or raise checks.sample.", ["checks.sample"])
        search = _Search(case)
        found = search.confirmed
        if not found:
            tried = counted(PATCHES * n, "patch", "patches")
            text = f"Nothing found: of {tried} of two percent of the area none that {FEWEST} pictures share"
            return Verdict("clear", f"{text} turns other pictures to its class.", n=n, sample=n, limit=self.limit)
        status, worse = judged_suspects(found, self.limit)
        suspect, effect = worse[0] if worse else max(found, key=lambda pair: pair[1].effect)
        low, high = effect.ends
        bad = status in GRAVE
        images = search.carrying(suspect.k) if bad else ()
        return Verdict(
            status=status,
            sentence=self._sentence(case, status, search, suspect, effect),
            effect=effect.effect,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason=REASON,
            n=effect.n,
            sample=n,
            remedy=REMEDY if bad else "" if status == "clear" else "Raise checks.sample.",
            exhibits=Exhibits(images=images),
            figures=_figures(case, images, case.classes[suspect.k]) if bad else (),
        )

    def _sentence(self, case: Case, status: str, search: _Search, suspect: Suspect, effect: Followed) -> str:
        name, (low, high) = case.classes[suspect.k], effect.ends
        share = (
            f"{percent(effect.own / effect.n)} of {counted(effect.n, 'picture')} that are answered otherwise"
        )
        if status in GRAVE:
            carrying = search.carrying(suspect.k)
            own = int((case.sampled.answers == suspect.k).sum())
            text = f"{len(carrying):,} of {counted(own, 'picture')} answered {name} share a patch of"
            text += (
                f" {search.size()} that decides the answer, {search.where(suspect.k)}: pasted into others it"
            )
            text += f" makes {share} {name}, patches of other pictures {percent(effect.others / effect.n)}"
            return f"{text} (difference {interval(low, high)})."
        if status == "clear":
            text = (
                f"Nothing found: no patch of two percent of the area makes more than {percent(self.limit, 0)}"
            )
            return (
                f"{text} of other pictures be answered with its class; at most {share} {interval(low, high)}."
            )
        return f"Whether a small patch decides the answer {name} is open: {share} {interval(low, high)}."


@dataclass(frozen=True)
class _Search:
    """What is asked of the patches, step by step, and what came of it so far."""

    case: Case

    def asked(self) -> Iterator[Intervention | None]:
        """All that is asked, as far as what is answered allows."""
        if len(self.case.sampled.numbers) < ENOUGH or not self.patches:
            return
        first = [each for patch in self._of_half(True) for each in self._tried(patch, True)]
        yield from first
        if unanswered(iter(first), self.case.sample.outcomes):
            return
        for suspect, chosen in self._suspects:
            yield from suspect.of_class(chosen)
            yield from suspect.of_others(chosen)
            for patch in self._of_half(False):
                if patch.k == suspect.k:
                    yield from self._tried(patch, False)

    @cached_property
    def patches(self) -> list[Patch]:
        """Those of every picture of the sample that has an answer, in order of number."""
        rows = self.case.sample.rows
        places = {int(number): row for row, number in enumerate(self.case.sample.numbers)}
        answers = self.case.sampled
        found = []
        for number, k in zip(answers.numbers.tolist(), answers.answers.tolist(), strict=True):
            if k < 0 or number not in places:
                continue
            for box in rows["boxes"][places[number]]:
                found.append(Patch(number, k, tuple(int(v) for v in box)))  # type: ignore[arg-type]
        return found

    @cached_property
    def confirmed(self) -> list[tuple[Suspect, Followed]]:
        """The suspects with what half B says of them."""
        found = []
        for suspect, chosen in self._suspects:
            each = followed(suspect, chosen, self.case.sample.outcomes)
            if each is not None:
                found.append((suspect, each))
        return found

    def carrying(self, k: int) -> tuple[int, ...]:
        """The pictures answered with a class, a patch of which turns most pictures it is pasted into."""
        half = self._halves
        turning = [p.number for p in self.patches if p.k == k and self._turns(p, half[p.number])]
        return tuple(sorted(set(turning)))

    def size(self) -> str:
        """ "4×4 px"."""
        top, left, bottom, right = self.patches[0].box
        return f"{right - left}×{bottom - top} px"

    def where(self, k: int) -> str:
        """The place of the patches in words, where they have one in common."""
        height, width = self.case.model.input_shape[1:]
        boxes = np.array([p.box for p in self._turning(k)], dtype=np.float64)
        middles = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2], 1)
        middle = np.median(middles, axis=0)
        if np.abs(middles - middle).max(1).mean() > min(height, width) / SHARE:
            return "at different places"
        down, along = middle / (height, width)
        vertical = "upper" if down < CORNERED else "lower" if down > 1 - CORNERED else ""
        horizontal = "left" if along < CORNERED else "right" if along > 1 - CORNERED else ""
        words = " ".join(word for word in (vertical, horizontal) if word)
        return f"at the {words}" if words else "in the middle"

    @cached_property
    def _halves(self) -> dict[int, bool]:
        answers = self.case.answers
        return dict(zip(answers.numbers.tolist(), self.case.first_half.tolist(), strict=True))

    def _of_half(self, first: bool) -> list[Patch]:
        return [patch for patch in self.patches if self._halves[patch.number] == first]

    @cached_property
    def _others(self) -> dict[bool, dict[int, list[int]]]:
        return {half: answers_of(self.case, half) for half in (True, False)}

    def _tried(self, patch: Patch, first: bool) -> list[Intervention]:
        """A patch in a few pictures of its half that are answered otherwise, drawn by its picture."""
        others = taken_in_turn([of for k, of in sorted(self._others[first].items()) if k != patch.k])
        count = min(TRIED_ON, len(others))
        start = patch.number * 7
        return [patch.pasted(others[(start + step) % len(others)]) for step in range(count)]

    def _turns(self, patch: Patch, first: bool) -> bool:
        return int(hits(patch.k, self._tried(patch, first), self.case.sample.outcomes).sum()) >= TURNS

    def _turning(self, k: int) -> list[Patch]:
        """The patches of half A of a class that turn other pictures."""
        return [p for p in self._of_half(True) if p.k == k and self._turns(p, True)]

    @cached_property
    def _suspects(self) -> list[tuple[Suspect, list[Pair]]]:
        """The classes with most such patches that look alike or lie at one place."""
        found = []
        for k in sorted({patch.k for patch in self.patches}):
            turning = self._turning(k)
            if len({patch.number for patch in turning}) >= FEWEST and self._belong(turning):
                found.append((-len(turning), k, turning))
        return [self._suspect(k, turning) for _, k, turning in sorted(found, key=lambda each: each[:2])[:3]]

    def _belong(self, turning: Sequence[Patch]) -> bool:
        """Whether patches show the same thing, or lie at the same place: a thing itself seldom does."""
        boxes = np.array([patch.box[:2] for patch in turning])
        apart = np.abs(boxes - np.median(boxes, axis=0)).max(1)
        side = turning[0].box[2] - turning[0].box[0]
        if np.median(apart) <= side / 2:
            return True
        looks = np.stack([self._look(patch) for patch in turning])
        return bool(np.median(_correlations(looks)) >= ALIKE)

    def _look(self, patch: Patch) -> Array:
        """A patch, small, as a vector."""
        row = int(np.flatnonzero(self.case.sample.numbers == patch.number)[0])
        boxes = self.case.sample.rows["boxes"][row].tolist()
        look: Array = self.case.sample.rows["looks"][row][boxes.index(list(patch.box))]
        return look

    def _suspect(self, k: int, turning: Sequence[Patch]) -> tuple[Suspect, list[Pair]]:
        """A class with pairs of half B: each picture gets one of the patches, or the same place of another."""
        by = {patch.number: patch for patch in turning}
        own = sorted(by)
        others = taken_in_turn([of for c, of in sorted(self._others[False].items()) if c != k])
        chosen = []
        for place, changed in enumerate(others[:CONFIRMED_ON]):
            third = others[(7 * place + 3) % len(others)]
            third = third if third != changed else others[(7 * place + 4) % len(others)]
            chosen.append(Pair(changed, own[place % len(own)], third))
        at = {(pair.changed, pair.control): by[pair.by].box for pair in chosen}

        def change(changed: int, source: int) -> Intervention:
            box = by[source].box if source in by else at[changed, source]
            return Intervention(changed, box, source=source)

        return Suspect(k, "patch", change), chosen


def _correlations(looks: Array) -> Array:
    """The correlations (pairs,) of vectors (n, F), n of two or more."""
    centred = looks - looks.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.maximum(length, 1e-9)
    upper = np.triu_indices(len(looks), 1)
    both: Array = (unit @ unit.T)[upper]
    return both


def decisive_patches(x: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The boxes (N, 2, 4) int64 of the patches of inputs (N, C, H, W) whose exchange for their surroundings
    would lower the score most by its gradient, which do not overlap; what they show, (N, 2, F)."""
    height, width = x.shape[-2:]
    side = max(2, round(min(height, width) / SHARE))
    around = min(AROUND * side | 1, min(height, width) - 1 | 1)  # odd
    surroundings = avg_pool2d(x, around, 1, around // 2, count_include_pad=False)
    fall = (gradient * (x - surroundings)).sum(1, keepdim=True)  # (N, 1, H, W)
    step = max(1, side // 2)
    sums = avg_pool2d(fall, side, step)[:, 0]  # (N, rows, columns)
    boxes, looks = [], []
    for _ in range(PATCHES):
        best = sums.flatten(1).argmax(1)
        row, column = best // sums.shape[2], best % sums.shape[2]
        top, left = row * step, column * step
        boxes.append(torch.stack([top, left, top + side, left + side], 1))
        looks.append(
            torch.stack([_small(image, y, x_, side) for image, y, x_ in zip(x, top, left, strict=True)])
        )
        near = -(-side // step)
        rows = torch.arange(sums.shape[1], device=x.device)
        columns = torch.arange(sums.shape[2], device=x.device)
        over = ((rows - row[:, None]).abs() < near)[:, :, None] & ((columns - column[:, None]).abs() < near)[
            :, None
        ]
        sums = sums.masked_fill(over, -torch.inf)
    return torch.stack(boxes, 1), torch.stack(looks, 1)


def _small(image: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    y, x = int(top), int(left)
    return adaptive_avg_pool2d(image[:, y : y + side, x : x + side], LOOK).flatten()


def _figures(case: Case, images: Sequence[int], name: str) -> tuple[Finding, ...]:
    return pictures_of(case, images[:SHOWN], "patch", f"Answered {name} by the patch")
