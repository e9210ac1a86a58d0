"""The step that makes the checks' experiments: round after round, until no check names another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from reportgen.checks.case import Case
from reportgen.checks.intervention import Intervention, Outcome
from reportgen.engine.perturb.asking import Counter
from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.inputs import ImageFile
from reportgen.measure.checks.cases import case_of, sample_of
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.decoded import Pictures
from reportgen.measure.checks.intervened import can_be_made, intervened
from reportgen.measure.checks.streaming import PREDICTED, check_cost
from reportgen.measure.checks.viewing import logits_of
from reportgen.measure.checks.views import Scale
from reportgen.measure.measurement import Measurement

ROUNDS = 8  # a check that still asks then is stopped
BATCHES = 8  # a shard
NO_ANSWER = -1


def intervene(m: Measurement, files: Sequence[ImageFile]) -> None:
    """The answers to every intervention that a check asks for, on what the rounds before have answered."""
    asking = m.model.checks.intervening
    if not asking:
        return
    known, case, pictures = outcomes(m), case_of(m), Pictures(m, files)
    # a round looks only at what earlier ones asked, whatever an interrupted run has left of later ones
    shown: dict[int, Outcome] = {}
    for _ in range(ROUNDS):
        wanted: dict[int, Intervention] = {}
        for chosen in asking:
            wanted |= {each.key: each for each in _wanted(m, chosen, case, files, shown)}
        if not wanted:
            return
        new = [each for key, each in sorted(wanted.items()) if key not in known]
        _answer(m, sorted(new, key=lambda each: each.pictures), pictures, known)
        shown |= {key: known[key] for key in wanted}


def outcomes(m: Measurement) -> dict[int, Outcome]:
    """What the shards hold of interventions, by their keys."""
    found: dict[int, Outcome] = {}
    for name in m.writer.shards(shards.INTERVENED):
        keys, answers, confidence = (m.writer.array(name, key) for key in ("keys", "answers", "confidence"))
        rows = zip(keys.tolist(), answers.tolist(), confidence.tolist(), strict=True)
        found |= {key: Outcome(answer, sure) for key, answer, sure in rows}
    return found


def _wanted(
    m: Measurement,
    chosen: ChosenCheck,
    case: Case,
    files: Sequence[ImageFile],
    known: Mapping[int, Outcome],
) -> list[Intervention]:
    """What one check asks for next. One that fails asks for nothing more."""
    if chosen.name in m.failed_checks:
        return []
    own = sample_of(m, chosen, files)
    try:
        asked = chosen.check.interventions(replace(case, sample=replace(own, outcomes=known)))
        drawn = {file.number for file in files}
        return [each for each in asked if drawn.issuperset(each.pictures)]
    except Exception as error:
        m.failed_checks.setdefault(chosen.name, error)
        return []


def _answer(
    m: Measurement, new: Sequence[Intervention], pictures: Pictures, known: dict[int, Outcome]
) -> None:
    """One round of interventions, in full batches, some batches to a shard."""
    mean, counted, progress = pictures.mean(), Counter(), m.steps("check")
    of_shard = BATCHES * m.model.batch_size
    for first in range(0, len(new), of_shard):
        part = new[first : first + of_shard]
        rows: list[Outcome] = []
        while len(rows) < len(part):  # a batch holds fewer once the device has too little memory
            rows += m.fitting(partial(_answers, m, part[len(rows) :], pictures, mean, counted))
        arrays: dict[str, Array] = {
            "keys": np.array([each.key for each in part], dtype=np.uint64),
            "answers": np.array([row.answer for row in rows], dtype=np.int64),
            "confidence": np.array([row.confidence for row in rows], dtype=np.float32),
        }
        m.writer.write(m.writer.next(shards.INTERVENED), {}, (), arrays, check_cost(counted))
        counted.forwards = 0
        known |= {each.key: row for each, row in zip(part, rows, strict=True)}
        progress(first + len(part), len(new))


def _answers(
    m: Measurement, asked: Sequence[Intervention], pictures: Pictures, mean: Tensor, counted: Counter
) -> list[Outcome]:
    """What is answered to the first batch of them; nothing where a picture can no longer be read."""
    engine = replace(m.engine, plan=m.model.checks.plan, slots=PREDICTED, counted=Counter())
    batch = asked[: engine.batch_size]
    there = pictures.of([number for each in batch for number in each.pictures])
    usable = [row for row, each in enumerate(batch) if can_be_made(each, there, pictures.things)]
    rows = [Outcome(NO_ANSWER, float("nan"))] * len(batch)
    if not usable:
        return rows
    with m.watch.on("checks"):
        scale = Scale.of(m.model.subject.preprocessing)
        x = intervened([batch[row] for row in usable], there, scale, mean, pictures.things)
        p = m.model.facts.head.readout(logits_of(engine, x))
        for row, sure in zip(usable, p, strict=True):
            if sure.isfinite().all():
                rows[row] = Outcome(int(sure.argmax()), float(sure.max()))
    counted.forwards += engine.counted.forwards  # not of one that had too little memory
    return rows
