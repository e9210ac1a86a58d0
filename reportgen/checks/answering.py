"""What logits answer: probabilities of one class each, and a case as other logits would answer it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reportgen.checks.case import NO_ANSWER, NO_LABEL, Case, Sources
from reportgen.findings import Array, Finding


def probabilities(logits: Array) -> Array:
    """The softmax of logits (N, C) as float64, NaN in rows that are not finite: those answer nothing."""
    wide = logits.astype(np.float64)
    wide = np.where(np.isfinite(wide).all(1, keepdims=True), wide, np.nan)
    p = np.exp(wide - wide.max(1, keepdims=True))
    return np.asarray(p / p.sum(1, keepdims=True))


def answers_of(p: Array) -> Array:
    """The most probable class of each row of probabilities (N, C), -1 where they are not known: (N,)."""
    known = np.asarray(np.isfinite(p).all(1))
    return np.where(known, np.nan_to_num(p).argmax(1), NO_ANSWER)


def answered_instead(case: Case, logits: Array, where: Array | None = None) -> Case:
    """The sample as these logits (n, C) answer it, or those of its images that `where` (n,) says; whatever
    asks the case for its logits gets them as well."""
    answers = case.sampled
    where = np.ones(len(logits), dtype=bool) if where is None else where
    p = probabilities(logits)
    of_label = np.where(answers.labels != NO_LABEL, p[np.arange(len(p)), answers.labels.clip(0)], np.nan)
    instead = replace(
        answers,
        answers=np.where(where, answers_of(p), answers.answers),
        confidence=np.where(where, p.max(1), answers.confidence),
        label_probability=np.where(where, of_label, answers.label_probability),
    )
    rows = dict(zip(answers.numbers[where].tolist(), logits[where], strict=True))
    return replace(case.with_answers(instead), sources=_Instead(case.sources, rows))


@dataclass(frozen=True)
class _Instead(Sources):
    """A case's sources with other logits for some images, by number."""

    own: Sources
    rows: Mapping[int, Array]

    def logits(self) -> Iterator[tuple[Array, Array]]:
        for numbers, logits in self.own.logits():
            changed = np.array(logits)
            for row, number in enumerate(numbers.tolist()):
                if number in self.rows:
                    changed[row] = self.rows[number]
            yield numbers, changed

    def greys(self, numbers: Sequence[int], training: bool = False) -> Mapping[int, Array]:
        return self.own.greys(numbers, training)

    def seen(self, numbers: Sequence[int]) -> Mapping[int, Array]:
        return self.own.seen(numbers)

    def tensors(self) -> Iterator[tuple[str, Array]]:
        return self.own.tensors()

    def findings(self, visualization: str) -> Sequence[Finding]:
        return self.own.findings(visualization)
