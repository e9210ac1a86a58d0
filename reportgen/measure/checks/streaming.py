"""The sample in full batches, each to a shard: what is common to all that is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.targets import Slot
from reportgen.evidence.records import Seen
from reportgen.inputs import ImageFile
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.measure.measurement import Measurement, masks_of

PREDICTED = (Slot("predicted"),)


def check_cost(counted: Counter) -> dict[str, int]:
    """What was spent on checks, by the names that the evidence has for it."""
    return {
        "check_forwards": counted.forwards + counted.perturbed_forwards,
        "check_backwards": counted.backwards,
    }


Write: TypeAlias = Callable[[Measurement, str, list[Decoded], list[Rejected], OnePass], None]


def in_shards(
    m: Measurement,
    kind: str,
    files: Sequence[ImageFile],
    other: Preprocessing | None,
    write: Write,
    facts: bool = False,
) -> None:
    """Streams the sample in full batches, each to a shard of a kind, past those already there; with the facts
    of the pictures where they are asked for."""
    done = {record["number"] for record in m.writer.records(kind)}
    todo = [file for file in files if file.number not in done]
    finished = len(files) - len(todo)
    m.progress("check", finished, len(files))
    for images, rejected in m.batches(todo, facts, other):
        m.in_parts(images, partial(_write, m, kind, rejected[:], write))
        finished += len(images) + len(rejected)
        m.progress("check", finished, len(files))


def _write(
    m: Measurement, kind: str, rejected: list[Rejected], write: Write, images: list[Decoded]
) -> None:
    """Asks of images what the checks need and writes their shard; the first of a batch holds the rejected."""
    engine = replace(m.engine, plan=m.model.checks.plan, slots=PREDICTED, counted=Counter())
    write(m, m.writer.next(kind), images, rejected, engine.over(masks_of(images)))
    rejected.clear()


def seen_of(images: Sequence[Decoded], without: Sequence[int]) -> list[Seen]:
    """The records of images with a row each, and of those that could not be used."""
    seen: list[Seen] = [{"number": image.file.number, "row": row} for row, image in enumerate(images)]
    return seen + [{"number": number, "row": None} for number in without]


def tally_name(check: str) -> str:
    """The owner of a check's tally in the evidence: no visualization has such a name."""
    return f"check:{check}"
