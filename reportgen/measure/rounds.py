"""The pass over the set: batches in, shards out. A batch is measured, written and freed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reportgen.engine import device as devices
from reportgen.engine import top_images
from reportgen.engine.ascent import Climber
from reportgen.engine.onepass import Counter, OnePass, frozen
from reportgen.engine.perturb.part_boxes import Places
from reportgen.engine.tape import BatchTape, model_tape
from reportgen.engine.targets import Slot
from reportgen.evidence import Findings, Record, Writer, is_unanswered
from reportgen.findings import Array, Tally
from reportgen.inputs import ImageFile, stream
from reportgen.inputs.images import Decoded, Rejected, none_readable
from reportgen.measure import records, sanity
from reportgen.measure.selection import choose, sample
from reportgen.measure.session import Session
from reportgen.measure.stopwatch import Stopwatch
from reportgen.measure.top_images import RANKS, RankedSet
from reportgen.progress import Progress


@dataclass
class Measurement:
    """Measures a session into a writer's shards, in one round or, for a large set, in two.

    `shown` are the numbers of the images to show, and how they were chosen, where that was decided
    elsewhere: a second model shows what the first one chose.
    """

    session: Session
    writer: Writer
    progress: Progress
    shown: tuple[list[int], str] | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)

    def __post_init__(self) -> None:
        self.ranked = RankedSet(self.session, self.writer, self._numbered, self.progress)

    def run(self) -> str:
        """Writes every shard that is not there yet. Returns how the shown images were chosen.

        Raises InputError where no image could be read or the device has too little memory.
        """
        session = self.session
        network = session.feed.placed(session.subject.network, session.device)
        memory = devices.enough_memory(session.device, session.batch_size)
        with devices.repeatable(session.recipe.run.seed), frozen(network), memory:
            engine = OnePass(
                network,
                session.plan,
                session.slots,
                session.subject.preprocessing.normalisation,
                session.device,
                session.batch_size,
                session.recipe.model.output,
                session.feed,
            )
            files: Sequence[ImageFile] = session.files
            if session.two_rounds:
                self._round("score", files, engine, self._scored)
                chosen = set(self._chosen()[0])
                files = [file for file in files if file.number in chosen]
                # what is about the whole set was asked when it was scored
                engine = replace(engine, plan=session.plan.second_round())
            self._round("batch", files, engine, self._measured)
            self._refuse_empty()  # before anything that costs time and shows nothing without images
            self._sample_rounds(engine)
            self._trust_round(engine)
            self._model_shard(engine)
        self._set_shard()
        return self._chosen()[1]

    def _model_shard(self, engine: OnePass) -> None:
        """What is known once the set has been seen: weights, the pictures that are climbed, and the
        strongest images, which are seen again."""
        if "model" in self.writer.finished:
            return
        plan, facts = self.session.plan, self.session.facts
        climber = Climber(
            engine.network,
            facts,
            engine.normalisation,
            engine.device,
            engine.batch_size,
            engine.output,
            engine.feed,
            lambda done, total: self.progress("ascend", done, total),
        )
        with self.watch.on("compute"):
            ascended = climber.run(plan.ascents)
            again, spent = self.ranked.seen_again(engine)
        tape = model_tape(engine.network, facts, plan.needs, again | ascended)
        found: Findings = {p.name: [tuple(p.probe.measure(tape))] for p in plan.of_scope("model")}
        cost = {**(climber.cost if ascended else {}), **spent}
        self.writer.write("model", found, cost=cost)

    def _numbered(self, numbers: Iterable[int]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Images of the set by number, in batches."""
        wanted = set(numbers)
        for images, _ in self._batches([f for f in self.session.files if f.number in wanted]):
            if images:
                yield [image.file.number for image in images], pixels_of(images)

    def _chosen(self) -> tuple[list[int], str]:
        if self.shown is not None:
            return self.shown
        show = self.session.recipe.images.show
        seed = self.session.recipe.run.seed
        # of the first round: in an interrupted run some images of the second are there already
        scored = self.writer.records("score" if self.session.two_rounds else "batch")
        return choose(scored, show.at_most, show.choose, seed)

    def _round(
        self,
        kind: str,
        files: Iterable[ImageFile],
        engine: OnePass,
        write: Callable[[str, OnePass, list[Decoded], list[Record]], None],
    ) -> None:
        """Streams files in full batches, each to a shard `kind-000000`, past those already there."""
        shards = [name for name in self.writer.finished if name.startswith(kind)]
        done = {record["number"] for record in self.writer.records(kind)}
        todo = [file for file in files if file.number not in done]
        stage = {"score": "score", "batch": "measure"}.get(kind, "sample")
        total = len(done) + len(todo)
        finished = len(done)
        self.progress(stage, finished, total)
        for number, (images, rejected) in enumerate(self._batches(todo), start=len(shards)):
            refused = [records.of_rejected(r) for r in rejected]
            engine.counted = Counter()
            engine.progress = self._windows()
            write(f"{kind}-{number:06d}", engine, images, refused)
            finished += len(images) + len(rejected)
            self.progress(stage, finished, total)

    def _windows(self) -> Callable[[int], None]:
        """Tells how many variants of the whole set are done, and how many a whole run has."""
        session = self.session
        shown = min(session.readable, session.recipe.images.show.at_most)
        total = session.plan.cost(session.readable, shown)["occlusion_forwards"]
        before = self.writer.cost().get("occlusion_forwards", 0)

        def tell(done: int) -> None:
            self.progress("occlude", min(before + done, total), total)

        return tell

    def _batches(self, files: list[ImageFile]) -> Iterator[tuple[list[Decoded], list[Rejected]]]:
        """Full batches of what could be decoded, with what could not on the way."""
        images: list[Decoded] = []
        rejected: list[Rejected] = []
        source = stream(files, self.session.subject.preprocessing)
        while True:
            with self.watch.on("decode"):
                item = next(source, None)
            if isinstance(item, Rejected):
                rejected.append(item)
            elif item is not None:
                images.append(item)
            if len(images) == self.session.batch_size or (item is None and (images or rejected)):
                yield images, rejected
                images, rejected = [], []
            if item is None:
                return

    def _scored(
        self, name: str, engine: OnePass, images: list[Decoded], refused: list[Record]
    ) -> None:
        """One batch of the first round: answers only."""
        if not images:
            self.writer.write(name, {}, refused)
            return
        with self.watch.on("compute"):
            # no target and no gradient: a forward with the taps that the set's statistics need
            bare = replace(engine, plan=engine.plan.first_round(), slots=(Slot("predicted"),))
            (tape,) = bare.run(pixels_of(images), torch.full((len(images),), -1), places_of(images))
            tallies = self._tallies(tape, images)
        logits = tape.logits.cpu().numpy()
        scored = self._records(images, logits)
        counted = asdict(bare.counted)
        self.writer.write(name, {}, scored + refused, {"logits": logits}, counted, tallies)

    def _measured(
        self, name: str, engine: OnePass, images: list[Decoded], refused: list[Record]
    ) -> None:
        """One batch with everything: a forward, the backwards, the variants, every probe."""
        if not images:
            self.writer.write(name, {}, refused)
            return
        labels = [_label(image) for image in images]
        with self.watch.on("compute"):
            tapes = engine.run(pixels_of(images), torch.tensor(labels), places_of(images))
            tapes, spent = self.ranked.with_kindred(engine, tapes, [image.file.number for image in images])
            found = self._findings(tapes)
            tallies = self._shown_tallies(tapes[0])
            if not self.session.two_rounds:
                tallies |= self._tallies(tapes[0], images)
        logits = tapes[0].logits.cpu().numpy()
        measured = self._records(images, logits)
        offset = 0
        for row, record in enumerate(measured):
            if is_unanswered(record):  # there is no answer to explain
                offset += len(images[row].original_jpeg)
                continue
            size = len(images[row].original_jpeg)
            record |= {
                "measured": True,
                "original_bytes": [offset, offset + size],
                "targets": self._targets(tapes, row, logits[row], labels[row] >= 0),
            }
            offset += size
        with self.watch.on("encode"):
            arrays = self._arrays(images, logits)
            counted = {**asdict(engine.counted), **spent}
            self.writer.write(name, found, measured + refused, arrays, counted, tallies)

    def _sample_rounds(self, engine: OnePass) -> None:
        """Samples of the readable images, whether they are shown or not: tallies only."""
        for size, plan in self.session.samples.items():
            drawn = set(sample(self.session.files, size, self.session.recipe.run.seed))
            files = [file for file in self.session.files if file.number in drawn]
            asked = replace(engine, plan=plan, slots=self.session.slots[:1])
            self._round(f"sample-{size:06d}", files, asked, self._sampled)

    def _sampled(self, name: str, engine: OnePass, images: list[Decoded], refused: list[Record]) -> None:
        """One batch of a sample."""
        tallies: dict[str, Tally] = {}
        if images:
            labels = torch.tensor([_label(image) for image in images])
            with self.watch.on("compute"):
                (tape,) = engine.run(pixels_of(images), labels, places_of(images))
                tallies = {p.name: p.probe.tally(tape) for p in engine.plan.planned}
        seen = [{"number": image.file.number} for image in images]
        self.writer.write(name, {}, seen + refused, cost=asdict(engine.counted), tallies=tallies)

    def _trust_round(self, engine: OnePass) -> None:
        """Puts the maps of a sample of the measured images to the test, a shard a batch."""
        chosen = sanity.sample(self.writer.records("batch"), self.session)
        done = {record["number"] for record in self.writer.records("trust")}
        todo = [file for file in self.session.files if file.number in chosen - done]
        self.progress("trust", len(done), len(chosen))
        first = sum(name.startswith("trust") for name in self.writer.finished)
        for number, (images, _) in enumerate(self._batches(todo), start=first):
            places = [self.writer.place(image.file.number) for image in images]
            with self.watch.on("trust"):
                tried, cost = sanity.tried(self.session, engine, self.writer, pixels_of(images), places)
            self.writer.write(f"trust-{number:06d}", {}, tried, cost=cost)
            self.progress("trust", len(self.writer.records("trust")), len(chosen))

    def _findings(self, tapes: list[BatchTape]) -> Findings:
        """Every probe of scope `image`: once a target where it explains one, else once."""
        return {
            planned.name: [
                tuple(planned.probe.measure(tape))
                for tape in (tapes if planned.per_target else tapes[:1])
            ]
            for planned in self.session.plan.of_scope("image")
        }

    def _tallies(self, tape: BatchTape, images: list[Decoded]) -> dict[str, Tally]:
        """What every probe of scope `set` keeps of a batch, and the batch's strongest images."""
        plan = self.session.plan
        kept: dict[str, Tally] = {p.name: p.probe.measure(tape) for p in plan.of_scope("set")}
        best = top_images.rank(plan, tape, [image.file.number for image in images])
        return kept | ({RANKS: best} if best else {})

    def _shown_tallies(self, tape: BatchTape) -> dict[str, Tally]:
        """What probes of scope `image` keep of a batch for the set, where no sample is drawn for it."""
        drawn = {p.name for plan in self.session.samples.values() for p in plan.planned}
        summed = [p for p in self.session.plan.of_scope("image") if p.summed and p.name not in drawn]
        return {p.name: p.probe.tally(tape) for p in summed}

    def _set_shard(self) -> None:
        """The findings of scope `set`, and of those of scope `image` that sum up, from all tallies."""
        found: Findings = {}
        plan = self.session.plan
        for planned in (*plan.of_scope("set"), *(p for p in plan.of_scope("image") if p.summed)):
            tally = self.writer.tally(planned.name)
            if tally is not None:
                found[planned.name] = [tuple(planned.probe.conclude(tally, self.session.facts))]
        self.writer.write("set", found)

    def _records(self, images: list[Decoded], logits: Array) -> list[Record]:
        classes = self.session.facts.classes
        return [
            records.of_scored(image, row, logits[row], classes) for row, image in enumerate(images)
        ]

    def _targets(
        self, tapes: list[BatchTape], row: int, logits: Array, labelled: bool
    ) -> list[dict[str, Any]]:
        classes = self.session.facts.classes
        return [
            records.of_target(slot, number, int(tape.targets[row]), logits, classes, labelled)
            for number, (slot, tape) in enumerate(zip(self.session.slots, tapes, strict=True))
        ]

    def _arrays(self, images: list[Decoded], logits: Array) -> dict[str, Array]:
        originals = np.frombuffer(b"".join(i.original_jpeg for i in images), dtype=np.uint8)
        arrays: dict[str, Array] = {
            "logits": logits,
            "seen": np.stack([image.seen for image in images]),
            "originals": originals,
        }
        if self.session.save_maps:
            arrays["input"] = np.stack([image.pixels for image in images])
        return arrays

    def _refuse_empty(self) -> None:
        found = self.writer.records("score" if self.session.two_rounds else "batch")
        if not any(record["status"] == "ok" for record in found):
            refused = [(r["path"], r["reason"]) for r in found]
            raise none_readable(Path(self.session.images), refused)


def _label(image: Decoded) -> int:
    """The index of the label, -1 where there is none."""
    return -1 if image.file.label_index is None else image.file.label_index


def pixels_of(images: list[Decoded]) -> torch.Tensor:
    """The batch (N, C, H, W) float32."""
    return torch.from_numpy(np.stack([image.pixels for image in images]))


def places_of(images: list[Decoded]) -> Places:
    """Where the recipe's parts lie on the batch."""
    boxes = torch.from_numpy(np.stack([image.boxes for image in images]))  # (N, P, 4)
    return Places(boxes, [image.file.number for image in images])
