"""One model's measurement under way: what its steps share, and the batches of images that they see."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch

from reportgen.engine import atlas
from reportgen.engine import device as devices
from reportgen.engine.needs import PlacesDrawn
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.evidence import Timing, Writer
from reportgen.inputs import ImageFile, stream
from reportgen.inputs.images.loading import Decoded, Rejected
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.measure.audit import Audit
from reportgen.measure.earlier import Answers, changed
from reportgen.measure.models import ModelUnderAudit
from reportgen.measure.selection import choose
from reportgen.measure.spans import WHOLE, Part
from reportgen.measure.top_images import RankedSet
from reportgen.progress import Progress

T = TypeVar("T")


@dataclass
class Stopwatch:
    """Seconds by stage: what a report's cost is made of."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begun


@dataclass
class Measurement:
    """A model of an audit, and the evidence that is written of it.

    `given` are the numbers of the images to show, and how they were chosen, where that was decided
    elsewhere: a second model shows what the main one chose.
    """

    audit: Audit
    model: ModelUnderAudit
    writer: Writer
    progress: Progress
    engine: OnePass
    given: tuple[list[int], str] | None = None
    before: Sequence[Answers] = ()  # of an earlier audit, and of the model beside
    part: Part = WHOLE  # of the set, where others measure the rest
    watch: Stopwatch = field(default_factory=Stopwatch)
    failed_checks: dict[str, Exception] = field(default_factory=dict)  # by check, what it raised
    files: tuple[ImageFile, ...] = ()  # those that get figures; all, until they are chosen
    notes: list[str] = field(default_factory=list)  # what a reader must know of how it went

    def __post_init__(self) -> None:
        self.files = self.audit.files

    @property
    def two_rounds(self) -> bool:
        """Whether the set is scored, or ranked, before an image of it gets figures."""
        return self.audit.two_rounds(self.model)

    @property
    def chosen(self) -> tuple[list[int], str]:
        """The numbers of the images to show, and how they were chosen, once the set is scored."""
        if self.given is not None:
            return self.given
        show, seed = self.model.recipe.images.show, self.model.recipe.run.seed
        records = self.writer.of_set()
        return choose(records, show.at_most, show.choose, seed, changed(records, self.before))

    @cached_property
    def drawn(self) -> dict[PlacesDrawn, atlas.Drawn]:
        """The images of the set that single places are drawn of, by what asks for them."""
        return atlas.drawn_of(self.model.plan, self.audit.numbers)

    @cached_property
    def ranked(self) -> RankedSet:
        """The set ranked by what drives each channel, once it is scored."""
        return RankedSet(self.audit, self.model, self.writer, self.numbered, self.progress)

    def steps(self, stage: str) -> Callable[[int, int], None]:
        """Tells how far a stage has come."""
        return lambda done, total: self.progress(stage, done, total)

    def batches(
        self,
        files: Iterable[ImageFile],
        facts: bool = False,
        preprocessing: Preprocessing | None = None,
        ends: Collection[int] = (),
    ) -> Iterator[tuple[list[Decoded], list[Rejected]]]:
        """Full batches of what could be decoded, with what could not on the way; with the pictures' facts, or
        preprocessed in another way, where that is asked for. No batch goes on past a file whose number is
        among `ends`."""
        images: list[Decoded] = []
        rejected: list[Rejected] = []
        source = stream(list(files), preprocessing or self.model.subject.preprocessing, facts=facts)
        while True:
            with self.watch.on("decode"):
                item = next(source, None)
            if isinstance(item, Rejected):
                rejected.append(item)
            elif item is not None:
                images.append(item)
            ended = item is None or item.file.number in ends
            if len(images) >= self.engine.batch_size or (ended and (images or rejected)):
                yield images, rejected
                images, rejected = [], []
            if item is None:
                return

    def fitting(self, work: Callable[[], T]) -> T:
        """What `work` gives. Where the device has too little memory for it, batches are halved, those of the
        rest of the run too, and it is done again: `work` reads the size from the engine.

        Raises torch.OutOfMemoryError where the smallest batch is too large.
        """
        if self.engine.feed.images is not None:
            return work()  # the network takes batches of one size only
        return devices.fitting(lambda _size: work(), self.engine.batch_size, self._smaller)

    def in_parts(self, images: Sequence[Decoded], work: Callable[[list[Decoded]], None]) -> None:
        """Does `work` for a batch, which holds no image where none of its files could be decoded; in parts
        where the device has too little memory for the whole of it."""
        rest = list(images)
        while True:
            rest = rest[self.fitting(partial(self._part, rest, work)) :]
            if not rest:
                return

    def as_now(self, engine: OnePass) -> OnePass:
        """An engine with batches of the size that they have by now, which counts anew."""
        return replace(
            engine, batch_size=self.engine.batch_size, packed=self.engine.packed, counted=Counter()
        )

    def _part(self, images: list[Decoded], work: Callable[[list[Decoded]], None]) -> int:
        """Does `work` for as many images as a batch holds by now; how many these are."""
        part = images[: self.engine.batch_size]
        work(part)
        return len(part)

    def _smaller(self, size: int) -> None:
        self.engine = replace(self.engine, batch_size=size, packed=None)
        self.notes = [devices.in_smaller_batches(self.model.device, size, self.model.batch_size)]
        self.progress("memory", 0, 0, self.notes[0])

    def numbered(self, numbers: Iterable[int]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Images of the set by number, in batches."""
        wanted = set(numbers)
        for images, _ in self.batches(file for file in self.audit.files if file.number in wanted):
            if images:
                yield [image.file.number for image in images], pixels_of(images)

    def timing(self, begun: float) -> Timing:
        """What it took since `begun`, in seconds by stage, and the most memory."""
        # a run that only had to be sealed has spent nothing on these
        stages = dict.fromkeys(("decode", "compute", "encode"), 0.0)
        return {
            "seconds": {**stages, **self.watch.seconds, "total": time.perf_counter() - begun},
            "peak_memory_bytes": devices.peak_memory_bytes(self.model.device),
        }


def pixels_of(images: Sequence[Decoded]) -> torch.Tensor:
    """The batch (N, C, H, W) float32."""
    return torch.from_numpy(np.stack([image.pixels for image in images]))


def labels_of(images: Sequence[Decoded]) -> torch.Tensor:
    """The indices of the labels (N,) int64, -1 where there is none."""
    indices = (image.file.label_index for image in images)
    return torch.tensor([-1 if index is None else index for index in indices])


def masks_of(images: Sequence[Decoded]) -> torch.Tensor | None:
    """The images' masks, bool (N, H, W); None where they have none."""
    masks = [image.mask for image in images if image.mask is not None]
    return torch.from_numpy(np.stack(masks)) if masks and len(masks) == len(images) else None


def boxes_of(images: Sequence[Decoded]) -> PartBoxes:
    """Where the recipe's parts lie on the batch."""
    boxes = torch.from_numpy(np.stack([image.boxes for image in images]))  # (N, P, 4)
    return PartBoxes(boxes, [image.file.number for image in images])
