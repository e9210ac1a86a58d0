"""The step that asks a seeded sample of the images what the checks need, and looks at the training's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from reportgen.engine.needs import Tape
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.plan import Plan
from reportgen.errors import InputError
from reportgen.evidence import shards
from reportgen.findings import Array, Tally, as_array
from reportgen.inputs import stream
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.decoded import drawn_files
from reportgen.measure.checks.intervening import intervene
from reportgen.measure.checks.narrowing import narrowed_views
from reportgen.measure.checks.screening import screen
from reportgen.measure.checks.streaming import check_cost, in_shards, seen_of, tally_name
from reportgen.measure.checks.sweeping import sweep
from reportgen.measure.measurement import Measurement, boxes_of, labels_of, pixels_of
from reportgen.measure.records import picture_facts
from reportgen.measure.selection import sample

TRAINING_BATCH = 256


def ask(m: Measurement) -> None:
    """Every image of the sample: the needs of the checks in one pass, then the answers by other views."""
    checks, files = m.model.checks, drawn_files(m)
    if checks.watching:
        in_shards(m, shards.CHECKED, files, None, _observed)
    narrowed_views(m, files)
    intervene(m, files)
    screen(m, files)
    sweep(m, files)
    if m.audit.foreign:
        abroad = set(sample(m.audit.foreign, checks.sample, m.model.recipe.run.seed))
        strangers = [file for file in m.audit.foreign if file.number in abroad]
        in_shards(m, shards.FOREIGN, strangers, None, _abroad, facts=True)
    if checks.training and m.model is m.audit.main:
        _training(m)


def _observed(
    m: Measurement, name: str, images: list[Decoded], rejected: list[Rejected], engine: OnePass
) -> None:
    """One batch of the sample: what each check keeps of it."""
    arrays: dict[str, Array] = {}
    tallies: dict[str, Tally] = {}
    if images:
        with m.watch.on("checks"):
            for chosen, kept in _tapes(m, engine, images):
                _keep(m, chosen, kept, arrays, tallies)
    seen = seen_of(images, [image.file.number for image in rejected])
    m.writer.write(name, {}, seen, arrays, check_cost(engine.counted), tallies)


def _abroad(
    m: Measurement, name: str, images: list[Decoded], rejected: list[Rejected], engine: OnePass
) -> None:
    """One batch of pictures that are not of the task: what the checks that look at them keep of it."""
    arrays: dict[str, Array] = {}
    if images:
        arrays |= picture_facts(images)
        with m.watch.on("checks"):
            for chosen in m.model.checks.looking_abroad:
                kept = _alone(m, chosen, engine, (pixels_of(images), labels_of(images), boxes_of(images)))
                if kept is not None:
                    _keep(m, chosen, kept, arrays, {})
    seen = seen_of(images, [image.file.number for image in rejected])
    m.writer.write(name, {}, seen, arrays, check_cost(engine.counted))


def _tapes(m: Measurement, engine: OnePass, images: list[Decoded]) -> Iterator[tuple[ChosenCheck, Tape]]:
    """Every check with the batch as it was measured: all in one pass, or one by one where that fails, so that
    only the one whose need fails is without."""
    batch = pixels_of(images), labels_of(images), boxes_of(images)
    watching = m.model.checks.watching
    try:
        (tape,) = engine.run(*batch)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception:
        for chosen in watching:
            if (own := _alone(m, chosen, engine, batch)) is not None:
                yield chosen, own
        return
    yield from ((chosen, tape) for chosen in watching)


def _alone(
    m: Measurement, chosen: ChosenCheck, engine: OnePass, batch: tuple[Tensor, Tensor, PartBoxes]
) -> Tape | None:
    """The batch as measured for one check alone; None where that fails, which is noted."""
    try:
        (tape,) = replace(engine, plan=Plan(chosen.needs, m.model.facts, 1)).run(*batch)
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        m.failed_checks.setdefault(chosen.name, error)
        return None
    return tape


def _keep(
    m: Measurement,
    chosen: ChosenCheck,
    tape: Tape,
    arrays: dict[str, Array],
    tallies: dict[str, Tally],
) -> None:
    """What one check keeps of a batch: its rows under its name, and its tally. What it raises is its own
    failure, not the audit's."""
    if chosen in m.model.checks.looking_abroad and not m.audit.foreign:
        return  # there is nothing that its rows would be held against
    try:
        if hasattr(chosen.check, "observe"):
            rows = {key: as_array(value) for key, value in chosen.check.observe(tape).items()}
            for key, value in rows.items():
                if len(value) != len(tape.labels):
                    raise ValueError(f"{key} has {len(value)} rows for {len(tape.labels)} images")
            arrays |= {f"{chosen.name}/{key}": value for key, value in rows.items()}
        if hasattr(chosen.check, "tally"):
            tallies[tally_name(chosen.name)] = chosen.check.tally(tape)
    except Exception as error:
        m.failed_checks.setdefault(chosen.name, error)


def _training(m: Measurement) -> None:
    """The facts of the training's pictures, a shard a few hundred."""
    done = {record["number"] for record in m.writer.records(shards.TRAINING)}
    todo = [file for file in m.audit.training if file.reason is None and file.number not in done]
    if todo:
        m.progress("training", 0, len(todo))
    for first in range(0, len(todo), TRAINING_BATCH):
        part = todo[first : first + TRAINING_BATCH]
        decoded = stream(part, m.model.subject.preprocessing, facts=True)
        images = [image for image in decoded if isinstance(image, Decoded)]
        used = {image.file.number for image in images}
        seen = seen_of(images, [file.number for file in part if file.number not in used])
        m.writer.write(m.writer.next(shards.TRAINING), {}, seen, picture_facts(images))
        m.progress("training", first + len(part), len(todo))
