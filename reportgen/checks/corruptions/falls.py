"""How much the answers fall by each severity of each axis, and what of it is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.checks.answering import answers_of, probabilities
from reportgen.checks.calibration_error import estimated
from reportgen.checks.case import Answers, Case
from reportgen.checks.corruptions.axes import EVERYDAY, SEVERITIES, Axis
from reportgen.findings import Array
from reportgen.stats import holm, paired_beyond, paired_difference

SURE = 0.025  # of a one-sided p, as of one end of a 95 % interval
FEWEST_CALIBRATED = 50  # labelled images; of fewer no calibration error is told


@dataclass(frozen=True)
class Fall:
    """What one severity does to `n` images: of labelled ones, how many right answers are `lost` and how many
    wrong ones become right; without labels, how many answers change. `accuracy` and `before` are NaN without
    labels, and so is `calibration` of few images. `wrong` (N,) are those of the sample that are lost."""

    n: int
    lost: int
    gained: int
    changed: float
    before: float
    accuracy: float
    calibration: float
    wrong: Array

    @property
    def size(self) -> float:
        """By how much the share of right answers falls; without labels, the share of changed ones."""
        return (self.lost - self.gained) / self.n

    @property
    def ends(self) -> tuple[float, float]:
        """Its 95 % interval over the images."""
        return paired_difference(self.lost, self.gained, self.n)

    def p_beyond(self, limit: float) -> float:
        """Small where it surely is above the limit."""
        return paired_beyond(self.lost, self.gained, self.n, limit)


@dataclass(frozen=True)
class Course:
    """One axis: its falls by severity, as far as they were asked, and which of them are decided."""

    axis: Axis
    falls: Mapping[float, Fall]
    borne: frozenset[float]  # severities by which the answers surely fall by no more than the limit
    fallen: frozenset[float]  # and those by which they surely fall by more
    limit: float

    @property
    def holds_to(self) -> float:
        """The last severity that surely holds, where no milder one that was asked seems to fall; 0 where none
        does."""
        last = 0.0
        for severity in sorted(self.falls):
            if self.falls[severity].size > self.limit:
                break
            last = severity if severity in self.borne else last
        return last

    @property
    def falls_from(self) -> float | None:
        """The first severity by which they surely fall."""
        return min(self.fallen, default=None)

    @property
    def open_to(self) -> float:
        """The last severity that may hold: the one before that which surely falls."""
        first = self.falls_from
        return SEVERITIES[-1] if first is None else _before(first)

    @property
    def telling(self) -> Fall:
        """The fall that decides of everyday changes: by the mildest severity that surely holds, or else by
        the mildest that was asked."""
        holding = [severity for severity in self.borne if severity <= self.holds_to]
        return self.falls[min(holding or self.falls)]

    @property
    def everyday(self) -> bool | None:
        """Whether they hold under an everyday change; None where that is not decided."""
        return True if self.holds_to else False if EVERYDAY in self.fallen else None


def _before(severity: float) -> float:
    place = SEVERITIES.index(severity)
    return SEVERITIES[place - 1] if place else 0.0


def courses(case: Case, axes: Sequence[Axis], side_px: int, limit: float) -> list[Course]:
    """The axes that were asked. At each severity the claims are corrected for the number of axes (Holm)."""
    falls: dict[str, dict[float, Fall]] = {axis.kind: _falls(case, axis, side_px) for axis in axes}
    borne, fallen = _decided(falls, limit)
    return [
        Course(axis, falls[axis.kind], borne[axis.kind], fallen[axis.kind], limit)
        for axis in axes
        if falls[axis.kind]
    ]


def _decided(
    falls: Mapping[str, Mapping[float, Fall]], limit: float
) -> tuple[dict[str, frozenset[float]], dict[str, frozenset[float]]]:
    borne: dict[str, set[float]] = {kind: set() for kind in falls}
    fallen: dict[str, set[float]] = {kind: set() for kind in falls}
    for severity in SEVERITIES:
        asked = [kind for kind in falls if severity in falls[kind]]
        beyond = [falls[kind][severity].p_beyond(limit) for kind in asked]
        for kind, p, q in zip(asked, holm(beyond), holm([1 - p for p in beyond]), strict=True):
            if p < SURE:
                fallen[kind].add(severity)
            if q < SURE:
                borne[kind].add(severity)
    return _frozen(borne), _frozen(fallen)


def _frozen(several: Mapping[str, set[float]]) -> dict[str, frozenset[float]]:
    return {kind: frozenset(of) for kind, of in several.items()}


def _falls(case: Case, axis: Axis, side_px: int) -> dict[float, Fall]:
    answers, found = case.sampled, {}
    for severity in SEVERITIES:
        logits = case.sample.views.get(axis.view(severity, side_px).name)
        if logits is not None and (fall := fall_of(answers, logits)):
            found[severity] = fall
    return found


def fall_of(answers: Answers, logits: Array) -> Fall | None:
    """What other logits (N, C) do to the answers of the sample; None where they are known of no image."""
    p = probabilities(logits)
    other, labelled = answers_of(p), bool(answers.judged.any())
    where = (answers.judged if labelled else answers.answered) & np.isfinite(logits).all(1)
    n = int(where.sum())
    if not n:
        return None
    changed = where & (other != answers.answers)
    right = where & (other == answers.labels) if labelled else where & ~changed
    before = where & answers.right if labelled else where
    lost = before & ~right
    few = not labelled or n < FEWEST_CALIBRATED
    return Fall(
        n=n,
        lost=int(lost.sum()),
        gained=int((right & ~before).sum()),
        changed=float(changed.sum() / n),
        before=float(before.sum() / n) if labelled else np.nan,
        accuracy=float(right.sum() / n) if labelled else np.nan,
        calibration=np.nan if few else estimated(p[where].max(1), right[where]),
        wrong=lost,
    )


def calibration_of(answers: Answers) -> float:
    """The calibration error of the pictures as they are; NaN of few labelled ones."""
    judged = answers.judged & np.isfinite(answers.confidence)
    few = judged.sum() < FEWEST_CALIBRATED
    return np.nan if few else estimated(answers.confidence[judged], answers.right[judged])
