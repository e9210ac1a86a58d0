"""Needs of an activation atlas: places of a layer over the whole set, and pictures driven up to their means.

Carter et al. 2019, Activation Atlas (doi:10.23915/distill.00015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from reportgen.engine.needs.ascent import Climb
from reportgen.engine.needs.work import Work
from reportgen.engine.network.facts import LayerFacts, ModelFacts
from reportgen.findings import Array

# layers that hand a mean of maps on as it is
SILENT = ("AdaptiveAvgPool2d", "AvgPool2d", "Flatten", "Dropout", "Identity")
TOLERANCE = 0.02


def linear_head(model: ModelFacts, layer: LayerFacts) -> LayerFacts | None:
    """The linear layer that may read the mean of a layer's maps, a row of weights a class; None where another
    layer stands between, or where the outputs are no scores of classes. What is in no layer (a functional
    rectifier, a maximum over places) is not seen here: `reads_means` tells by numbers."""
    head, exclusive = model.leaves()[-1], model.head.kind in ("classes", "labels")
    between = [x for x in model.leaves()[:-1] if x.finished > layer.finished]
    reads = head.type == "Linear" and head.weight_shape == (model.class_count, layer.maps)
    silent = all(x.type in SILENT for x in between)
    return head if reads and silent and exclusive and model.head.form == "logits" else None


def reads_means(weight: Array, charted: Charted) -> bool:
    """Whether the logits are W·m + b of the means m of the layer's maps, W (classes, C) the weights and b the
    same for all images: what is left of the logits then does not differ between images. A share of
    `TOLERANCE` of how they differ is rounding, of a network in bfloat16 too. It takes two images."""
    if len(charted.means) < 2:
        return False
    left = charted.logits - charted.means @ weight.T  # (n, classes)
    differ, remain = (float(np.linalg.norm(x - x.mean(0))) for x in (charted.logits, left))
    return 0 < differ < np.inf and remain <= TOLERANCE * differ


@dataclass(frozen=True)
class PlacesDrawn:
    """What a layer answers at places of the set's images drawn at random: about `places` in all, as many an
    image as it takes, of no more images than that. The border of a map, which sees the padding, is left out
    where the map has an inside."""

    layer: str
    places: int
    seed: int = 0

    def work(self, _model: ModelFacts) -> Work:
        return Work("set", taps=(self.layer,))


@dataclass(frozen=True)
class Atlas:
    """Places in two dimensions under a grid of `side` × `side` cells, and for each cell that has at least
    `fewest` of them the picture that a layer answers in the direction of their mean.

    The direction is S·v, v the mean and S the inverse of the second moments of all places, shrunk (Ledoit &
    Wolf 2004); what is driven up is (a·u)·max(0.1, cos(a, u))^`power`, u that direction at length 1 and a
    the answer at a place, in the mean over the places of the picture.
    """

    drawn: PlacesDrawn
    side: int
    fewest: int
    power: float
    climb: Climb

    def work(self, _model: ModelFacts) -> Work:
        cells = min(self.side**2, self.drawn.places // max(1, self.fewest))
        once = {
            "ascent_forwards": cells * (self.climb.steps + 2),
            "ascent_backwards": cells * self.climb.steps,
        }
        return Work("model", requires=(self.drawn,), rules=("exact",), once=once, lines=_lines)


def _lines(several: Sequence[Atlas], _images: int) -> list[str]:
    cells = sum(min(need.side**2, need.drawn.places // max(1, need.fewest)) for need in several)
    steps = max(need.climb.steps for need in several)
    words = f"of an atlas at most {cells} pictures are driven up by gradient ascent"
    return [f"{words}: {steps} forwards and backwards each"]


@dataclass(frozen=True)
class Cell:
    """One cell: where it is on the grid, how many places it has and of how many images, their mean (C,), the
    classes that these images were answered with, the most frequent first, and how often each; the picture
    (C, h, w) in [0, 1], and what is driven up on the first picture and on this one."""

    row: int
    column: int
    places: int
    images: int
    mean: Array
    answers: tuple[tuple[int, int], ...]
    picture: Tensor
    start: float
    reached: float


@dataclass(frozen=True)
class Charted:
    """An atlas: its cells by row and column, of how many places and images it is made, how many of the places
    lie in a cell, and by what they were laid out, in words; of a few of its images the means of the layer's
    maps (n, C) and the logits (n, classes)."""

    cells: tuple[Cell, ...]
    places: int
    images: int
    shown: int
    words: str
    means: Array = field(default_factory=lambda: np.zeros((0, 0)))
    logits: Array = field(default_factory=lambda: np.zeros((0, 0)))
