"""The patches that answers rest on, which of them turn other pictures, and what is asked to know it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reportgen.checks.case import Case
from reportgen.checks.following import (
    CORNERED,
    Followed,
    Pair,
    Suspect,
    answers_of,
    elsewhere,
    followed,
    hits,
    taken_in_turn,
    turned_first,
    unanswered,
)
from reportgen.checks.intervention import Box, Intervention
from reportgen.checks.showing import SHOWN, Step, experiment, outcome
from reportgen.engine.needs import DecisivePatches
from reportgen.findings import Array, Finding

SHARE = 7  # a patch is a seventh of the side: two percent of the picture
PATCHES = DecisivePatches(2, SHARE)
TRIED_ON = 4  # pictures that a patch is pasted into in the search
TURNS = 3  # of these that have to follow
FEWEST = 3  # pictures whose patch does so, on half A
CONFIRMED, CONFIRMED_ON = 3, 60  # classes, and pictures that a patch is pasted into on half B
ENOUGH = 30  # pictures of the sample
ALIKE = 0.9  # correlation of patches that show the same thing, at the best shift
MIDDLE = 0.25, 0.75  # of a side: where the thing itself is looked for


@dataclass(frozen=True)
class Patch:
    """A patch of a picture that is answered with class k."""

    number: int
    k: int
    box: Box

    def pasted(self, into: int) -> Intervention:
        """Another picture with this patch at its place."""
        return Intervention(into, self.box, source=self.number)


@dataclass(frozen=True)
class Search:
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
