"""Answers to local perturbations of images, patch by patch where this pays and the trial agrees.

Which way is taken depends on the network, the size of its input and the boxes alone, so that a resumed audit
takes the same one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from reportgen.engine.feed import Feed
from reportgen.engine.fusing.layers import Folds
from reportgen.engine.incremental import layouts, rules  # noqa: F401  they register themselves
from reportgen.engine.incremental.boxes import Ints
from reportgen.engine.incremental.cost import DENSE_FROM, Grouping, grouped
from reportgen.engine.incremental.patched import Forward, dense_of
from reportgen.engine.incremental.steps import Program
from reportgen.engine.incremental.trying import agrees, program_of, start
from reportgen.engine.network.output import Output

log = logging.getLogger("reportgen")
FEWEST = 24  # boxes of an image: for fewer the trial costs more than it may save
WORTH = 1.15  # how many times cheaper patches have to be


class Asks(Protocol):
    """Who asks: the network on its device, how it is fed and read, how many images a batch holds."""

    @property
    def network(self) -> nn.Module: ...
    @property
    def feed(self) -> Feed: ...
    @property
    def packed_size(self) -> int: ...
    @property
    def output(self) -> Output: ...
    def of(self, images: Tensor) -> Asks: ...


@dataclass(frozen=True)
class Local:
    """Perturbations that change images x (N, C, H, W) inside boxes only: top, left, bottom and right
    in pixels, (V, 4) or (N, V, 4), where what stands `inside` (N, C, H, W) takes their place."""

    x: Tensor
    inside: Tensor
    boxes: Tensor

    def of(self, image: int) -> Ints:
        """The boxes of one image, (V, 4)."""
        own = self.boxes if self.boxes.ndim == 2 else self.boxes[image]
        found: Ints = own.cpu().numpy().astype(np.int64)
        return found


@dataclass
class Incremental:
    """What is known of networks that were asked patch by patch: their programs, None where it cannot be."""

    programs: WeakKeyDictionary[nn.Module, dict[Any, Program | None]] = field(
        default_factory=WeakKeyDictionary
    )
    groupings: dict[Any, Grouping] = field(default_factory=dict)
    patched: int = 0  # operations on patches so far

    def grouping(self, asker: Asks, local: Local, image: int, kept: int | None) -> Grouping | None:
        """In which groups an image's boxes are answered; None where each is better asked in full. `kept` are
        the numbers that are kept of each image's layers, in order; None where nothing is."""
        boxes = local.of(image)
        feed = asker.feed
        if feed.random or feed.images is not None or asker.packed_size == 1 or len(boxes) < FEWEST:
            return None
        program = self._program(asker, local, image, boxes)
        if program is None:
            return None
        sides = tuple(local.x.shape[-2:])
        key = (id(program), boxes.tobytes(), sides, asker.packed_size, kept)
        if key not in self.groupings:
            in_order = kept is not None
            self.groupings[key] = grouped(program, boxes, sides, asker.packed_size, in_order, kept or 0)
        found = self.groupings[key]
        return found if found.gain >= WORTH else None

    def answers(
        self, asker: Asks, local: Local, image: int, grouping: Grouping, taps: Sequence[str]
    ) -> Iterator[tuple[Ints, Tensor, dict[str, Tensor]]]:
        """Group by group the numbers of its boxes, (K,), their logits (K, classes) and what is tapped."""
        boxes, x, inside = local.of(image), local.x[image : image + 1], local.inside[image : image + 1]
        known: dict[Any, Any] | None = {} if len(grouping.groups) > 1 else None
        folds = Folds()
        for group in grouping.groups:
            forward = Forward(DENSE_FROM, known, folds=folds)
            whose = torch.full((len(group),), image, device=x.device)
            logits, kept = asker.feed.ask(
                asker.network, start(forward, x, inside, boxes[group]), asker.of(whose).output, taps
            )
            self.patched += forward.patched
            yield group, dense_of(logits), {name: dense_of(value) for name, value in kept.items()}

    def _program(self, asker: Asks, local: Local, image: int, boxes: Ints) -> Program | None:
        x = local.x
        own = self.programs.setdefault(asker.network, {})
        key = (tuple(x.shape[1:]), x.dtype, x.device, asker.feed.layout)
        if key not in own:
            own[key] = self._tried(asker, x, image, boxes)
        return own[key]

    def _tried(self, asker: Asks, x: Tensor, image: int, boxes: Ints) -> Program | None:
        """The network's program, where it answers alike on a picture of noise."""
        noise = torch.randn(1, *x.shape[1:], generator=torch.Generator().manual_seed(0))
        noise = asker.feed.laid(noise.to(x))

        def answer(batch: Tensor) -> Tensor:
            whose = torch.full((len(batch),), image, device=x.device)
            return asker.feed.ask(asker.network, batch, asker.of(whose).output)[0]

        try:
            program = program_of(answer, noise)
            fits = agrees(answer, noise, boxes, DENSE_FROM)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # any code of the user's may run here: it is asked in full
            log.debug("the network is not asked patch by patch: %s: %s", type(error).__name__, error)
            return None
        if not fits:
            log.debug("the network is not asked patch by patch: it answers otherwise than in full")
        return program if fits else None
