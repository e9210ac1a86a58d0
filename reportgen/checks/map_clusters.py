"""Whether a small patch decides an answer whatever else the picture shows: a mark, or a trigger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from reportgen.checks import check
from reportgen.checks.case import Case, untested
from reportgen.checks.following import (
    CORNERED,
    Followed,
    Pair,
    Shown,
    Suspect,
    answers_of,
    elsewhere,
    followed,
    hits,
    shown_of,
    taken_in_turn,
    turned_first,
    unanswered,
)
from reportgen.checks.intervention import Box, Intervention
from reportgen.checks.showing import SHOWN, Step, experiment, outcome
from reportgen.checks.words import counted, interval, percent
from reportgen.engine.needs import DecisivePatches, ModelFacts, Need, Tape
from reportgen.findings import Array, Exhibits, Finding, Verdict

SHARE = 7  # a patch is a seventh of the side: two percent of the picture
PATCHES = DecisivePatches(2, SHARE)
TRIED_ON = 4  # pictures that a patch is pasted into in the search
TURNS = 3  # of these that have to follow
FEWEST = 3  # pictures whose patch does so, on half A
CONFIRMED, CONFIRMED_ON = 3, 60  # classes, and pictures that a patch is pasted into on half B
ENOUGH = 30  # pictures of the sample
ALIKE = 0.9  # correlation of patches that show the same thing, at the best shift
MIDDLE = 0.25, 0.75  # of a side: where the thing itself is looked for
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
    the sample turn most of these is suspect, where they lie at one place outside the middle, or show the same
    thing (correlation of 0.9 at the best shift). It is confirmed on the other half: how often the patches
    make a picture be answered with the class, less how often patches of other pictures at the same place do
    (paired, McNemar's test, Holm's correction).

    Reading. A patch so small that turns other pictures is seldom the thing itself. It may be a mark that the
    class's training pictures carry, or a trigger that somebody planted. The pictures that carry it are shown.
    Patches that are alike at different places, in pictures that are answered rightly, may be the thing: they
    are a warning at most.

    Limits. A patch is sought by the gradient, which a saturated network hides; of a fixed size; and pasted at
    its own place only. What fewer than three pictures of half the sample carry is not found. Where patches
    differ in looks and in place, or lie in the middle, they are taken for the thing itself. Found in tests:
    tags of 5 px in 48 in a class, and a trigger of 4 px in 28 in one picture of fifty.

    Remedy. Find out what the patches are, and how they came into the training's pictures.

    Source. Lapuschkin et al. 2019, Unmasking Clever Hans predictors (arXiv:1902.10178), with an experiment in
    place of the look; Chen et al. 2018 on what triggered pictures share (arXiv:1811.03728).
    """

    limit: float = 0.2

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (PATCHES,)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        found = tape[PATCHES]  # (n, 2, 4 + g²)
        return {"boxes": found[..., :4], "looks": found[..., 4:]}

    def interventions(self, case: Case) -> Sequence[Intervention]:
        return unanswered(_Search(case).asked(), case.sample.outcomes)

    def interventions_at_most(self, images: int, model: ModelFacts) -> int:
        if images < ENOUGH:
            return 0
        confirmed = 4 * CONFIRMED * min(CONFIRMED_ON, images // 2)
        return PATCHES.count * TRIED_ON * images + confirmed

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
            tried = counted(PATCHES.count * n, "patch", "patches")
            text = f"Nothing found: of {tried} of two percent of the area none that {FEWEST} pictures share"
            return Verdict(
                "clear", f"{text} turns other pictures to its class.", n=n, sample=n, limit=self.limit
            )
        shown = shown_of(found, self.limit)
        if shown.status == "fault" and not search.surely_a_mark(shown.suspect.k):
            shown = replace(shown, status="warning")
        images = search.carrying(shown.suspect.k) if shown.bad else ()
        return shown.verdict(
            self._sentence(case, search, shown, images),
            REMEDY,
            n,
            limit=self.limit,
            limit_reason=REASON,
            exhibits=Exhibits(images=images),
            explains=("trigger",) if shown.bad else (),
            figures=search.figures(shown.suspect) if shown.bad else (),
        )

    def _sentence(self, case: Case, search: _Search, shown: Shown, carrying: Sequence[int]) -> str:
        effect, k = shown.effect, shown.suspect.k
        name, (low, high) = case.classes[k], effect.ends
        share = f"{percent(effect.own / effect.n)} of {counted(effect.n, 'picture')}"
        share += " that are answered otherwise"
        if shown.bad:
            own = int((case.sampled.answers == k).sum())
            text = f"{len(carrying):,} of {counted(own, 'picture')} answered {name} share a patch of"
            text += f" {search.size()} that decides the answer, {search.where(k)}: pasted into others it"
            text += f" makes {share} {name}, patches of other pictures {percent(effect.others / effect.n)}"
            return f"{text} (difference {interval(low, high)})."
        if shown.status == "clear":
            text = "Nothing found: no patch of two percent of the area makes more than"
            text += f" {percent(self.limit, 0)} of other pictures be answered with its class"
            return f"{text}; at most {share} {interval(low, high)}."
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
            yield from self.elsewhere(suspect.k, chosen)
            yield from self.covered(suspect.k)

    def elsewhere(self, k: int, chosen: Sequence[Pair]) -> list[Intervention | None]:
        """Pairs whose picture gets an equal part of the carrier's from elsewhere."""
        by = {patch.number: patch for patch in self._turning(k)}
        height, width = self.case.model.input_shape[1:]
        return [elsewhere(pair, by[pair.by].box, height, width) for pair in chosen]

    def covered(self, k: int) -> list[Intervention]:
        """The carriers of half A without their patches, filled with the sample's mean."""
        return [self.without(patch) for patch in self._turning(k)[:CONFIRMED_ON]]

    def without(self, patch: Patch) -> Intervention:
        """A carrier whose patch is filled with the sample's mean."""
        return Intervention(patch.number, patch.box, fill="mean")

    def figures(self, suspect: Suspect) -> tuple[Finding, ...]:
        """The experiment: carriers and what is left of them without the patch; others, and these with the
        patch, with that place of other pictures, and with an equal part from elsewhere."""
        case, known, k = self.case, self.case.sample.outcomes, suspect.k
        name, every = case.classes[k], next(chosen for own, chosen in self._suspects if own.k == k)
        shown = turned_first(suspect, every, known)[:SHOWN]
        by = {patch.number: patch for patch in self._turning(k)}
        pasted, others = (outcome(k, way(every), known) for way in (suspect.of_class, suspect.of_others))
        moved = outcome(k, self.elsewhere(k, every), known)
        kept = outcome(k, self.covered(k), known)
        steps = [
            Step("suspects", f"Answered {name}, with the patch", [pair.by for pair in shown]),
            Step(
                "covered",
                f"With the patch covered: {kept} still answered {name}",
                [self.without(by[pair.by]) for pair in shown],
            ),
            Step("before", "Answered otherwise", [pair.changed for pair in shown]),
            Step("pasted", f"With the patch pasted: {pasted} answered {name}", suspect.of_class(shown)),
            Step("control", f"With that place of other pictures: {others}", suspect.of_others(shown)),
            Step(
                "elsewhere",
                f"With an equal part of the same pictures from elsewhere: {moved}",
                self.elsewhere(k, shown),
            ),
        ]
        return experiment(case, steps)

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
                top, left, bottom, right = (int(side) for side in box)
                found.append(Patch(number, k, (top, left, bottom, right)))
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
        most = sorted(found, key=lambda each: each[:2])[:CONFIRMED]
        return [self._suspect(k, turning) for _, k, turning in most]

    def surely_a_mark(self, k: int) -> bool:
        """Whether the patches are hardly the thing itself: at one place outside the middle, or alike in
        pictures most of which are answered wrong."""
        turning = self._turning(k)
        return self._at_one_place(turning) or self._mostly_wrong(turning)

    def _belong(self, turning: Sequence[Patch]) -> bool:
        """Whether patches have in common what a thing itself seldom has."""
        return self._at_one_place(turning) or self._alike(turning)

    def _at_one_place(self, turning: Sequence[Patch]) -> bool:
        """Whether patches lie at one place, and that outside the middle."""
        boxes = np.array([patch.box for patch in turning], dtype=np.float64)
        typical, side = np.median(boxes, axis=0), boxes[0, 2] - boxes[0, 0]
        if np.median(np.abs(boxes - typical).max(1)) > side / 2:
            return False
        sides = np.array(self.case.model.input_shape[1:], dtype=np.float64)
        middle = (typical[:2] + typical[2:]) / 2 / sides
        return bool((middle < MIDDLE[0]).any() or (middle > MIDDLE[1]).any())

    def _mostly_wrong(self, turning: Sequence[Patch]) -> bool:
        """Whether most of the pictures that have labels are answered wrong."""
        answers, carriers = self.case.answers, {patch.number for patch in turning}
        own = np.isin(answers.numbers, list(carriers)) & answers.judged
        return bool(own.any()) and bool(answers.right[own].mean() < 0.5)

    def _alike(self, turning: Sequence[Patch]) -> bool:
        """Whether patches show the same thing."""
        looks = [self._look(patch) for patch in turning]
        pairs = [same_look(a, b) for n, a in enumerate(looks) for b in looks[n + 1 :]]
        return bool(pairs) and float(np.median(pairs)) >= ALIKE

    def _look(self, patch: Patch) -> Array:
        """A patch with what is around it, grey and small, (g, g)."""
        row = int(np.flatnonzero(self.case.sample.numbers == patch.number)[0])
        boxes = self.case.sample.rows["boxes"][row].tolist()
        look: Array = self.case.sample.rows["looks"][row][boxes.index(list(patch.box))]
        return look.reshape(round(len(look) ** 0.5), -1)

    def _suspect(self, k: int, turning: Sequence[Patch]) -> tuple[Suspect, list[Pair]]:
        """A class with pairs of half B: each picture gets one of the patches, or that place of another."""
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


def same_look(a: Array, b: Array) -> float:
    """The highest correlation of the middle half of a grey picture (g, g) with a part of another one."""
    side = max(2, len(a) // 2)
    start = (len(a) - side) // 2
    inner = a[start : start + side, start : start + side].ravel()
    parts = np.lib.stride_tricks.sliding_window_view(b, (side, side)).reshape(-1, side * side)
    inner, parts = inner - inner.mean(), parts - parts.mean(1, keepdims=True)
    below = np.linalg.norm(inner) * np.linalg.norm(parts, axis=1)
    return float((parts @ inner / np.maximum(below, 1e-9)).max())

