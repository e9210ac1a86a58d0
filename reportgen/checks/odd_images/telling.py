"""The words and the table of odd pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.checks.case import Answers, Case
from reportgen.checks.odd_images.kinds import Kind
from reportgen.checks.words import counted, interval, listed, percent
from reportgen.findings import Array, Table
from reportgen.stats import wilson

FEW_UNLIKE = 0.01  # share of a set that is far from the rest without being of another kind
NAMED = 3


@dataclass(frozen=True)
class Judged:
    """A minority and how it is answered: the gap to the others with its interval, in shares, and how likely
    so large a one is by chance; NaN and 1 where there is nothing to judge by."""

    kind: Kind
    gap: float
    low: float
    high: float
    p: float


def many(far: Array) -> bool:
    """Whether more pictures are unlike the rest than a clean set has."""
    return bool(len(far) and wilson(int(far.sum()), len(far))[0] > FEW_UNLIKE)


def sentence(
    case: Case, judged: Sequence[Judged], worse: Sequence[Judged], empty: Sequence[Kind], far: Array
) -> str:
    """What was found, the worst first; else which minorities there are, and that they are answered well."""
    answers, n = case.answers, len(case.answers.numbers)
    told = [_answered(answers, one.kind) for one in worse[:NAMED]]
    told += [_answered(answers, kind) for kind in empty if not any(one.kind is kind for one in worse)]
    if many(far):
        told.append(_far_ones(int(far.sum()), len(far), n))
    if told:
        return " ".join(told)
    others = [f"{int(one.kind.among.sum()):,} {one.kind.words}" for one in judged]
    what = "colour, size, shape, light, sharpness or compression"
    what += ", nor by its features" if len(far) else ""
    if not others:
        return f"Of {counted(n, 'picture')} none is blank, and no minority differs in {what}."
    how = "answered worse" if answers.judged.any() else "answered less surely"
    return f"Of {n:,} pictures some differ, but none of these is shown to be {how}: {listed(others, NAMED)}."


def _answered(answers: Answers, kind: Kind) -> str:
    """A minority and how it is answered, beside the others."""
    n, count = len(answers.numbers), int(kind.among.sum())
    text = f"{count:,} of {n:,} pictures {'is' if count == 1 else 'are'} {kind.words}"
    own, others = answers.judged & kind.among, answers.judged & ~kind.among
    if own.any() and others.any():
        right, of = int((answers.right & own).sum()), int(own.sum())
        rest = float((answers.right & others).sum() / others.sum())
        ends = interval(*wilson(right, of))
        these = f"of these {percent(right / of)} {ends} are answered right"
        return f"{text}; {these}, of the others {percent(rest)}."
    known = np.isfinite(answers.confidence)
    if (known & kind.among).any() and (known & ~kind.among).any():
        mean, rest = (float(answers.confidence[known & which].mean()) for which in (kind.among, ~kind.among))
        return f"{text}; the mean confidence in them is {mean:.2f}, in the others {rest:.2f}."
    return f"{text}."


def _far_ones(count: int, looked_at: int, n: int) -> str:
    """How many pictures are unlike the rest, in all where a sample was looked at."""
    if looked_at == n:
        return f"{count:,} of {n:,} pictures are unlike the rest by what the network sees in them."
    low, high = wilson(count, looked_at)
    about = f"about {round(count / looked_at * n):,} of {n:,} {interval(low, high)}"
    return f"{count:,} of {looked_at:,} pictures are unlike the rest by what the network sees, {about}."


def table(case: Case, judged: Sequence[Judged]) -> Table:
    """Every minority, with how it is answered."""
    rows = []
    for one in judged:
        own = case.answers.judged & one.kind.among
        right, of = int((case.answers.right & own).sum()), int(own.sum())
        gap = f"{100 * one.gap:.1f}" if np.isfinite(one.gap) else "–"
        ends = f"{100 * one.low:.1f} to {100 * one.high:.1f}" if np.isfinite(one.low) else "–"
        rows.append((one.kind.name, int(one.kind.among.sum()), f"{right} of {of}" if of else "–", gap, ends))
    heads = ("differs in", "pictures", "right", "points below the others", "95 % interval")
    return Table("minorities", "Minorities of the set", heads, tuple(rows))
