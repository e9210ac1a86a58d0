"""What is asked of pictures that say where their thing is: things before other backgrounds, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from reportgen.checks.case import Case
from reportgen.checks.following import (
    FEWEST,
    MOST_CLASSES,
    Followed,
    Pair,
    Shown,
    Suspect,
    followed,
    judged_suspects,
    pairs_of,
    share_of,
    taken_in_turn,
    unanswered,
)
from reportgen.checks.intervention import Fill, Intervention, Outcome
from reportgen.findings import Array

SEARCHED, CONFIRMED_ON = 24, 90  # pictures of a class on half A, and on half B, of all together too
CONFIRMED = 2  # classes of each kind, the worst of half A
FILLS: tuple[Fill, ...] = ("mean", "blur")
ALL = -1  # stands for all classes together
# what a background may do to a class: draw other things into it, or be missed by its own things
Kind: TypeAlias = Literal["draws", "missed", "gap"]
KINDS: tuple[Kind, ...] = ("draws", "missed", "gap")  # the first that holds is told: others follow from it


@dataclass(frozen=True)
class Exchanged:
    """A picture with the background of another one of its own class, and of one of another class."""

    number: int
    same: Intervention
    other: Intervention


@dataclass(frozen=True)
class Search:
    """What is asked of the pictures that say where their thing is, and what came of it so far."""

    case: Case
    limit: float

    @property
    def known(self) -> Mapping[int, Outcome]:
        return self.case.sample.outcomes

    @cached_property
    def labelled(self) -> bool:
        """Whether the classes are those of labels, and not those that were answered."""
        return bool(self.case.sampled.judged.any())

    @cached_property
    def of_class(self) -> dict[int, int]:
        """The class of every picture of the sample that has a thing, by number."""
        answers = self.case.sampled
        classes = answers.labels if self.labelled else answers.answers
        return {
            int(number): int(k)
            for number, k in zip(answers.numbers, classes, strict=True)
            if k >= 0 and int(number) in self.case.things
        }

    @cached_property
    def halves(self) -> dict[bool, dict[int, list[int]]]:
        """By half and class, the pictures with a thing, in an order that is drawn by their content."""
        answers = self.case.answers
        drawn = sorted(zip(answers.hashes, answers.numbers.tolist(), self.case.first_half, strict=True))
        found: dict[bool, dict[int, list[int]]] = {True: {}, False: {}}
        for _, number, first in drawn:
            if number in self.of_class:
                found[bool(first)].setdefault(self.of_class[number], []).append(number)
        return found

    @cached_property
    def classes(self) -> list[int]:
        """The classes with enough such pictures in both halves, those with most of them first."""
        first, second = self.halves[True], self.halves[False]
        counts = {k: min(len(first.get(k, ())), len(second.get(k, ()))) for k in first}
        kept = sorted((k for k, n in counts.items() if n >= FEWEST), key=lambda k: (-counts[k], k))
        return kept[:MOST_CLASSES] if len(kept) > 1 else []

    def exchanged(self, k: int, first: bool, most: int) -> list[Exchanged]:
        """At most so many pictures of a class of one half, or of all in turn, before two backgrounds."""
        own = self.halves[first]
        chosen = own[k] if k != ALL else taken_in_turn([own[c] for c in sorted(self.classes)])
        return [self._exchanged(number, own) for number in chosen[:most]]

    def _exchanged(self, number: int, own: Mapping[int, Sequence[int]]) -> Exchanged:
        k = self.of_class[number]
        alike = [other for other in own[k] if other != number]
        others = taken_in_turn([own[c] for c in sorted(own) if c != k])
        place = own[k].index(number)
        same, other = alike[(5 * place + 1) % len(alike)], others[(7 * place + 3) % len(others)]
        return Exchanged(number, _before(number, same), _before(number, other))

    def drawing(self, k: int, first: bool) -> tuple[Suspect, list[Pair]]:
        """A class whose backgrounds may draw other things in, and the pairs of one half."""
        return Suspect(k, "draws", _before), pairs_of(
            self.halves[first], k, SEARCHED if first else CONFIRMED_ON
        )

    def asked(self) -> Iterator[Intervention | None]:
        """All that is asked, as far as what is answered allows."""
        searched = list(self._searched())
        yield from searched
        if not self.classes or unanswered(iter(searched), self.known):
            return
        confirming = list(self._confirming())
        yield from confirming
        if unanswered(iter(confirming), self.known) or not self.confirmed:
            return
        if self.shown.bad:
            for outside in (False, True):
                for fill in FILLS:
                    yield from self.alone(self.shown.suspect.k, fill, outside)

    def _searched(self) -> Iterator[Intervention | None]:
        for k in self.classes:
            suspect, chosen = self.drawing(k, True)
            yield from suspect.of_class(chosen)
            yield from _both(self.exchanged(k, True, SEARCHED))

    def _confirming(self) -> Iterator[Intervention | None]:
        for kind, k in self.suspects:
            if kind == "draws":
                suspect, chosen = self.drawing(k, False)
                yield from suspect.of_class(chosen)
                yield from suspect.of_others(chosen)
            else:
                yield from _both(self.exchanged(k, False, CONFIRMED_ON))

    @cached_property
    def suspects(self) -> list[tuple[Kind, int]]:
        """The worst classes of half A, kind by kind, and all together."""
        drawn, missed = [], []
        for k in self.classes:
            suspect, chosen = self.drawing(k, True)
            own, n = share_of(k, suspect.of_class(chosen), self.known)
            if n:
                drawn.append((-own / n, k))
            gap = self.gap(self.exchanged(k, True, SEARCHED))
            if gap is not None:
                missed.append((-gap.effect, k))
        found: list[tuple[Kind, int]] = [("draws", k) for _, k in sorted(drawn)[:CONFIRMED]]
        found += [("missed", k) for _, k in sorted(missed)[:CONFIRMED]]
        return [*found, ("gap", ALL)]

    @cached_property
    def confirmed(self) -> list[tuple[Suspect, Followed]]:
        """The suspects with what half B says of them."""
        found = []
        for kind, k in self.suspects if self.classes else ():
            if kind == "draws":
                suspect, chosen = self.drawing(k, False)
                effect = followed(suspect, chosen, self.known)
            else:
                suspect = Suspect(k, kind, _before)
                effect = self.gap(self.exchanged(k, False, CONFIRMED_ON))
            if effect is not None and effect.n >= FEWEST:
                found.append((suspect, effect))
        return found

    @cached_property
    def shown(self) -> Shown:
        """What is told of them: of those that hold the one that the others follow from."""
        status, worse = judged_suspects(self.confirmed, self.limit)
        if status == "fault":
            worse = [pair for pair in worse if pair[1].ends[0] > self.limit]
        if worse:
            suspect, effect = min(worse, key=lambda p: (KINDS.index(kind_of(p[0])), -p[1].effect))
        else:
            suspect, effect = max(self.confirmed, key=lambda pair: pair[1].effect)
        return Shown(status, suspect, effect)

    def gap(self, pictures: Sequence[Exchanged]) -> Followed | None:
        """How many are answered with their class before a background of it, and before another one."""
        table = self.table(pictures)
        if not len(table):
            return None
        same, other = table.T
        lost, gained = int((same & ~other).sum()), int((~same & other).sum())
        return Followed(len(table), int(same.sum()), int(other.sum()), lost, gained)

    def table(self, pictures: Sequence[Exchanged]) -> Array:
        """Of those that are answered before both: whether with their class, bool (n, 2)."""
        rows = []
        for each in pictures:
            answers = [self.known.get(way.key) for way in (each.same, each.other)]
            said = [answer.answer for answer in answers if answer is not None and answer.answer >= 0]
            if len(said) == 2:
                rows.append([answer == self.of_class[each.number] for answer in said])
        return np.array(rows, dtype=bool).reshape(-1, 2)

    def alone(self, k: int, fill: Fill, outside: bool) -> list[Intervention]:
        """The pictures of half B with the thing covered, or with all but the thing."""
        return [
            Intervention(each.number, outside=outside, fill=fill, thing=True)
            for each in self.exchanged(k, False, CONFIRMED_ON)
        ]

    def kept(self, k: int, outside: bool) -> tuple[int, int]:
        """Of so many pictures how many keep their class under both fills."""
        ways = [self.alone(k, fill, outside) for fill in FILLS]
        right = []
        for several in zip(*ways, strict=True):
            answers = [self.known[each.key].answer for each in several if each.key in self.known]
            if len(answers) == len(FILLS) and min(answers) >= 0:
                right.append(all(answer == self.of_class[several[0].number] for answer in answers))
        return sum(right), len(right)

    def failing(self, suspect: Suspect) -> tuple[int, ...]:
        """The pictures that the finding is about: those whose backgrounds draw others in, or those that are
        no longer answered with their class before another background."""
        k = suspect.k
        if kind_of(suspect) == "draws":
            of_half = [self.drawing(k, first) for first in (True, False)]
            ways = [(pair.by, way) for own, chosen in of_half for pair, way in self._ways(own, chosen)]
            return tuple(sorted({by for by, way in ways if self._answered(way) == k}))
        halves = [(True, SEARCHED)] if k != ALL else []
        found = []
        for first, most in (*halves, (False, CONFIRMED_ON)):
            for each in self.exchanged(k, first, most):
                table = self.table([each])
                if len(table) and table[0, 0] and not table[0, 1]:
                    found.append(each.number)
        return tuple(sorted(found))

    def _ways(self, suspect: Suspect, chosen: Sequence[Pair]) -> list[tuple[Pair, Intervention | None]]:
        return list(zip(chosen, suspect.of_class(chosen), strict=True))

    def _answered(self, way: Intervention | None) -> int | None:
        return self.known[way.key].answer if way is not None and way.key in self.known else None


def _before(number: int, by: int) -> Intervention:
    """The thing of one picture before the background of another one."""
    return Intervention(number, outside=True, source=by, thing=True)


def _both(pictures: Sequence[Exchanged]) -> list[Intervention]:
    return [way for each in pictures for way in (each.same, each.other)]


def kind_of(suspect: Suspect) -> Kind:
    return next(kind for kind in KINDS if kind == suspect.name)
