"""Do answers follow what was taken from another picture? Pairs of pictures of the sample, and how often the
one that is changed is answered as the one that it was changed by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np

from reportgen.checks.case import Case, untested
from reportgen.checks.intervention import Box, Intervention, Outcome
from reportgen.findings import GRAVE, Array, Status, Verdict
from reportgen.stats import holm, mcnemar, paired_difference

CORNERED = 0.4  # of the side: nearer to an end is there, else in the middle
FEWEST = 10  # pictures that are answered alike, in each half
MOST_CLASSES = 10  # those that are answered most often
SIGNIFICANT = 0.05
MORE = "Give more images, or raise checks.sample."
# (the picture that is changed, the one that it is changed by) -> what is done; None where nothing can be
Change: TypeAlias = Callable[[int, int], Intervention | None]


@dataclass(frozen=True)
class Pair:
    """A picture that is not answered with a class, one that is, and one that is answered with a third class
    (where there is none, `third` False: with that of the first), by their numbers."""

    changed: int
    by: int
    control: int
    third: bool = True


def classes_tried(case: Case) -> list[int]:
    """The classes that are answered to enough pictures of both halves of the sample, the most frequent
    first."""
    first, second = (answers_of(case, half) for half in (True, False))
    counts = {k: min(len(first.get(k, ())), len(second.get(k, ()))) for k in first}
    kept = sorted((k for k, n in counts.items() if n >= FEWEST), key=lambda k: (-counts[k], k))
    return kept[:MOST_CLASSES]


def answers_of(case: Case, first: bool) -> dict[int, list[int]]:
    """The pictures of one half of the sample by what they are answered, in an order that is drawn by their
    content."""
    answers = case.sampled
    half = case.first_half[np.isin(case.answers.numbers, case.sample.numbers)] == first
    rows = sorted(np.flatnonzero(half & answers.answered), key=lambda row: _order(answers.hashes[row], case))
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(int(answers.answers[row]), []).append(int(answers.numbers[row]))
    return found


def _order(content: str, case: Case) -> bytes:
    return hashlib.sha256(f"pair {case.seed} {content}".encode()).digest()


def pairs(case: Case, k: int, first: bool, most: int) -> list[Pair]:
    """At most so many pairs of one half for class k, each with another picture that is changed; those that
    they are changed by are taken in turn, and of the other classes so many of each."""
    return pairs_of(answers_of(case, first), k, most)


def pairs_of(by_class: Mapping[int, Sequence[int]], k: int, most: int) -> list[Pair]:
    """The same, of pictures that are given by class."""
    own = by_class.get(k, [])
    others = taken_in_turn([numbers for other, numbers in sorted(by_class.items()) if other != k])
    if not own or len(others) < 2:
        return []
    answered = {number: c for c, numbers in by_class.items() for number in numbers}
    found = []
    for place, changed in enumerate(others[:most]):
        others_kind = [n for n in others if n != changed and answered[n] != answered[changed]]
        held = others_kind or [n for n in others if n != changed]
        control = held[(7 * place + 3) % len(held)]
        found.append(Pair(changed, own[place % len(own)], control, bool(others_kind)))
    return found


def control_words(chosen: Sequence[Pair], several: bool = False) -> str:
    """Whose the controls of pairs are, of one or of all of them, in words that follow "that of": with two
    classes there is no third one."""
    if all(pair.third for pair in chosen):
        return "other classes" if several else "a third class"
    return "other pictures that are answered otherwise" if several else "another picture answered otherwise"


def taken_in_turn(lists: Sequence[Sequence[int]]) -> list[int]:
    """One of each list after the other, then the second ones, and so on."""
    longest = max((len(each) for each in lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]


@dataclass(frozen=True)
class Suspect:
    """A class, and what may make pictures be answered with it: by its name, and what is done to a picture.
    Where that is the same whatever picture it is changed by, something else is done `against` it."""

    k: int
    name: str
    change: Change
    against: Change | None = None

    def of_class(self, chosen: Sequence[Pair]) -> list[Intervention | None]:
        """The pictures of pairs, changed by one of the class."""
        return [self.change(pair.changed, pair.by) for pair in chosen]

    def of_others(self, chosen: Sequence[Pair]) -> list[Intervention | None]:
        """The same, changed in the same way by one of another class, or as it is held against."""
        change = self.against or self.change
        return [change(pair.changed, pair.control) for pair in chosen]


@dataclass(frozen=True)
class Followed:
    """How many of `n` changed pictures are answered with the class of what they were changed by, how many
    when they are changed by another class instead; `gained` the former only, `lost` the latter only."""

    n: int
    own: int
    others: int
    gained: int
    lost: int

    @property
    def effect(self) -> float:
        """The difference of the two shares."""
        return (self.gained - self.lost) / self.n

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Its 95 % interval over the pictures that are changed."""
        return paired_difference(self.gained, self.lost, self.n)

    @property
    def p(self) -> float:
        """McNemar's, that both are as frequent."""
        return mcnemar(self.gained, self.lost)


def share_of(k: int, asked: Sequence[Intervention | None], known: Mapping[int, Outcome]) -> tuple[int, int]:
    """How many are answered with a class, of how many that were answered."""
    answers = [known[each.key].answer for each in asked if each is not None and each.key in known]
    answers = [answer for answer in answers if answer >= 0]
    return sum(answer == k for answer in answers), len(answers)


def followed(suspect: Suspect, chosen: Sequence[Pair], known: Mapping[int, Outcome]) -> Followed | None:
    """What came of a suspect's pairs; None where none is answered both ways."""
    both = []
    for own, other in zip(suspect.of_class(chosen), suspect.of_others(chosen), strict=True):
        if own is None or other is None or own.key not in known or other.key not in known:
            continue
        answers = [known[each.key].answer for each in (own, other)]
        if min(answers) >= 0:
            both.append((answers[0] == suspect.k, answers[1] == suspect.k))
    if not both:
        return None
    table = np.array(both)
    mine, theirs = table.T
    return Followed(
        len(both),
        int(mine.sum()),
        int(theirs.sum()),
        int((mine & ~theirs).sum()),
        int((~mine & theirs).sum()),
    )


def judged_suspects(
    found: Sequence[tuple[Suspect, Followed]], limit: float
) -> tuple[Status, list[tuple[Suspect, Followed]]]:
    """The verdict on suspects that were confirmed on half B, and those of them that hold, the largest first:
    `fault` where the effect is surely beyond the limit (Holm's correction), `warning` where it is there, and
    perhaps smaller, `clear` where it is surely within for every one."""
    adjusted = holm([each.p for _, each in found])
    worse = [
        pair for pair, p in zip(found, adjusted, strict=True) if p < SIGNIFICANT and pair[1].effect > limit
    ]
    worse.sort(key=lambda pair: -pair[1].effect)
    if worse:
        return ("fault" if any(each.ends[0] > limit for _, each in worse) else "warning"), worse
    return ("clear" if all(each.ends[1] <= limit for _, each in found) else "undecided"), []


@dataclass(frozen=True)
class Shown:
    """What is told of the suspects that were confirmed on half B: the worst of those that hold, or the one
    that came nearest."""

    status: Status
    suspect: Suspect
    effect: Followed

    @property
    def bad(self) -> bool:
        """Whether it is a finding."""
        return self.status in GRAVE

    def verdict(self, sentence: str, remedy: str, sample: int, **more: Any) -> Verdict:
        """The verdict of a check; `more` are further fields of it, and `remedy` that of a finding."""
        low, high = self.effect.ends
        return Verdict(
            status=self.status,
            sentence=sentence,
            effect=self.effect.effect,
            low=low,
            high=high,
            unit="points",
            n=self.effect.n,
            sample=sample,
            remedy=remedy if self.bad else "" if self.status == "clear" else MORE,
            **more,
        )


def shown_of(found: Sequence[tuple[Suspect, Followed]], limit: float) -> Shown:
    """What is told of one or more suspects."""
    status, worse = judged_suspects(found, limit)
    suspect, effect = worse[0] if worse else max(found, key=lambda pair: pair[1].effect)
    return Shown(status, suspect, effect)


def turned_first(suspect: Suspect, chosen: Sequence[Pair], known: Mapping[int, Outcome]) -> list[Pair]:
    """The pairs, those first whose picture is answered with the class once it is changed."""
    hit = hits(suspect.k, suspect.of_class(chosen), known)
    return [chosen[n] for n in np.argsort(~hit, kind="stable")]


def elsewhere(pair: Pair, box: Box, height: int, width: int) -> Intervention | None:
    """The picture that is changed with as large a part of the other one, but from a place that is drawn by
    the two, and does not overlap with the box; None where there is no such place."""
    free = _free(box, height, width)
    if not free:
        return None
    drawn = hashlib.sha256(f"elsewhere {pair.changed} {pair.by}".encode()).digest()
    y, x = free[int.from_bytes(drawn[:8], "little") % len(free)]
    tall, wide = box[2] - box[0], box[3] - box[1]
    return Intervention(pair.changed, (y, x, y + tall, x + wide), source=pair.by)


@lru_cache(maxsize=64)  # a carrier's box is asked for again with every pair and round
def _free(box: Box, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """The corners of all boxes of that size in the picture that do not overlap with it."""
    top, left, bottom, right = box
    tall, wide = bottom - top, right - left
    return tuple(
        (y, x)
        for y in range(height - tall + 1)
        for x in range(width - wide + 1)
        if y >= bottom or y + tall <= top or x >= right or x + wide <= left
    )


def too_few() -> Verdict:
    """The verdict where no class is answered to enough pictures."""
    why = f"no class is answered to {FEWEST} images in each half of the sample"
    return untested(why, MORE, ["checks.sample"])


def unanswered(asked: Iterator[Intervention | None], known: Mapping[int, Outcome]) -> list[Intervention]:
    """What is not known yet of what is asked."""
    return [each for each in asked if each is not None and each.key not in known]


def hits(k: int, asked: Sequence[Intervention | None], known: Mapping[int, Outcome]) -> Array:
    """Which are answered with a class, bool (n,); what was not answered is not."""
    return np.array(
        [each is not None and each.key in known and known[each.key].answer == k for each in asked], dtype=bool
    )
