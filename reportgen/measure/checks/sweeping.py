"""The sample's answers by views that a check asks round after round: what it asks next, and of how many
images, depends on what was answered before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from reportgen.checks.case import Case, Sample, View
from reportgen.engine.onepass import OnePass
from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.inputs import ImageFile
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.measure.checks.cases import aligned, case_of
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.streaming import check_cost, in_shards, seen_of
from reportgen.measure.checks.viewing import LOGITS, logits_of, swept_by
from reportgen.measure.checks.views import Scale, worked_out
from reportgen.measure.measurement import Measurement, pixels_of
from reportgen.measure.selection import sample

ROUNDS_AT_MOST = 32  # a check that wants more has no end


def sweep(m: Measurement, files: Sequence[ImageFile]) -> None:
    """All rounds of every check that asks so. One that fails is left as it is, and asked no further."""
    sweeping = [chosen for chosen in m.model.checks.every if chosen.sweeps]
    case = case_of(m) if sweeping else None
    for chosen in sweeping:
        assert case is not None
        _rounds(m, chosen, case, files)


def _rounds(m: Measurement, chosen: ChosenCheck, case: Case, files: Sequence[ImageFile]) -> None:
    """Round after round, until nothing is asked that is not known. A round looks only at what earlier ones
    asked, whatever an interrupted run has left of later ones, so that a resumed run asks the same."""
    known: dict[str, int] = {}  # how many images each view is known of
    for number in range(ROUNDS_AT_MOST):
        try:
            wishes = chosen.check.asks(replace(case, sample=_so_far(m, chosen, case, files, known)))
        except Exception as error:
            m.failed_checks.setdefault(chosen.name, error)
            return
        wanted = {name: min(count, len(files)) for name, count in wishes.items()}
        wanted = {name: count for name, count in wanted.items() if count > known.get(name, 0)}
        if not wanted:
            return
        place = m.model.checks.every.index(chosen)  # a shard's name has numbers only
        _ask(m, f"{shards.SWEPT}-{place:02d}-{number:02d}", chosen, files, known, wanted)
        known |= wanted


def _ask(
    m: Measurement,
    kind: str,
    chosen: ChosenCheck,
    files: Sequence[ImageFile],
    known: Mapping[str, int],
    wanted: Mapping[str, int],
) -> None:
    """One round: the views that are wanted of the same images share their decoding."""
    spans = {name: (known.get(name, 0), count) for name, count in wanted.items()}
    for first, last in sorted(set(spans.values())):
        views = [view for view in chosen.views if spans.get(view.name) == (first, last)]
        there = _first(m, files, last) - _first(m, files, first)
        part = [file for file in files if file.number in there]
        in_shards(m, f"{kind}-{first:06d}-{last:06d}", part, None, partial(_answered, views))


def _first(m: Measurement, files: Sequence[ImageFile], count: int) -> set[int]:
    return set(sample(files, count, m.model.recipe.run.seed))


def _so_far(
    m: Measurement, chosen: ChosenCheck, case: Case, files: Sequence[ImageFile], known: Mapping[str, int]
) -> Sample:
    """The sample with the answers by the views that were asked, each of as many images as it was asked of."""
    drawn = {file.number for file in files}
    numbers = np.array([n for n in case.answers.numbers.tolist() if n in drawn], dtype=np.int64)
    views: dict[str, Array] = {}
    for name, (own, logits) in swept_by(m, chosen.views).items() if known else ():
        if name in known:
            asked = np.isin(own, list(_first(m, files, known[name])))
            views[name] = aligned(numbers, own[asked], logits[asked])
    return Sample(numbers, views=views)


def _answered(
    views: Sequence[View],
    m: Measurement,
    name: str,
    images: list[Decoded],
    rejected: list[Rejected],
    engine: OnePass,
) -> None:
    """One batch by every view of a round: the logits of each."""
    arrays: dict[str, Array] = {}
    if images:
        own, x, seed = Scale.of(m.model.subject.preprocessing), pixels_of(images), m.model.recipe.run.seed
        with m.watch.on("checks"):
            for view in views:
                place = m.model.checks.views.index(view)
                changed = worked_out(view, x, own, None, seed)
                arrays[f"{LOGITS}{place:02d}"] = logits_of(engine, changed).numpy()
    seen = seen_of(images, [image.file.number for image in rejected])
    m.writer.write(name, {}, seen, arrays, check_cost(engine.counted))
