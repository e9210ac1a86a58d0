"""A part of the images against the rest: how many fewer are right, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact

from reportgen.checks.case import Case
from reportgen.checks.words import interval, percent
from reportgen.findings import Array, Status
from reportgen.stats import holm, newcombe, wilson

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Part:
    """`right` of `count` images of a part, and of the others: counts, of which both kinds have one or more.

    `p` is Fisher's, one-sided, that the part is no worse than the rest.
    """

    name: str
    right: int
    count: int
    others_right: int
    others: int

    @property
    def gap(self) -> float:
        """How much worse the part is, as a difference of shares."""
        return self.others_right / self.others - self.right / self.count

    @property
    def ends(self) -> tuple[float, float]:
        """Its 95 % interval (Newcombe)."""
        return newcombe(self.others_right, self.others, self.right, self.count)

    @property
    def p(self) -> float:
        """Fisher's exact test."""
        table = [
            [self.right, self.count - self.right],
            [self.others_right, self.others - self.others_right],
        ]
        return float(fisher_exact(table, alternative="less")[1])

    def words(self) -> str:
        """ "61 % [44 to 76 %] are answered right, of the others 97.5 %"."""
        own = f"{percent(self.right / self.count)} {interval(*wilson(self.right, self.count))}"
        return f"{own} are answered right, of the others {percent(self.others_right / self.others)}"


def part_of(name: str, right: Array, member: Array) -> Part | None:
    """The images of a mask (N,) against the others; None where one of the two has none."""
    count, all_right = int(member.sum()), int(right.sum())
    if not 0 < count < len(right):
        return None
    own = int(right[member].sum())
    return Part(name, own, count, all_right - own, len(right) - count)


@dataclass(frozen=True)
class Worst:
    """Several parts judged together: those that are `worse` by more than chance (Holm) and by more than the
    limit, the worst first, and the one with the largest gap of all."""

    status: Status
    worse: tuple[Part, ...]
    largest: Part


def judged_parts(parts: Sequence[Part], limit: float) -> Worst:
    """The verdict on one or more parts: `fault` where one is worse by surely more than the limit, `warning`
    where it is worse, by perhaps less, `clear` where that is excluded for each, else `undecided`."""
    adjusted = holm([part.p for part in parts])
    order = np.argsort([-part.gap for part in parts], kind="stable")
    worse = tuple(parts[k] for k in order if adjusted[k] < SIGNIFICANT and parts[k].gap > limit)
    status: Status = "clear" if all(part.ends[1] <= limit for part in parts) else "undecided"
    if worse:
        status = "fault" if any(part.ends[0] > limit for part in worse) else "warning"
        worse = tuple(sorted(worse, key=lambda part: (part.ends[0] <= limit, -part.gap)))
    return Worst(status, worse, worse[0] if worse else parts[order[0]])


def halves(case: Case, usable: Array) -> tuple[Array, Array]:
    """The usable images (N,) of half A, on which a check searches, and of half B, on which it confirms."""
    return usable & case.first_half, usable & ~case.first_half
