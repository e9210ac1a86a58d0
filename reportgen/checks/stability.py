"""Whether answers stay as they are where a picture moves by a pixel, or is rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from reportgen.checks import check
from reportgen.checks.answering import answers_of, probabilities
from reportgen.checks.case import Answers, Case, View, untested
from reportgen.checks.changes import Change
from reportgen.checks.words import counted, interval, percent, points, rounded_up
from reportgen.engine.needs import Logits, ModelFacts, Tape
from reportgen.findings import GRAVE, Array, Exhibits, Number, Status, Table, Verdict
from reportgen.stats import Z_95, holm, wilson

FURTHEST_PX, REFERENCE_PX = 4, 224
HALF_STEP = 0.5 / 255  # of 8 bits
ROUNDED = View("rounded to 8 bits", pixels=Change("rounding", HALF_STEP))
SURE = 0.025  # of a one-sided p, as of one end of a 95 % interval
REMEDY = {
    "shift": "Blur before each step that leaves out pixels (stride, pooling), or train with shifts.",
    "rounding": "Look at what magnifies the smallest differences: the input's scale, or large weights.",
}


@check("stability", group="the limits of use")
class Stability:
    """Stability: do the answers stay where a picture moves by a pixel or two, or is rounded?

    Measurement. Each image of the sample is moved by 1 to 4 whole pixels of the model's input (fewer where
    that is small: at most a fifty-sixth of the shorter side, and at least one), to a side that its content
    draws; what comes in is the mirror image at the edge. Then it is rounded to 8 bits; a picture that
    has only these is moved by what rounding can have taken from it, at most half a step at random. The
    effect is the share of answers that change, of the shifts on the mean over them, with its 95 % interval
    over the images (Wilson); the two are corrected for one another (Holm).

    Reading. Nobody sees a shift of a pixel. Answers that it changes depend on how the picture lies on the
    grid of the network's strides (aliasing), or on a margin that is too small to be trusted. Where the
    share of right answers surely falls by more than the limit, too, it is a fault, and else a warning: such
    answers are not wrong more often, but by chance.

    Limits. One side for each size of shift: an answer that changes to another side is not seen. Images
    whose two best classes are nearly equal change by any cause. Turns and scales are asked by corruptions.
    In tests a change of one answer in five was found on 100 images.

    Remedy. Blur before each step that leaves out pixels, or train with shifts.

    Source. Zhang 2019, Making Convolutional Networks Shift-Invariant Again (arXiv:1904.11486); Azulay & Weiss
    2019, Why do deep convolutional networks generalize so poorly to small image transformations?
    (arXiv:1805.12177).
    """

    numbers: ClassVar[Mapping[str, str]] = {
        "shift.changed": "the share of answers that a shift of a few pixels changes",
        "rounding.changed": "the share of answers that rounding to 8 bits changes",
    }

    limit: float = 0.05

    def views(self, model: ModelFacts) -> Sequence[View]:
        return (*shifts(model), ROUNDED)

    def needs(self, model: ModelFacts) -> Sequence[Logits]:
        return (Logits(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"answer": tape[Logits()].argmax(1)}  # (n,)

    def judge(self, case: Case) -> Verdict:
        answers, own = case.sampled, case.sample.rows.get("answer")
        if case.preprocessing.get("mended") or (
            own is not None and bool((own != answers.answers)[answers.answered].any())
        ):
            return untested("it was asked with other answers than these")
        views = case.sample.views
        named = {"shift": [view.name for view in shifts(case.model)], "rounding": [ROUNDED.name]}
        told = [
            moved
            for kind, names in named.items()
            if (moved := moved_by(kind, answers, [views[name] for name in names if name in views]))
        ]
        if not told:
            return untested("no image has an answer, as the model's output is not finite")
        return self._verdict(case, told)

    def _verdict(self, case: Case, told: Sequence[Moved]) -> Verdict:
        statuses = statuses_of(told, self.limit)
        order: tuple[Status, ...] = ("fault", "warning", "undecided", "clear")
        status = min(statuses, key=order.index)
        worst = max(
            (moved for moved, own in zip(told, statuses, strict=True) if own == status),
            key=lambda moved: moved.share,
        )
        low, high = worst.ends
        return Verdict(
            status=status,
            sentence=" ".join(_words(case, moved) for moved in told),
            effect=worst.share,
            low=low,
            high=high,
            unit="share",
            limit=self.limit,
            limit_reason="of twenty pictures one would be answered otherwise, for nothing that anyone sees",
            n=worst.n,
            sample=len(case.sampled.numbers),
            remedy=self._remedy(worst, status),
            exhibits=Exhibits(
                images=tuple(case.sampled.numbers[worst.changed > 0].tolist()) if status in GRAVE else ()
            ),
            figures=(_table(case, told),),
            numbers={f"{moved.kind}.changed": Number(moved.share) for moved in told},
        )

    def _remedy(self, worst: Moved, status: Status) -> str:
        if status in GRAVE:
            return REMEDY[worst.kind]
        if status != "undecided":
            return ""
        spread = max((worst.ends[1] - worst.ends[0]) / 2, 1e-9)
        need = worst.n * max((spread / max(abs(self.limit - worst.share), 0.005)) ** 2, 1.1)
        return f"About {rounded_up(need):,} images may decide it: raise checks.sample."


def shifts(model: ModelFacts) -> list[View]:
    """The shifts, from one pixel on."""
    furthest = min(FURTHEST_PX, max(1, round(min(model.input_shape[1:]) * FURTHEST_PX / REFERENCE_PX)))
    return [View(f"moved by {px} px", pixels=Change("shift", px)) for px in range(1, furthest + 1)]


@dataclass(frozen=True)
class Moved:
    """What one kind of change does: the share (N,) of its changes by which each image of the sample is
    answered otherwise, NaN where that is not known; of each change apart, the share of images that change;
    and by how much the share of right answers falls, with its 95 % interval over images, of labelled ones."""

    kind: str
    changed: Array
    apart: tuple[float, ...]
    falls: tuple[float, float, float] | None

    @property
    def n(self) -> int:
        """Images that it rests on."""
        return int(np.isfinite(self.changed).sum())

    @property
    def share(self) -> float:
        """The mean share of answers that change."""
        return float(np.nanmean(self.changed))

    @property
    def ends(self) -> tuple[float, float]:
        """Its 95 % interval: no mean of shares varies more over images than a share of them does."""
        return wilson(self.share * self.n, self.n)

    def p_beyond(self, limit: float) -> float:
        """The one-sided p of the score test, whose interval is Wilson's."""
        z = (self.share - limit) / math.sqrt(limit * (1 - limit) / self.n)
        return 0.5 * math.erfc(z / math.sqrt(2))


def moved_by(kind: str, answers: Answers, logits: Sequence[Array]) -> Moved | None:
    """What changes of one kind do to the answers of the sample, by their logits (N, C); None where nothing is
    known of them."""
    where = answers.answered.copy()
    for of_one in logits:
        where &= np.isfinite(of_one).all(1)
    if not logits or not where.any():
        return None
    others = np.stack([answers_of(probabilities(of_one)) for of_one in logits])  # (V, N)
    changes = others != answers.answers
    share = np.where(where, changes.mean(0), np.nan)
    judged = where & answers.judged
    falls = None
    if judged.sum() > 1:
        lost = answers.right[judged] - (others == answers.labels)[:, judged].mean(0)
        spread = Z_95 * float(lost.std(ddof=1)) / math.sqrt(len(lost))
        falls = float(lost.mean()), float(lost.mean()) - spread, float(lost.mean()) + spread
    return Moved(kind, share, tuple(float(row[where].mean()) for row in changes), falls)


def statuses_of(told: Sequence[Moved], limit: float) -> list[Status]:
    """Of each kind of change."""
    beyond = [moved.p_beyond(limit) for moved in told]
    found: list[Status] = []
    for moved, p, q in zip(told, holm(beyond), holm([1 - p for p in beyond]), strict=True):
        lost = moved.falls is not None and moved.falls[1] > limit
        found.append(("fault" if lost else "warning") if p < SURE else "clear" if q < SURE else "undecided")
    return found


def _words(case: Case, moved: Moved) -> str:
    change = {"shift": _furthest(case), "rounding": "Rounding to 8 bits"}[moved.kind]
    share = f"{percent(moved.share)} {interval(*moved.ends)} of {counted(moved.n, 'answer')}"
    text = f"{change} changes {share}"
    if moved.falls and any(round(100 * part, 1) for part in moved.falls):
        fall, low, high = moved.falls
        ends = f"[{100 * -high:.1f} to {100 * -low:.1f}]".replace("-", "−")
        text += f" ({points(-fall)} of right ones {ends})"
    return f"{text}."


def _furthest(case: Case) -> str:
    furthest = len(shifts(case.model))
    return "A shift of 1 px" if furthest == 1 else f"A shift of 1 to {furthest} px"


def _table(case: Case, told: Sequence[Moved]) -> Table:
    rows: list[tuple[Any, ...]] = []
    for moved in told:
        names = [view.name for view in shifts(case.model)] if moved.kind == "shift" else [ROUNDED.name]
        for name, share in zip(names, moved.apart, strict=False):
            ends = wilson(round(share * moved.n), moved.n)
            rows.append((name, moved.n, percent(share), interval(*ends)))
    return Table(
        "changes", "Answers that change", ("change", "images", "changed", "95 % interval"), tuple(rows)
    )
