"""The evidence of one measurement -> what the checks judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from reportgen.checks.case import NO_ANSWER, NO_LABEL, Answers, Case, Foreign, Pictures, Sample, Sources
from reportgen.checks.intervention import Intervention
from reportgen.evidence import Record, best, shards
from reportgen.findings import Array, Finding
from reportgen.inputs import ImageFile, stream
from reportgen.inputs.images.facts import FIELDS
from reportgen.inputs.images.loading import Decoded
from reportgen.measure.checks.chosen import ChosenCheck
from reportgen.measure.checks.decoded import Pictures as DecodedPictures
from reportgen.measure.checks.decoded import drawn_files
from reportgen.measure.checks.intervened import can_be_made, intervened
from reportgen.measure.checks.streaming import tally_name
from reportgen.measure.checks.viewing import answered_by, swept_by
from reportgen.measure.checks.views import Scale
from reportgen.measure.measurement import Measurement
from reportgen.measure.second_model import small


def case_of(m: Measurement) -> Case:
    """What is the same for every check: the answers, the pictures, the groups."""
    records = sorted((r for r in m.writer.of_set() if r["status"] == "ok"), key=lambda r: r["number"])
    answers = _answers(records)
    return Case(
        answers=answers,
        classes=m.model.facts.classes,
        model=m.model.facts,
        pictures=_pictures(m, records, answers),
        training=_others(m, shards.TRAINING, m.audit.training),
        groups={
            name: tuple(words[number] for number in answers.numbers) for name, words in m.audit.groups.items()
        },
        things=frozenset(file.number for file in m.audit.files if file.shows_a_thing),
        outlined=any(file.mask is not None for file in m.audit.files),
        seed=m.model.recipe.run.seed,
        wished_sample=m.model.checks.sample,
        sources=_Evidence(m, records),
        preprocessing=m.model.subject.preprocessing.as_json(),
    )


def sample_of(m: Measurement, chosen: ChosenCheck, files: Sequence[ImageFile] = ()) -> Sample:
    """What was measured for one check on the sample; `files` are the sample where nothing was."""
    numbers = _numbers(m, shards.CHECKED)
    order = np.argsort(numbers)
    rows = {key: np.concatenate(parts)[order] for key, parts in _rows(m, chosen.name).items() if parts}
    whole = {key: values for key, values in rows.items() if len(values) == len(numbers)}
    if chosen.sweeps:
        answered = swept_by(m, chosen.views)
    else:
        answered = {view.name: answered_by(m, view) for view in chosen.views}
    if not len(numbers) and answered:  # not every image was asked for every view
        numbers = np.unique(np.concatenate([own for own, _ in answered.values()]))
        order = np.arange(len(numbers))
    if not len(numbers):
        numbers = np.array([file.number for file in files], dtype=np.int64)
        order = np.arange(len(numbers))
    views = {name: aligned(numbers[order], own, logits) for name, (own, logits) in answered.items()}
    tally = m.writer.tally(tally_name(chosen.name))
    return Sample(numbers[order], whole, tally, views, screened=_screened(m, chosen))


def _screened(m: Measurement, chosen: ChosenCheck) -> dict[str, Array]:
    """What a check's screen found, by name."""
    name = f"{shards.SCREENED}-{m.model.checks.every.index(chosen):02d}"
    if name not in m.writer.finished:
        return {}
    return {key: m.writer.array(name, key) for key in m.writer.keys(name)}


def _rows(m: Measurement, check: str, kind: str = shards.CHECKED) -> dict[str, list[Array]]:
    """The rows of a check by key, shard by shard."""
    parts: dict[str, list[Array]] = {}
    for name in m.writer.shards(kind):
        for key in m.writer.keys(name, f"{check}/"):
            parts.setdefault(key.removeprefix(f"{check}/"), []).append(m.writer.array(name, key))
    return parts


def _numbers(m: Measurement, kind: str) -> Array:
    """The images that have rows in the shards of a kind, in the order of these."""
    return np.array([r["number"] for r in m.writer.records(kind) if r["row"] is not None], dtype=np.int64)


def aligned(numbers: Array, own: Array, logits: Array) -> Array:
    """Logits (n, C) in the order of `numbers`; NaN where an image had no such view."""
    whole = np.full((len(numbers), logits.shape[1]), np.nan, dtype=np.float32)
    places = {int(number): row for row, number in enumerate(own)}
    for row, number in enumerate(numbers):
        if int(number) in places:
            whole[row] = logits[places[int(number)]]
    return whole


def _answers(records: Sequence[Record]) -> Answers:
    said = [best(record) for record in records]
    nan = float("nan")
    return Answers(
        numbers=np.array([r["number"] for r in records], dtype=np.int64),
        paths=tuple(r["path"] for r in records),
        hashes=tuple(r["sha256"] or "" for r in records),
        labels=np.array([_or(r["label_index"], NO_LABEL) for r in records], dtype=np.int64),
        answers=np.array([a["class_index"] if a else NO_ANSWER for a in said], dtype=np.int64),
        confidence=np.array([a["probability"] if a else nan for a in said], dtype=np.float64),
        label_probability=np.array([_or(r["label_probability"], nan) for r in records], dtype=np.float64),
    )


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _pictures(m: Measurement, records: Sequence[Record], answers: Answers) -> Pictures | None:
    kind = shards.SCORE if m.writer.shards(shards.SCORE) else shards.BATCH
    rows = _facts(m, kind)
    if rows is None:
        return None
    places = [rows[1][int(number)] for number in answers.numbers]
    values, pixels, perceptual = (part[places] for part in rows[0])
    return Pictures(FIELDS, values, pixels, perceptual, answers.hashes, answers.paths)


def foreign_of(m: Measurement, chosen: ChosenCheck) -> Foreign | None:
    """What a check observed of pictures that are not of the task; None where there are none, or it does not
    look at them."""
    if chosen not in m.model.checks.looking_abroad:
        return None
    pictures = _others(m, shards.FOREIGN, m.audit.foreign)
    if pictures is None:
        return None
    order = np.argsort(_numbers(m, shards.FOREIGN))
    parts = _rows(m, chosen.name, shards.FOREIGN)
    rows = {key: np.concatenate(several)[order] for key, several in parts.items()}
    return Foreign(pictures, {key: values for key, values in rows.items() if len(values) == len(pictures)})


def _others(m: Measurement, kind: str, listed: Sequence[ImageFile]) -> Pictures | None:
    """The facts of pictures that are not of the set, in the order of their numbers."""
    rows = _facts(m, kind)
    if rows is None:
        return None
    files = {file.number: file for file in listed}
    numbers = sorted(rows[1])
    places = [rows[1][number] for number in numbers]
    values, pixels, perceptual = (part[places] for part in rows[0])
    hashes = tuple(files[number].sha256 or "" for number in numbers)
    paths = tuple(files[number].shown for number in numbers)
    return Pictures(FIELDS, values, pixels, perceptual, hashes, paths)


def _facts(m: Measurement, kind: str) -> tuple[tuple[Array, Array, Array], dict[int, int]] | None:
    """The arrays of facts of all shards of a kind, and the row of each number; None where there are none."""
    parts: list[tuple[Array, ...]] = []
    places: dict[int, int] = {}
    for name in m.writer.shards(kind):
        records = m.writer.finished[name]["records"]
        if "facts" not in m.writer.keys(name, "facts"):
            continue
        first = sum(len(part[0]) for part in parts)
        parts.append(tuple(m.writer.array(name, key) for key in ("facts", "pixel_hash", "perceptual")))
        places |= {r["number"]: first + r["row"] for r in records if r.get("row") is not None}
    if not parts:
        return None
    values, pixels, perceptual = (np.concatenate(several) for several in zip(*parts, strict=True))
    return (values, pixels, perceptual), places


class _Evidence(Sources):
    """What is read back from the evidence, decoded again or taken from the network, where a check asks."""

    def __init__(self, m: Measurement, records: Sequence[Record]) -> None:
        self.m = m
        self.readable = {record["number"] for record in records}

    def logits(self) -> Iterator[tuple[Array, Array]]:
        kind = shards.SCORE if self.m.writer.shards(shards.SCORE) else shards.BATCH
        for name in self.m.writer.shards(kind):
            seen = [r for r in self.m.writer.finished[name]["records"] if r["row"] is not None]
            if seen:
                logits = self.m.writer.array(name, "logits")
                yield np.array([r["number"] for r in seen]), logits[[r["row"] for r in seen]]

    def greys(self, numbers: Sequence[int], training: bool = False) -> Mapping[int, Array]:
        if not training:
            decoded = self._decoded(self.m.audit.files, numbers, facts=True)
            return {image.file.number: image.facts.grey for image in decoded if image.facts is not None}
        rows = _facts(self.m, shards.TRAINING)
        used = sorted(rows[1]) if rows else []  # in the order of `Case.training`
        places = {used[place]: int(place) for place in numbers}
        decoded = self._decoded(self.m.audit.training, list(places), facts=True)
        return {places[image.file.number]: image.facts.grey for image in decoded if image.facts is not None}

    def seen(self, numbers: Sequence[int]) -> Mapping[int, Array]:
        decoded = self._decoded(self.m.audit.files, numbers)
        return {image.file.number: small(image.seen) for image in decoded}

    def changed(self, asked: Sequence[Intervention]) -> Mapping[int, Array]:
        if not asked:
            return {}
        pictures = DecodedPictures(self.m, drawn_files(self.m))
        mean, scale = pictures.mean(), Scale.of(self.m.model.subject.preprocessing)
        there = pictures.of([number for each in asked for number in each.pictures])
        made = [each for each in asked if can_be_made(each, there, pictures.things)]
        if not made:
            return {}
        x = scale.undone(intervened(made, there, scale, mean, pictures.things)).clamp(0, 1)
        pixels = (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()  # (N, H, W, C)
        return {each.key: small(picture) for each, picture in zip(made, pixels, strict=True)}

    def tensors(self) -> Iterator[tuple[str, Array]]:
        for name, value in self.m.engine.network.state_dict().items():
            value = value.detach().cpu()
            narrow = value.is_floating_point() and value.element_size() < 4  # numpy has no bfloat16
            yield name, (value.float() if narrow else value).numpy()

    def findings(self, visualization: str) -> Sequence[Finding]:
        for name in (shards.SET, shards.MODEL):
            found = self.m.writer.findings(name, None) if name in self.m.writer.finished else {}
            if visualization in found:
                return found[visualization][0]
        return ()

    def _decoded(
        self, files: Sequence[ImageFile], numbers: Sequence[int], facts: bool = False
    ) -> Iterator[Decoded]:
        wanted = {int(number) for number in numbers}
        chosen = [file for file in files if file.number in wanted]
        decoded = stream(chosen, self.m.model.subject.preprocessing, facts=facts)
        return (image for image in decoded if isinstance(image, Decoded))
