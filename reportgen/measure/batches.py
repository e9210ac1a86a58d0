"""The steps that see the images of the set: a batch is measured, written as a shard, and freed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from reportgen.engine import atlas, top_images
from reportgen.engine.onepass import OnePass
from reportgen.engine.tape import BatchTape
from reportgen.evidence import Findings, Record, is_unanswered, shards
from reportgen.evidence.records import Seen, Target
from reportgen.findings import Array, Tally
from reportgen.inputs import ImageFile
from reportgen.inputs.images.loading import Decoded, none_readable
from reportgen.measure import records
from reportgen.measure.measurement import Measurement, boxes_of, labels_of, masks_of, pixels_of
from reportgen.measure.selection import sample as drawn_from
from reportgen.measure.spans import spans
from reportgen.measure.top_images import PLACES, RANKS
from reportgen.measure.visualizations import Visualization

# writes the shard of a name: of the images of a batch, and of the records of those that are none
WriteShard: TypeAlias = Callable[[Measurement, str, OnePass, list[Decoded], list[Record]], None]


def choose(m: Measurement) -> None:
    """Of a large set only the images that are shown are measured."""
    if m.two_rounds:
        numbers = set(m.chosen[0])
        m.files = tuple(file for file in m.files if file.number in numbers)


def measure(m: Measurement) -> None:
    """The images that are shown: a forward, the backwards, the perturbations, every probe.

    Raises InputError where no image of the set could be read.
    """
    # what is about the whole set was asked when it was scored
    engine = replace(m.engine, plan=m.model.visualizations.second_round()) if m.two_rounds else m.engine
    _round(m, shards.BATCH, m.files, engine, _measured)
    if m.part.is_whole:
        _refuse_empty(m)  # before anything that costs time and shows nothing without images


def sample(m: Measurement) -> None:
    """Samples of the readable images, whether they are shown or not: tallies only."""
    for size, several in m.audit.samples(m.model).items():
        drawn = set(drawn_from(m.audit.files, size, m.model.recipe.run.seed))
        files = [file for file in m.audit.files if file.number in drawn]
        plan = m.model.visualizations.sample_plan(several)
        engine = replace(m.engine, plan=plan, slots=m.model.slots[:1])
        _round(m, f"{shards.SAMPLE}-{size:06d}", files, engine, partial(_sampled, several))


def _round(m: Measurement, kind: str, files: Sequence[ImageFile], engine: OnePass, write: WriteShard) -> None:
    """Streams the files of this part of the set, span by span, to shards of a kind, past those already there.

    A span is as many files as a batch was planned to have: where memory made batches smaller, several
    shards are written of it.
    """
    done = {record["number"] for record in m.writer.records(kind)}
    mine = [span for span in spans(files, m.model.batch_size) if m.part.has(span.number)]
    of = {file.number: span.number for span in mine for file in span.files}
    todo = [file for span in mine for file in span.files if file.number not in done]
    stage = "measure" if kind == shards.BATCH else "sample"
    finished = len(of) - len(todo)
    m.progress(stage, finished, len(of))
    # of the round that speaks for the whole set
    facts = bool(m.model.checks.every) and kind == shards.BATCH and not m.two_rounds
    ends = {span.files[-1].number for span in mine}
    for images, rejected in m.batches(todo, facts, ends=ends):
        refused = [records.of_rejected(file) for file in rejected]
        name = f"{kind}-{of[(images or rejected)[0].file.number]:06d}"
        m.in_parts(images, partial(_write, m, name, engine, refused, write))
        finished += len(images) + len(rejected)
        m.progress(stage, finished, len(of))


def _write(
    m: Measurement,
    name: str,
    engine: OnePass,
    refused: list[Record],
    write: WriteShard,
    images: list[Decoded],
) -> None:
    """Measures images and writes their shard; the first of a batch has the records of those that are none."""
    counting = replace(m.as_now(engine), progress=_perturbed(m))
    write(m, m.writer.free(name), counting.over(masks_of(images)), images, refused)
    refused.clear()


def _perturbed(m: Measurement) -> Callable[[int], None]:
    """Tells how many perturbed images of the whole set are done, and how many a whole run has."""
    total = m.model.visualizations.cost(m.audit.readable, m.audit.shown)["perturbed_forwards"]
    before = m.writer.cost().get("occlusion_forwards", 0)

    def tell(done: int) -> None:
        m.progress("occlude", min(before + done, total), total)

    return tell


def _measured(
    m: Measurement, name: str, engine: OnePass, images: list[Decoded], refused: list[Record]
) -> None:
    """One batch with everything."""
    if not images:
        m.writer.write(name, {}, refused)
        return
    with m.watch.on("compute"):
        tapes = engine.run(pixels_of(images), labels_of(images), boxes_of(images))
        tapes, spent = m.ranked.with_neighbours(engine, tapes, [image.file.number for image in images])
        findings = _findings(m, tapes)
        tallies = _tallies_of_shown(m, tapes[0])
        if not m.two_rounds:
            tallies |= tallies_of_set(m, tapes[0], images)
    logits = tapes[0].logits.cpu().numpy()
    measured = _explained(m, images, tapes, logits)
    with m.watch.on("encode"):
        arrays = _arrays(m, images, logits)
        cost = {**engine.counted.as_cost(), **spent}
        m.writer.write(name, findings, measured + refused, arrays, cost, tallies)


def _sampled(
    several: Sequence[Visualization],
    m: Measurement,
    name: str,
    engine: OnePass,
    images: list[Decoded],
    refused: list[Record],
) -> None:
    """One batch of a sample that is drawn for several visualizations."""
    tallies: dict[str, Tally] = {}
    if images:
        with m.watch.on("compute"):
            (tape,) = engine.run(pixels_of(images), labels_of(images), boxes_of(images))
            tallies = {v.name: v.probe.tally(tape) for v in several}
    seen: list[Seen] = [{"number": image.file.number} for image in images]
    m.writer.write(name, {}, [*seen, *refused], cost=engine.counted.as_cost(), tallies=tallies)


def _findings(m: Measurement, tapes: list[BatchTape]) -> Findings:
    """Every probe of scope `image`: once a target where it explains one, else once."""
    return {
        v.name: [tuple(v.probe.measure(tape)) for tape in (tapes if v.per_target else tapes[:1])]
        for v in m.model.visualizations.of_scope("image")
    }


def tallies_of_set(m: Measurement, tape: BatchTape, images: list[Decoded]) -> dict[str, Tally]:
    """What every probe of scope `set` keeps of a batch, and the batch's strongest images."""
    kept: dict[str, Tally] = {v.name: v.probe.measure(tape) for v in m.model.visualizations.of_scope("set")}
    numbers = [image.file.number for image in images]
    best = top_images.rank(m.model.plan, tape, numbers)
    drawn = atlas.keep(m.drawn, tape, numbers)
    return kept | ({RANKS: best} if best else {}) | ({PLACES: drawn} if drawn else {})


def _tallies_of_shown(m: Measurement, tape: BatchTape) -> dict[str, Tally]:
    """What probes of scope `image` keep of a batch for the set, where no sample is drawn for it."""
    drawn = {v.name for several in m.audit.samples(m.model).values() for v in several}
    summed = [v for v in m.model.visualizations.every if v.summed and v.name not in drawn]
    return {v.name: v.probe.tally(tape) for v in summed}


def records_of(m: Measurement, images: list[Decoded], logits: Array, first: int = 0) -> list[Record]:
    """The records of a batch's images by their logits (N, C), whose rows in the shard count from `first`."""
    classes, head = m.model.facts.classes, m.model.facts.head
    return [
        records.of_scored(image, first + row, logits[row], classes, head) for row, image in enumerate(images)
    ]


def _explained(m: Measurement, images: list[Decoded], tapes: list[BatchTape], logits: Array) -> list[Record]:
    """The records of a batch with what is explained of each image, and where its original lies."""
    measured = records_of(m, images, logits)
    last = 0
    for row, (image, record) in enumerate(zip(images, measured, strict=True)):
        first, last = last, last + len(image.original_jpeg)
        if not is_unanswered(record):  # else there is no answer to explain
            record["measured"] = True
            record["original_bytes"] = [first, last]
            record["targets"] = _targets(m, tapes, row, logits[row], image.file.label_index is not None)
    return measured


def _targets(m: Measurement, tapes: list[BatchTape], row: int, logits: Array, labelled: bool) -> list[Target]:
    facts = m.model.facts
    return [
        records.of_target(slot, number, int(tape.targets[row]), logits, facts.classes, labelled, facts.head)
        for number, (slot, tape) in enumerate(zip(m.model.slots, tapes, strict=True))
    ]


def _arrays(m: Measurement, images: list[Decoded], logits: Array) -> dict[str, Array]:
    originals = np.frombuffer(b"".join(image.original_jpeg for image in images), dtype=np.uint8)
    arrays: dict[str, Array] = {
        "logits": logits,
        "seen": np.stack([image.seen for image in images]),
        "originals": originals,
        **records.picture_facts(images),
    }
    if m.audit.save_maps:
        arrays["input"] = np.stack([image.pixels for image in images])
    return arrays


def _refuse_empty(m: Measurement) -> None:
    seen = m.writer.of_set()
    if not any(record["status"] == "ok" for record in seen):
        refused = [(record["path"], record["reason"] or "") for record in seen]
        m.writer.discard()  # there is nothing to go on with
        raise none_readable(Path(m.audit.images), refused)
