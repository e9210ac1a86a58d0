"""The step that puts the maps to the test: the sample, its batches, and the shards that are written of
them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from reportgen.engine.needs import ModelFacts
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.perturb.deletion import cell_means
from reportgen.engine.randomise import ShuffledCopies
from reportgen.evidence import Findings, Record, TrustRecord, Writer, shards
from reportgen.findings import Array, Heatmap
from reportgen.inputs.images.loading import Decoded
from reportgen.measure.maps.asking import NETWORKS, Asking, Others, Sampled
from reportgen.measure.maps.likeness import Ranked
from reportgen.measure.maps.mosaics import Mosaic, arranged
from reportgen.measure.maps.price import explaining, has_mosaics, has_rivals
from reportgen.measure.maps.sample import drawn
from reportgen.measure.maps.trial import Mosaics, tried
from reportgen.measure.measurement import Measurement, boxes_of, masks_of, pixels_of
from reportgen.measure.visualizations import Visualization
from reportgen.stats import unit_ranks

SURE = 0.5  # of a mosaic only images whose answer is more probable than not


@dataclass(frozen=True)
class Sample:
    """The images of the sample in order, with their records and shards; whether each is doubtful."""

    numbers: tuple[int, ...]
    doubtful: tuple[bool, ...]
    measured: tuple[tuple[str, Record], ...]

    @classmethod
    def of(cls, m: Measurement) -> Sample:
        """Drawn from what has figures."""
        trust, seed = m.model.recipe.trust, m.model.recipe.run.seed
        pairs = drawn(m.writer.records(shards.BATCH), trust.images, seed)
        numbers = tuple(number for number, _ in pairs)
        return cls(numbers, tuple(doubt for _, doubt in pairs), tuple(map(m.writer.measured, numbers)))

    def place(self, number: int) -> int:
        """Where an image stands in the sample."""
        return self.numbers.index(number)


def put_to_the_test(m: Measurement) -> None:
    """Asks every question of the maps of a sample of the measured images, a shard a batch."""
    sample = Sample.of(m)
    asked = explaining(m.model.visualizations)
    if not asked:
        return
    done = {record["number"] for record in m.writer.records(shards.TRUST)}
    left = set(sample.numbers) - done
    m.progress("trust", len(done), len(sample.numbers))
    if not left:
        return
    others = _others(m.writer, sample, {v.name for v in asked}, m.model.facts)
    mosaics = _mosaics(m, sample)
    copies = ShuffledCopies(NETWORKS * len(shards.STAGES))
    for images, _ in m.batches(file for file in m.audit.files if file.number in left):
        m.in_parts(images, partial(_tested, m, sample, asked, others, mosaics, copies))
        m.progress("trust", len(m.writer.records(shards.TRUST)), len(sample.numbers))


def _others(writer: Writer, sample: Sample, names: Collection[str], facts: ModelFacts) -> Others:
    """The ranks of every map of the sample, read back from the evidence one image at a time."""
    side = (facts.input_shape[1], facts.input_shape[2])
    ranks: dict[str, dict[int, Ranked]] = {name: {} for name in names}
    cells: dict[str, dict[int, Array | None]] = {name: {} for name in names}
    for place, (shard, record) in enumerate(sample.measured):
        for name, values in attributions(writer.findings(shard, record["row"]), names).items():
            ranks[name][place] = Ranked.of(values)
            cells[name][place] = unit_ranks(cell_means(values[None], side)[0].double().numpy())
    return Others(len(sample.numbers), ranks, cells)


def attributions(findings: Findings, names: Collection[str]) -> dict[str, Tensor]:
    """One image's map (h, w) by every method that explains the answer, for its first target."""
    return {
        method: torch.from_numpy(finding.values)
        for method, slots in sorted(findings.items())  # the order of a shard that was read back
        if method in names
        for finding in slots[0]
        if isinstance(finding, Heatmap) and finding.name == "map"
    }


def _mosaics(m: Measurement, sample: Sample) -> Mosaics:
    """The mosaics of the sample, and the pixels of the images in them; none where answers are no classes of
    single pictures, or are taken at certain places of them."""
    if not has_mosaics(m.model.facts):
        return Mosaics({}, {})
    by_place = arrangement(sample.measured, m.model.recipe.run.seed)
    wanted = {sample.numbers[place] for mosaic in by_place.values() for place in mosaic.places}
    pixels: dict[int, Tensor] = {}
    for numbers, several in m.numbered(wanted):
        pixels |= {sample.place(number): each for number, each in zip(numbers, several, strict=True)}
    return Mosaics(by_place, pixels)


def arrangement(measured: Sequence[tuple[str, Record]], seed: int) -> Mapping[int, Mosaic]:
    """Which images of the sample stand together; only those whose answer is explained take part."""
    best = [record["predictions"][0] for _, record in measured]
    explained = [record["targets"][0]["class_index"] for _, record in measured]
    sure = [
        (answer["probability"] or 0) > SURE and answer["class_index"] == target
        for answer, target in zip(best, explained, strict=True)
    ]
    return arranged(explained, sure, seed)


def _tested(
    m: Measurement,
    sample: Sample,
    asked: tuple[Visualization, ...],
    others: Others,
    mosaics: Mosaics,
    copies: ShuffledCopies,
    images: list[Decoded],
) -> None:
    """Asks all of a batch of sampled images and writes its shard."""
    places = [sample.place(image.file.number) for image in images]
    measured = [sample.measured[place] for place in places]
    names = {v.name for v in asked}
    each = [attributions(m.writer.findings(shard, record["row"]), names) for shard, record in measured]
    counted = Counter()
    with m.watch.on("trust"):
        engine = replace(m.engine, counted=counted, progress=lambda _done: None)
        batch = Sampled(
            tuple(places),
            pixels_of(images),
            torch.tensor([record["targets"][0]["class_index"] for _, record in measured]),
            _rivals(m.model.facts, [record for _, record in measured]),
            {method: torch.stack([of_image[method] for of_image in each]) for method in each[0]},
            boxes_of(images).boxes,
            masks_of(images),
        )
        recipe = m.model.recipe
        asking = Asking(engine, m.model.facts, recipe.trust, recipe.run.seed, asked, batch, others, copies)
        found = tried(asking, mosaics)
    rows: list[TrustRecord] = [
        {
            "number": record["number"],
            "id": record["id"],
            "target": {
                "class_index": record["targets"][0]["class_index"],
                "class_name": record["targets"][0]["class_name"],
            },
            "doubtful": sample.doubtful[place],
            **trial,
        }
        for (_, record), place, trial in zip(measured, places, found, strict=True)
    ]
    m.writer.write(m.writer.next(shards.TRUST), {}, rows, cost=cost_of(counted))


def _rivals(facts: ModelFacts, records: Sequence[Record]) -> Tensor | None:
    """The strongest class of each image beside the one that is explained, (n,); None where there is no class
    that is more than the other's mirror."""
    if not has_rivals(facts):
        return None
    return torch.tensor(
        [
            next(
                answer["class_index"]
                for answer in record["predictions"]
                if answer["class_index"] != record["targets"][0]["class_index"]
            )
            for record in records
        ]
    )


def cost_of(counted: Counter) -> dict[str, int]:
    """What was spent, in images, by the evidence's names."""
    return {
        "trust_forwards": counted.forwards + counted.perturbed_forwards,
        "trust_backwards": counted.backwards,
    }
