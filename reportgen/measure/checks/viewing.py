"""The step that asks a seeded sample for its answers by other preprocessings, each file decoded once for all
that can be worked out of its input."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reportgen.checks.case import View, halved
from reportgen.checks.temperature import cautiously_fitted
from reportgen.engine.adapted import adapted
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.stepped import Descent, descent
from reportgen.errors import InputError
from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.inputs import ImageFile
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.measure.checks.chosen import ADAPTED_TO
from reportgen.measure.checks.streaming import check_cost, in_shards, seen_of
from reportgen.measure.checks.views import Group, Scale, grouped, unchanged, viewed, worked_out
from reportgen.measure.measurement import Measurement, labels_of, pixels_of
from reportgen.measure.selection import sample

LOGITS, PIXELS = "logits-", "pixels-"  # and the place of a view: its logits, and what tells its pixels apart


def kind_of(group: Group) -> str:
    """The kind of shards that hold the answers of a group of views."""
    return f"{shards.VIEWED}-{group.number:02d}"


def view(m: Measurement, files: Sequence[ImageFile], of: Sequence[ImageFile], wanted: Sequence[View]) -> None:
    """The answers to some files of the sample by every wanted view; `of` is all of the sample, which what
    several images say together is taken of."""
    views, own = m.model.checks.views, m.model.subject.preprocessing
    asking = Asking(m, frozenset(views.index(view) for view in wanted), known=_known(m))
    if any("images" in (view.mean, view.std) for view in wanted):
        asking = replace(asking, of_images=_of_images(m, of))
    for group in grouped(views, own):
        done = {record["number"] for record in m.writer.records(kind_of(group))}
        asked = [file for file in files if not group.stepped or in_second_half(m, file)]
        if asking.places.isdisjoint(group.places) or all(file.number in done for file in asked):
            continue
        with ExitStack() as stack:
            if group.adapted:
                stack.enter_context(adapted(m.engine.asker, _some(m, of)))
            if group.stepped and not _stepped(stack, m, group, of, asking):
                continue
            in_shards(
                m, kind_of(group), asked, viewed(group.decoded_as, own), partial(_answered, group, asking)
            )


@dataclass(frozen=True)
class Asking:
    """What is asked of a part of the sample: the places of its views, and the sample's own scale where one
    needs it. `known` are logits by what a decoded image is, so that no input is asked twice, and `spent`
    what no shard has counted yet."""

    m: Measurement
    places: frozenset[int]
    of_images: Scale | None = None
    known: dict[int, Tensor] = field(default_factory=dict)
    spent: Counter = field(default_factory=Counter)
    descents: list[Descent | None] = field(default_factory=list)  # one, once it was taken

    def of_its_own(self, images: list[Decoded]) -> Tensor:
        """The logits (N, C) of a decoded batch as it is, by what was answered before where that is known."""
        keys = [_key(image) for image in images]
        new = [row for row, key in enumerate(keys) if key not in self.known]
        if new:
            engine = replace(self.m.engine, plan=self.m.model.checks.plan, counted=self.spent)
            logits = logits_of(engine, pixels_of([images[row] for row in new]))
            self.known.update(zip([keys[row] for row in new], logits, strict=True))
        return torch.stack([self.known[key] for key in keys])


def _key(image: Decoded) -> int:
    """What tells decoded pixels from others, the same in every process."""
    return int.from_bytes(hashlib.blake2b(image.pixels.tobytes(), digest_size=8).digest(), "little")


def _known(m: Measurement) -> dict[int, Tensor]:
    """The logits that the shards hold of images as they were decoded, so that a resumed run asks no more than
    one that was not interrupted."""
    found: dict[int, Tensor] = {}
    for group in grouped(m.model.checks.views, m.model.subject.preprocessing):
        for name in m.writer.shards(kind_of(group)):
            for own in m.writer.keys(name, PIXELS):
                logits = m.writer.array(name, own.replace(PIXELS, LOGITS))
                keys = m.writer.array(name, own)
                found.update(zip(keys.tolist(), torch.from_numpy(np.array(logits)), strict=True))
    return found


def in_second_half(m: Measurement, file: ImageFile) -> bool:
    """Whether a file is of half B and has a label."""
    return file.label_index is not None and not halved(file.sha256 or "", m.model.recipe.run.seed)


def _stepped(stack: ExitStack, m: Measurement, group: Group, of: Sequence[ImageFile], asking: Asking) -> bool:
    """Moves the network down the loss of half A. What fails there is a failure of the checks that ask for
    it, not of the audit; False where nothing can be asked then."""
    try:
        if not asking.descents:
            with m.watch.on("checks"):
                asking.descents.append(m.fitting(lambda: _descent(m, of, asking)))
            if _counted(m):
                asking.spent.forwards = asking.spent.backwards = 0
    except (InputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        asking.descents.append(None)
        for chosen in m.model.checks.every:
            if any(each.stepped for each in chosen.views):
                m.failed_checks.setdefault(chosen.name, error)
    found = asking.descents[0]
    if found is None:
        return False
    stack.enter_context(found.by(group.stepped))
    return True


def _descent(m: Measurement, of: Sequence[ImageFile], asking: Asking) -> Descent | None:
    """The gradient of the loss of half A."""
    asker = replace(m.engine, counted=asking.spent).asker
    return descent(asker, _half(m, of), cautiously_fitted)


def _counted(m: Measurement) -> bool:
    """Whether a shard of an interrupted run holds the cost of the gradient."""
    groups = grouped(m.model.checks.views, m.model.subject.preprocessing)
    return any(m.writer.shards(kind_of(group)) for group in groups if group.stepped)


def _half(m: Measurement, of: Sequence[ImageFile]) -> list[tuple[Tensor, Tensor]]:
    """The labelled images of half A, in batches with their labels."""
    files = [file for file in of if file.label_index is not None and not in_second_half(m, file)]
    return [(pixels_of(images), labels_of(images)) for images, _ in m.batches(files) if images]


def _answered(
    group: Group,
    asking: Asking,
    m: Measurement,
    name: str,
    images: list[Decoded],
    rejected: list[Rejected],
    engine: OnePass,
) -> None:
    """One batch of the sample by every wanted view of a group: the logits of each."""
    arrays: dict[str, Array] = {}
    if images:
        own, x = Scale.of(m.model.subject.preprocessing), pixels_of(images)
        with m.watch.on("checks"):
            for place in sorted(asking.places.intersection(group.places)):
                way = m.model.checks.views[place]
                if not group.changed and unchanged(way, own, asking.of_images):
                    logits = asking.of_its_own(images)
                    arrays[f"{PIXELS}{place:02d}"] = np.array([_key(i) for i in images], dtype=np.uint64)
                else:
                    seed = m.model.recipe.run.seed
                    logits = logits_of(engine, worked_out(way, x, own, asking.of_images, seed))
                arrays[f"{LOGITS}{place:02d}"] = logits.numpy()
    seen = seen_of(images, [image.file.number for image in rejected])
    cost = check_cost(engine.counted)
    spent = check_cost(asking.spent)
    asking.spent.forwards = asking.spent.backwards = 0
    m.writer.write(name, {}, seen, arrays, {key: cost[key] + spent[key] for key in cost})


def logits_of(engine: OnePass, x: Tensor) -> Tensor:
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
    """The numbers (n,) and logits (n, C) of those of the sample that were asked by one view, in order of
    number."""
    place = m.model.checks.views.index(view)
    groups = grouped(m.model.checks.views, m.model.subject.preprocessing)
    group = next(group for group in groups if place in group.places)
    return numbered(m, kind_of(group), f"{LOGITS}{place:02d}")


def swept_by(m: Measurement, views: Sequence[View]) -> dict[str, tuple[Array, Array]]:
    """The numbers (n,) and logits (n, C) by each of the views that were asked round after round, by name, in
    order of number; nothing of those that were not asked. Every shard is read once."""
    names = {f"{LOGITS}{m.model.checks.views.index(view):02d}": view.name for view in views}
    parts: dict[str, list[tuple[Array, Array]]] = {}
    for shard in m.writer.shards(shards.SWEPT):
        own = [r["number"] for r in m.writer.finished[shard]["records"] if r["row"] is not None]
        for key in m.writer.keys(shard, LOGITS) if own else ():
            if key in names:
                rows = m.writer.array(shard, key)
                parts.setdefault(names[key], []).append((np.array(own, dtype=np.int64), rows))
    found = {}
    for name, several in parts.items():
        numbers = np.concatenate([own for own, _ in several])
        order = np.argsort(numbers, kind="stable")
        found[name] = numbers[order], np.concatenate([rows for _, rows in several])[order]
    return found


def numbered(m: Measurement, kind: str, key: str) -> tuple[Array, Array]:
    """The rows of one array of the shards of a kind, and whose they are, in order of number."""
    numbers: list[int] = []
    rows: list[Array] = [np.zeros((0, m.model.facts.class_count), dtype=np.float32)]
    for name in m.writer.shards(kind):
        own = [r["number"] for r in m.writer.finished[name]["records"] if r["row"] is not None]
        if own and key in m.writer.keys(name, key):
            numbers += own
            rows.append(m.writer.array(name, key))
    order = np.argsort(np.array(numbers, dtype=np.int64), kind="stable")
    return np.array(numbers, dtype=np.int64)[order], np.concatenate(rows)[order]
