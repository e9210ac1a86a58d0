"""The step that asks a seeded sample for its answers by other preprocessings, each file decoded once for all
that can be worked out of its input."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reportgen.checks.case import View
from reportgen.engine.adapted import adapted
from reportgen.engine.onepass import OnePass
from reportgen.errors import InputError
from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.inputs import ImageFile
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.measure.checks.chosen import ADAPTED_TO
from reportgen.measure.checks.streaming import check_cost, in_shards, seen_of
from reportgen.measure.checks.views import Group, Scale, grouped, viewed, worked_out
from reportgen.measure.measurement import Measurement, pixels_of
from reportgen.measure.selection import sample


def kind_of(group: Group) -> str:
    """The kind of shards that hold the answers of a group of views."""
    return f"{shards.VIEWED}-{group.number:02d}"


def view(m: Measurement, files: Sequence[ImageFile]) -> None:
    """The answers to the files of the sample by every view that a check asks for."""
    views = m.model.checks.views
    images = _of_images(m, files) if any("images" in (v.mean, v.std) for v in views) else None
    for group in grouped(views):
        done = {record["number"] for record in m.writer.records(kind_of(group))}
        if all(file.number in done for file in files):
            continue
        with ExitStack() as stack:
            if group.adapted:
                stack.enter_context(adapted(m.engine.asker, _some(m, files)))
            other = viewed(group.decoded_as, m.model.subject.preprocessing)
            in_shards(m, kind_of(group), files, other, partial(_answered, group, images))


def _answered(
    group: Group,
    of_images: Scale | None,
    m: Measurement,
    name: str,
    images: list[Decoded],
    rejected: list[Rejected],
    engine: OnePass,
) -> None:
    """One batch of the sample by every view of a group: the logits of each."""
    arrays: dict[str, Array] = {}
    if images:
        own, x = Scale.of(m.model.subject.preprocessing), pixels_of(images)
        with m.watch.on("checks"):
            for place in group.places:
                changed = worked_out(m.model.checks.views[place], x, own, of_images)
                arrays[f"logits-{place:02d}"] = _logits(engine, changed).numpy()
    seen = seen_of(images, [image.file.number for image in rejected])
    m.writer.write(name, {}, seen, arrays, check_cost(engine.counted))


def _logits(engine: OnePass, x: Tensor) -> Tensor:
    """The logits (N, C), NaN where the network cannot take such an input."""
    try:
        return engine.score(x).cpu()
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception:
        return torch.full((len(x), engine.plan.facts.class_count), float("nan"))


def _of_images(m: Measurement, files: Sequence[ImageFile]) -> Scale:
    """The mean and deviation of the pixels of some images of the sample."""
    own = Scale.of(m.model.subject.preprocessing)
    batches = list(_some(m, files))
    return Scale.of_images(torch.cat(batches), own) if batches else own


def _some(m: Measurement, files: Sequence[ImageFile]) -> Iterator[Tensor]:
    """Some images of the sample in batches (N, C, H, W), mixed: a batch of one class is no sample. A batch of
    a single image has no deviation."""
    seed = m.model.recipe.run.seed
    wanted = set(sample(files, ADAPTED_TO, seed))
    chosen = [file for file in files if file.number in wanted]
    random.Random(seed).shuffle(chosen)
    for images, _ in m.batches(chosen):
        if len(images) > 1 or m.model.batch_size == 1:
            yield pixels_of(images)


def answered_by(m: Measurement, view: View) -> tuple[Array, Array]:
    """The numbers (n,) and logits (n, C) of the sample by one view, in order of number."""
    place = m.model.checks.views.index(view)
    group = next(group for group in grouped(m.model.checks.views) if place in group.places)
    return numbered(m, kind_of(group), f"logits-{place:02d}")


def numbered(m: Measurement, kind: str, key: str) -> tuple[Array, Array]:
    """The rows of one array of the shards of a kind, and whose they are, in order of number."""
    numbers: list[int] = []
    rows: list[Array] = [np.zeros((0, m.model.facts.class_count), dtype=np.float32)]
    for name in m.writer.shards(kind):
        own = [r["number"] for r in m.writer.finished[name]["records"] if r["row"] is not None]
        if own:
            numbers += own
            rows.append(m.writer.array(name, key))
    order = np.argsort(np.array(numbers, dtype=np.int64), kind="stable")
    return np.array(numbers, dtype=np.int64)[order], np.concatenate(rows)[order]
