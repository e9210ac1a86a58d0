"""The sample's answers by other views, part after part: what a part excludes is not asked of the next.

A check that searches says with `promising(case)` which of its views may still be what it looks for; the
others are confirmed by nobody, and cost no further forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reportgen.checks.case import Case, Sample, View, halved
from reportgen.inputs import ImageFile
from reportgen.measure.checks.cases import aligned, case_of, sample_of
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.viewing import view
from reportgen.measure.measurement import Measurement
from reportgen.measure.selection import sample

SCREENED = 100  # images of half A that every view is asked first


def narrowed_views(m: Measurement, files: Sequence[ImageFile]) -> None:
    """The answers to the files of the sample by every view, as far as they are wanted: of a few of half A,
    of the rest of that half, of the other half."""
    checks = m.model.checks
    wanted = tuple(each for each in checks.views if each not in checks.swept)
    if not wanted:
        return
    if not any(hasattr(chosen.check, "promising") for chosen in m.model.checks.every):
        view(m, files, files, wanted)
        return
    case, known = None, set[int]()
    for part in _parts(m, files):
        view(m, part, files, wanted)
        case = case_of(m) if case is None else case
        known |= {file.number for file in part}
        wanted = _promising(m, case, files, known, wanted)


def _parts(m: Measurement, files: Sequence[ImageFile]) -> list[list[ImageFile]]:
    seed = m.model.recipe.run.seed
    first = [file for file in files if halved(file.sha256 or "", seed)]
    few = set(sample(first, SCREENED, seed))
    there = {file.number for file in first}
    return [
        [file for file in first if file.number in few],
        [file for file in first if file.number not in few],
        [file for file in files if file.number not in there],
    ]


def _promising(
    m: Measurement, case: Case, files: Sequence[ImageFile], known: set[int], wanted: Sequence[View]
) -> tuple[View, ...]:
    """Those of the views that a check still wants, by the answers to the known images. A check that fails
    keeps all of its own."""
    kept: set[View] = set()
    for chosen in m.model.checks.every:
        own = set(chosen.views).intersection(wanted)
        if own and hasattr(chosen.check, "promising"):
            try:
                names = chosen.check.promising(replace(case, sample=_so_far(m, case, chosen, files, known)))
                own = {each for each in own if each.name in names}
            except Exception as error:
                m.failed_checks.setdefault(chosen.name, error)
        kept |= own
    return tuple(each for each in wanted if each in kept)


def _so_far(
    m: Measurement, case: Case, chosen: ChosenCheck, files: Sequence[ImageFile], known: set[int]
) -> Sample:
    """What is measured for one check: all images of the sample, those not known yet without an answer by any
    view. So it is whatever an interrupted run has left of later parts, and whether or not anything else was
    asked of the sample: a few images of half A are not taken for all of it."""
    found = sample_of(m, chosen)
    drawn = {file.number for file in files}
    numbers = np.array([number for number in case.answers.numbers if int(number) in drawn], dtype=np.int64)
    seen = np.isin(found.numbers, list(known))
    views = {
        name: aligned(numbers, found.numbers[seen], logits[seen]) for name, logits in found.views.items()
    }
    if not np.array_equal(numbers, found.numbers):  # nothing but views was asked of the sample
        return Sample(numbers, views=views)
    return replace(found, views=views)
