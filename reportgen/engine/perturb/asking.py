"""Asks the network: forwards of batches and their perturbations, counted for the evidence's `cost`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from reportgen.engine.feed import ANY, Edit, Feed
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
        return self.feed.ask(self.network, x, self.output, taps, edit)

    def perturbed(
        self, images: int, maker: Maker, taps: Sequence[str] = ()
    ) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
        """Whose perturbations the packed ones are, (B,), batch by batch; their logits, what is tapped."""
        for image, number, pixels in self.packed(images, maker):
            edit = self.edit(maker, image, number)
            output = self.of(image).output
            yield image, *self.feed.ask(self.network, pixels, output, taps, edit)
            self.counted.perturbed_forwards += len(pixels)
            self.progress(self.counted.perturbed_forwards)

    def packed(self, images: int, maker: Maker) -> Iterator[tuple[Tensor, ...]]:
        """Full batches of the perturbations of so many images (see `packed` of the makers)."""
        return packed(images, maker, self.batch_size, self.device)

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
