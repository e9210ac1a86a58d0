"""Asks the network: forwards of batches and their perturbations, counted for the evidence's `cost`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from reportgen.engine.device import Packed
from reportgen.engine.feed import ANY, Edit, Feed
from reportgen.engine.fusing.forwards import Fused
from reportgen.engine.fusing.layers import Folds
from reportgen.engine.incremental.answering import Incremental, Local
from reportgen.engine.incremental.boxes import Ints
from reportgen.engine.incremental.cost import Grouping
from reportgen.engine.network.facts import ModelFacts
from reportgen.engine.network.head import Head
from reportgen.engine.network.output import Output
from reportgen.engine.perturb.makers import Maker, packed


@dataclass
class Counter:
    """What was really spent, in images."""

    forwards: int = 0
    backwards: int = 0
    perturbed_forwards: int = 0

    def as_cost(self) -> dict[str, int]:
        """By the names that the evidence has for it, where perturbed images are called occluded."""
        return {
            "forwards": self.forwards,
            "backwards": self.backwards,
            "occlusion_forwards": self.perturbed_forwards,
        }


@dataclass(frozen=True)
class Asker:
    """A frozen network on its device. `progress` is called with the perturbed forwards counted so far."""

    network: nn.Module
    facts: ModelFacts
    device: torch.device
    batch_size: int
    output: Output = None
    feed: Feed = ANY
    counted: Counter = field(default_factory=Counter)
    progress: Callable[[int], None] = lambda done: None
    incremental: Incremental = field(default_factory=Incremental)
    fused: Fused = field(default_factory=Fused)
    packing: Packed | None = None  # how many perturbations a batch holds; None for as many as images

    @property
    def packed_size(self) -> int:
        """How many perturbations a batch of forwards without a gradient holds."""
        return self.packing.forwards if self.packing else self.batch_size

    @property
    def differentiated_size(self) -> int:
        """How many a batch holds that is differentiated."""
        return self.packing.gradients if self.packing else self.batch_size

    def of(self, images: Tensor) -> Asker:
        """The asker of a batch that holds these images of its own batch, (B,), some of them several times:
        where an image has a mask, each of its perturbations has it too."""
        if not isinstance(self.output, Head) or self.output.region is None:
            return self
        return replace(self, output=replace(self.output, region=self.output.region.of(images)))

    def forward(
        self, x: Tensor, taps: Sequence[str] = (), edit: Edit | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits of a batch (N, C, H, W), and what is tapped; a forward of every image."""
        self.counted.forwards += len(x)
        return self.fused.ask(self, x, Folds(), taps, edit)

    def perturbed(
        self, images: int, maker: Maker, taps: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """Whose perturbations the packed ones are, (B,), batch by batch; their logits, what is tapped.

        Where perturbations change boxes only, and it costs less, the answers are worked out from those of
        the image as it is (see `incremental`): image by image, and the same up to rounding.
        """
        if maker.local is None or maker.inside is not None:
            yield from self._in_full(self.packed(images, maker, taps), maker, taps)
            return
        whose = range(images) if maker.images is None else maker.images.tolist()
        waiting: list[int] = []  # images that are asked in full share their batches
        for image in whose:
            if self._grouping(maker.local, image, taps) is None:
                waiting.append(image)
                continue
            yield from self._waiting(waiting, maker, taps)
            waiting = []
            yield from self._locally(maker.local, image, taps)
        yield from self._waiting(waiting, maker, taps)

    def _waiting(
        self, images: Sequence[int], maker: Maker, taps: Sequence[str]
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """All perturbations of some images, in full."""
        if images:
            some = replace(maker, images=torch.tensor(images, device=self.device))
            yield from self._in_full(self.packed(len(images), some, taps), maker, taps)

    def _in_full(
        self, batches: Iterator[tuple[Tensor, ...]], maker: Maker, taps: Sequence[str]
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        folds = Folds()
        for image, number, pixels in batches:
            edit = self.edit(maker, image, number)
            yield image, *self.fused.ask(self.of(image), pixels, folds, taps, edit)
            self._count(len(pixels))

    def _grouping(self, local: Local, image: int, taps: Sequence[str]) -> Grouping | None:
        kept = [self.facts.layer(name).output_bytes // 4 for name in taps]
        return self.incremental.grouping(self, local, image, sum(kept) if taps else None)

    def _locally(
        self, local: Local, image: int, taps: Sequence[str]
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """All perturbations of one image, from its own answers: in the boxes' order, at once where nothing is
        tapped and groups may be of any order."""
        grouping = self._grouping(local, image, taps)
        assert grouping is not None
        collected: list[tuple[Ints, Tensor]] = []
        for numbers, logits, kept in self.incremental.answers(self, local, image, grouping, taps):
            if taps:
                yield self._image(image, len(logits)), logits, kept
            else:
                collected.append((numbers, logits))
            self._count(len(logits))
        if collected:
            order = torch.from_numpy(np.concatenate([numbers for numbers, _ in collected])).to(self.device)
            logits = torch.cat([each for _, each in collected])
            yield self._image(image, len(logits)), torch.empty_like(logits).index_copy_(0, order, logits), {}

    def _image(self, image: int, count: int) -> Tensor:
        return torch.full((count,), image, device=self.device)

    def _count(self, images: int) -> None:
        self.counted.perturbed_forwards += images
        self.progress(self.counted.perturbed_forwards)

    def packed(self, images: int, maker: Maker, taps: Sequence[str] = ()) -> Iterator[tuple[Tensor, ...]]:
        """Full batches of the perturbations of so many images (see `packed` of the makers), of forwards
        without a gradient; smaller ones where layers' outputs are kept."""
        size = self.batch_size if taps else self.packed_size
        return packed(images, maker, size, self.device)

    def differentiated(self, images: int, maker: Maker) -> Iterator[tuple[Tensor, ...]]:
        """The same in batches that are differentiated."""
        return packed(images, maker, self.differentiated_size, self.device)

    def edit(self, maker: Maker, image: Tensor, number: Tensor) -> Edit | None:
        """What a packed batch of perturbations changes inside the network, where it does."""
        inside = maker.inside
        if inside is None:
            return None
        return Edit(
            inside.layer,
            self.facts.layer(inside.layer).calls,
            lambda activation, row: inside.change(activation, image[row], number[row]),
        )
