"""Measuring: every model of an audit fills evidence of its own. It knows no report and no verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from reportgen.engine import device as devices
from reportgen.engine.allocator import memory_kept
from reportgen.engine.onepass import OnePass, frozen
from reportgen.evidence import BESIDE, Writer, shards
from reportgen.measure.audit import Audit
from reportgen.measure.batches import choose, measure, sample
from reportgen.measure.checks.sampled import ask
from reportgen.measure.checks.verdicts import judge
from reportgen.measure.earlier import Answers, answers
from reportgen.measure.maps.testing import put_to_the_test
from reportgen.measure.measurement import Measurement
from reportgen.measure.models import ModelUnderAudit
from reportgen.measure.scoring import score
from reportgen.measure.spans import WHOLE, Part
from reportgen.measure.tensors import keep
from reportgen.measure.whole_set import conclude
from reportgen.progress import Progress

STEPS = (score, choose, measure, sample, ask, put_to_the_test, conclude, keep, judge)


def measure_main(audit: Audit, folder: Path, progress: Progress) -> Measurement:
    """Measures the model that the audit is about, into evidence in `folder`. Of a large set the images that
    the model beside, or the baseline, answers differently get figures first."""
    before = [audit.baseline]
    if audit.second is not None and audit.shown < audit.readable:
        Writer(folder, audit.key(audit.main), exact=audit.save_maps)  # makes room for what is new
        scored = _measured(audit, audit.second, folder / BESIDE, _beside(progress), None, steps=(score,))
        before.append(answers(scored.writer.of_set()))
        audit.second.subject.network.cpu()
    return _measured(audit, audit.main, folder, progress, None, before)


def measure_part(audit: Audit, folder: Path, part: Part, progress: Progress) -> Measurement:
    """Measures a part of the set by the main model: what a run does of each image first, and nothing of what
    has to know the others."""
    step = score if audit.two_rounds(audit.main) else measure
    return _measured(audit, audit.main, folder, progress, None, (), (step,), part)


def measure_second(main: Measurement) -> Measurement | None:
    """Measures the model beside one that is measured, on the images that this one chose; None where
    there is no second model."""
    audit = main.audit
    if audit.second is None:
        return None
    main.model.subject.network.cpu()  # the device holds one network at a time
    shown = [record["number"] for record in main.writer.records(shards.BATCH) if record["measured"]]
    told = _beside(main.progress)
    return _measured(audit, audit.second, main.writer.folder / BESIDE, told, (shown, main.chosen[1]))


def _beside(progress: Progress) -> Progress:
    """Tells that a stage is the second model's."""
    return lambda stage, done, total, note="": progress(f"{stage} beside", done, total, note)


def _measured(
    audit: Audit,
    model: ModelUnderAudit,
    folder: Path,
    progress: Progress,
    given: tuple[list[int], str] | None,
    before: Sequence[Answers] = (),
    steps: Sequence[Callable[[Measurement], None]] = STEPS,
    part: Part = WHOLE,
) -> Measurement:
    """Writes every shard of these steps that is not there yet.

    Raises InputError where no image could be read or the device has too little memory.
    """
    writer = Writer(folder, audit.key(model), exact=audit.save_maps)
    network = model.feed.placed(model.subject.network, model.device)
    memory = devices.enough_memory(model.device)
    seeded = devices.repeatable(model.recipe.run.seed)
    with memory_kept(model.device), seeded, frozen(network), memory:
        engine = OnePass(
            network,
            model.plan,
            model.slots,
            model.subject.preprocessing.normalisation,
            model.device,
            model.batch_size,
            model.facts.head,
            model.feed,
            packed=model.packed,
        )
        measurement = Measurement(audit, model, writer, progress, engine, given, before, part)
        for step in steps:
            step(measurement)
    return measurement
