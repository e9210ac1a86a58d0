"""How far pictures may be made worse before the answers fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from reportgen.checks import check
from reportgen.checks.case import Case, View, untested
from reportgen.checks.corruptions.axes import AXES, EVERYDAY, SEVERITY, fitting, side_of, views_of
from reportgen.checks.corruptions.falls import Course, calibration_of, courses
from reportgen.checks.corruptions.searching import FEWEST_DECIDING, asked_at_most, wishes
from reportgen.checks.corruptions.telling import figures_of, numbers_of, sentence
from reportgen.checks.words import counted, rounded_up
from reportgen.engine.needs import Logits, ModelFacts, Tape
from reportgen.findings import GRAVE, Exhibits, Status, Verdict

REMEDY = "Train with such changes of the pictures (augmentation), or say in which conditions it may be used."
HARDLY = 0.2  # of right answers: below it there is little to lose


@check("corruptions", group="the limits of use")
class Corruptions:
    """Corruptions: up to which noise, blur, light or compression do the answers hold?

    Measurement. What the model sees is changed along fifteen axes, after resizing and before normalisation:
    Gaussian and shot noise, Gaussian and motion blur, brighter, darker, contrast, more and less colour, JPEG,
    pixelation, shift, turn, scale, a grey patch. Each has five severities, those of ImageNet-C where it has
    them, and an everyday change before the first: noise of 0.02, blur of 0.5 px, a motion blur of 1 px, 2 %
    brighter, 85 % of the light or of the contrast, 10 % more or less colour, JPEG quality 85, 80 % of the
    resolution, 4 px of shift, 3° of turn, 5 % of scale, a patch of 16 px. Lengths are for an input of 224 px
    and scaled to its shorter side. A severity holds where the share of right answers surely falls by no more
    than `limit`, and falls where it surely falls by more: the 95 % interval of the paired difference over the
    images, the claims corrected for the number of axes (Holm). An axis is halved on 20 of `images`
    images of the sample, as often as `severities` says; what seems to hold is asked of all, and what seems to
    fall where a few do not decide it. With `severities: 5` all are asked of all. Of fewer than 100 images two
    severities of each axis are asked. Chance is drawn by an image's pixels, the same for each severity.

    Reading. The table says to what the model holds. A fault is a fall under an everyday change. What falls
    later is a limit of use, and no fault: networks that are trained in the usual way fall by more than ten
    points by the first severities of ImageNet-C.

    Limits. Fewer than 20 images decide nothing. Severities that were not asked are taken to hold where worse
    ones do, and between severities nothing is known. One axis at a time: two together may be worse than each.
    Without labels the answers that change are counted, and it is a warning at most. JPEG
    needs grey or RGB pictures, colour needs RGB. Of 100 images, 25 that are lost by an everyday change are
    a fault whatever the other axes do; of 15 it is not decided.

    Remedy. Train with such changes, or state the limits of use.

    Source. Hendrycks & Dietterich 2019, Benchmarking Neural Network Robustness to Common Corruptions and
    Perturbations (arXiv:1903.12261); Agresti & Min 2005 for the interval; Holm 1979.
    """

    numbers: ClassVar[Mapping[str, str]] = {
        f"{axis.kind}.{number}": axis.title for axis in AXES for number in (axis.number, SEVERITY)
    }

    severities: Annotated[int, Field(strict=True, ge=1, le=5)] = 3
    images: Annotated[int, Field(strict=True, ge=1)] = 100
    limit: float = 0.1

    def views(self, model: ModelFacts) -> Sequence[View]:
        return views_of(fitting(model), side_of(model))

    def needs(self, model: ModelFacts) -> Sequence[Logits]:
        return (Logits(),)

    def observe(self, tape: Tape) -> Mapping[str, Any]:
        return {"answer": tape[Logits()].argmax(1)}  # (n,)

    def asks(self, case: Case) -> Mapping[str, int]:
        axes, side_px = fitting(case.model), side_of(case.model)
        images = min(self.images, len(case.sampled.numbers))
        told = courses(case, axes, side_px, self.limit)
        return wishes(axes, told, images, self.severities, self.limit, side_px)

    def asks_at_most(self, model: ModelFacts, drawn: int) -> int:
        return asked_at_most(len(fitting(model)), min(self.images, drawn), self.severities)

    def judge(self, case: Case) -> Verdict:
        answers, own = case.sampled, case.sample.rows.get("answer")
        if case.preprocessing.get("mended") or (
            own is not None and bool((own != answers.answers)[answers.answered].any())
        ):
            return untested("it was asked with other answers than these")
        told = courses(case, fitting(case.model), side_of(case.model), self.limit)
        if not told:
            return untested("no image has an answer, as the model's output is not finite")
        most = max((course.telling for course in told), key=lambda fall: fall.n)
        if answers.judged.any() and most.before <= HARDLY:
            return untested(f"of {counted(most.n, 'image')} hardly any is answered right: none can be lost")
        return self._verdict(case, told)

    def _verdict(self, case: Case, told: Sequence[Course]) -> Verdict:
        side_px, labelled = side_of(case.model), bool(case.sampled.judged.any())
        status = _status(told, labelled)
        worst = max(told, key=lambda course: _severeness(course))
        graves = [course.falls[EVERYDAY].wrong for course in told if course.everyday is False]
        lost = np.any(graves, 0) if graves else np.zeros(len(case.sampled.numbers), dtype=bool)
        low, high = worst.telling.ends
        n = max(fall.n for course in told for fall in course.falls.values())
        return Verdict(
            status=status,
            sentence=sentence(told, side_px, status, labelled),
            effect=worst.telling.size,
            low=low,
            high=high,
            unit="points",
            limit=self.limit,
            limit_reason="one answer in ten is lost to what pictures meet every day",
            n=n,
            sample=n,
            remedy=REMEDY if status in GRAVE else self._more(told, n) if status == "undecided" else "",
            exhibits=Exhibits(images=tuple(case.sampled.numbers[lost].tolist())),
            figures=figures_of(told, side_px, labelled, calibration_of(case.sampled)),
            numbers=numbers_of(told, side_px),
        )

    def _more(self, told: Sequence[Course], n: int) -> str:
        """How many images would decide it, by the widest of the intervals that straddle the limit."""
        need = n
        for course in told:
            fall = course.telling
            if course.everyday is None and fall.size < self.limit:
                spread = max(fall.ends[1] - fall.size, 1e-9)
                need = max(need, round(fall.n * (1.5 * spread / (self.limit - fall.size)) ** 2))
        need = max(need + 1, FEWEST_DECIDING)
        return f"About {rounded_up(need):,} labelled images may decide it: set the check's option images."


def _severeness(course: Course) -> tuple[bool, float]:
    """Axes that are not known to hold under an everyday change come first, by what is not excluded."""
    return course.everyday is not True, course.telling.ends[1]


def _status(told: Sequence[Course], labelled: bool) -> Status:
    if any(course.everyday is False for course in told):
        return "fault" if labelled else "warning"
    return "clear" if all(course.everyday for course in told) else "undecided"
