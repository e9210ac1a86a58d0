"""What every question to the maps shares: the images of a batch, their maps, and how maps are made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from reportgen.engine.needs import ModelFacts
from reportgen.engine.onepass import OnePass
from reportgen.engine.plan import Plan
from reportgen.engine.randomise import ShuffledCopies
from reportgen.engine.targets import OfClasses
from reportgen.evidence import STAGES
from reportgen.findings import Array, Heatmap
from reportgen.measure.maps.likeness import Ranked
from reportgen.measure.visualizations import Visualization, needs_of
from reportgen.recipe import TrustRecipe

# by method and by row of the batch, the numbers that one question is answered by
ByMethod: TypeAlias = dict[str, dict[int, dict[str, float | None]]]
NETWORKS = 4  # differently shuffled ones, that the images take in turn: no verdict rests on one of them
QUICK = 10  # forwards and backwards of a map that is quick to make again; a backward counts as two


@dataclass(frozen=True)
class Sampled:
    """Images of one batch, (n, C, H, W), of `places` in the sample (n,): the class that is explained of each
    and the strongest other one, both (n,), None where there is none; their maps (n, h, w) by method; the
    boxes of their parts (n, P, 4)."""

    places: tuple[int, ...]
    pixels: Tensor
    targets: Tensor
    rivals: Tensor | None
    maps: dict[str, Tensor]
    boxes: Tensor
    masks: Tensor | None = None

    def rows(self, rows: Sequence[int]) -> Sampled:
        """Some of the images, in this order."""
        which = torch.tensor(list(rows), dtype=torch.int64)
        return Sampled(
            tuple(self.places[row] for row in rows),
            self.pixels[which],
            self.targets[which],
            None if self.rivals is None else self.rivals[which],
            {name: maps[which] for name, maps in self.maps.items()},
            self.boxes[which],
            None if self.masks is None else self.masks[which],
        )


@dataclass(frozen=True)
class Others:
    """The maps of all images of the sample, of `count`: their ranks, and those of their cell means, by method
    and by place in the sample."""

    count: int
    ranks: dict[str, dict[int, Ranked]]
    cells: dict[str, dict[int, Array | None]]

    def after(self, place: int) -> list[int]:
        """The other places, from the next one on."""
        return [*range(place + 1, self.count), *range(place)]


@dataclass(frozen=True)
class Asking:
    """A batch whose maps are asked, by an engine that counts for itself.

    `others` are the maps of all images of the sample. Quick
    methods are made again for every image; those that are dear for the images of the sample whose place is
    below `few`.
    """

    engine: OnePass
    facts: ModelFacts
    trust: TrustRecipe
    seed: int
    visualizations: tuple[Visualization, ...]
    batch: Sampled
    others: Others
    copies: ShuffledCopies = field(default_factory=lambda: ShuffledCopies(NETWORKS * len(STAGES)))

    @property
    def quick(self) -> tuple[Visualization, ...]:
        """The methods that are quick to make again."""
        return tuple(v for v in self.visualizations if work_of(v, self.facts) <= QUICK)

    @property
    def dear(self) -> tuple[Visualization, ...]:
        """The others."""
        return tuple(v for v in self.visualizations if work_of(v, self.facts) > QUICK)

    def groups(self) -> list[tuple[tuple[Visualization, ...], list[int]]]:
        """Methods, and the rows of the batch that their maps are made again for."""
        every = list(range(len(self.batch.places)))
        few = [row for row in every if self.batch.places[row] < self.trust.dear]
        return [(v, rows) for v, rows in ((self.quick, every), (self.dear, few)) if v and rows]

    def remade(
        self,
        visualizations: tuple[Visualization, ...],
        batch: Sampled,
        pixels: Tensor,
        classes: Sequence[Tensor],
        network: nn.Module | None = None,
    ) -> list[dict[str, Tensor]]:
        """The maps (n, h, w) by method, for each of several classes (n,), of other pixels (n, C, H, W) in the
        place of a batch's, by the network itself or by another one of the same layers."""
        slots = tuple(OfClasses(classes=several) for several in classes)
        plan = Plan(needs_of(visualizations), self.facts, len(slots))
        engine = replace(self.engine.over(batch.masks), plan=plan, slots=slots)
        if network is not None:
            engine = replace(engine, network=network)
        tapes = engine.run(pixels, torch.full((len(pixels),), -1))
        return [
            {
                v.name: torch.from_numpy(np.asarray(finding.values))
                for v in visualizations
                for finding in v.probe.measure(tape)
                if isinstance(finding, Heatmap) and finding.name == "map"
            }
            for tape in tapes
        ]


def work_of(visualization: Visualization, facts: ModelFacts) -> int:
    """What one map takes besides the image's own forward, in forwards; a backward counts as two."""
    each = Plan(visualization.needs, facts, 1).each
    return each.forwards + each.perturbed_forwards + 2 * each.backwards
