from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from reportgen.engine.needs import (
    AUTO,
    Atlas,
    Bench,
    Cell,
    Charted,
    Climb,
    LayerFacts,
    LayerNames,
    ModelFacts,
    Need,
    PlacesDrawn,
    Weights,
    linear_head,
    reads_means,
)
from reportgen.findings import Array, Finding, Flag, NotApplicable, PictureGrid, Remark, Scalar, Table, nth
from reportgen.probes import probe

NAMED = 2  # classes under a picture
TABLED = 5  # in the table


@probe("atlas", scope="model", group="inside the network", compare="nothing", by_default=False)
class AtlasOfLayer:
    """Activation atlas: what a layer tells apart, as a map of pictures.

    Definition. What a layer answers at places of the set's images, drawn at random, one an image where
    there are images enough, in two dimensions: by t-SNE of their 50 first principal components, seeded; by
    the first two alone where there are too few or too many. Over it lies a grid of `side` × `side`. The
    answers in each cell with at least `fewest` places are averaged, v, and a picture is made from noise by
    gradient ascent, as for activation maximisation, but up (a·u)·max(0.1, cos(a, u))^`power`, in the mean
    over the picture's places: a is the answer at a place, and u is v times the inverse of the second
    moments of all places, shrunk as Ledoit & Wolf 2004 have it, at length 1. Where one
    linear layer reads the means of the layer's maps, which the logits of a few images are held against, a
    cell votes for the classes of its highest W·v, without the bias; elsewhere the answers to its images
    stand there.

    Reading. Neighbours are alike to the layer; a region is a concept, and what lies between two regions
    is what they share. Look for pictures that two classes have in common, and for regions that vote
    for a class for a reason that is not the thing.

    Limits. The map is of these images alone: what they do not show has no place on it. The mean of unlike
    places, as between two regions, gives a picture of nothing that is there. Distances mean little. The
    pictures are no photographs, and other seeds give others.

    Needs. A layer with maps, an input of one or three channels, and a gradient to it.

    Source. Carter et al. 2019, Activation Atlas (doi:10.23915/distill.00015).
    """

    layer: LayerNames = AUTO
    places: PositiveInt = 1000
    side: Annotated[int, Field(ge=2, le=40)] = 8
    fewest: PositiveInt = 3
    power: NonNegativeFloat = 2.0
    steps: PositiveInt = 128
    side_px: PositiveInt = 96
    seed: NonNegativeInt = 0
    l2: NonNegativeFloat = 0.015
    total_variation: NonNegativeFloat = 0.05

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if model.input_shape[0] not in (1, 3):
            raise NotApplicable(f"an input of {model.input_shape[0]} channels is no picture")
        layers = model.spatial_layers(self.layer)
        heads = [linear_head(model, layer) for layer in layers]
        return (*map(self._atlas, layers), *(Weights(head.name) for head in heads if head))

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        for number, layer in enumerate(tape.model.spatial_layers(self.layer)):
            charted = tape[self._atlas(layer)]
            weight = _weight(tape, layer, charted)
            findings += _findings(charted, layer, weight, tape.model, number)
            findings.append(Remark(nth("how", number), self._words(charted, layer, weight is not None)))
        return tuple(findings)

    def _atlas(self, layer: LayerFacts) -> Atlas:
        climb = Climb(
            self.steps, self.side_px, self.seed, l2=self.l2, total_variation=self.total_variation
        )
        drawn = PlacesDrawn(layer.name, self.places, self.seed)
        return Atlas(drawn, self.side, self.fewest, self.power, climb)

    def _words(self, charted: Charted, layer: LayerFacts, voted: bool) -> str:
        below = "the classes that it votes for" if voted else "the most frequent answers to its images"
        cells = f"{len(charted.cells)} cells of at least {self.fewest}"
        laid = "too few"
        if charted.words:
            laid = f"laid out {charted.words}; {charted.shown:,} of them lie in {cells}"
        return (
            f"{layer.name}: {charted.places:,} places of {charted.images:,} images, {laid}. Each picture:"
            f" {self.steps} steps from noise (seed {self.seed}); below it {below}."
        )


def _weight(tape: Bench, layer: LayerFacts, charted: Charted) -> Array | None:
    """The weights (classes, C) that read the means of the layer's maps; None where none do."""
    head = linear_head(tape.model, layer)
    weight = tape[Weights(head.name)].double().numpy() if head else None
    return weight if weight is not None and reads_means(weight, charted) else None


def _findings(
    charted: Charted, layer: LayerFacts, weight: Array | None, model: ModelFacts, number: int
) -> list[Finding]:
    cells = charted.cells
    few = Flag(
        nth("too-few", number),
        f"No cell of the atlas of {layer.name} has places enough: it takes more images.",
        not cells,
    )
    if not cells:
        return [few]
    votes = [_votes(cell, weight, model) for cell in cells]
    side = 1 + max(max(cell.row, cell.column) for cell in cells)
    pictures = np.stack([cell.picture.expand(3, -1, -1).numpy() for cell in cells])  # (k, 3, h, w)
    grid = PictureGrid(
        nth("atlas", number),
        f"Atlas of {layer.name}",
        pictures,
        np.array([(cell.row, cell.column) for cell in cells]),
        (side, side),
        tuple(", ".join(name for name, _ in vote[:NAMED]) for vote in votes),
        tuple(map(_told, cells, votes)),
        "the mean of what the layer answers there, driven up",
    )
    low = sum(not cell.reached > cell.start for cell in cells)
    flag = Flag(nth("not-raised", number), f"{low} of {len(cells)} pictures were not raised.", bool(low))
    columns = ("row", "column", "places", "images", "votes" if weight is not None else "answers")
    pairs = zip(cells, votes, strict=True)
    rows = tuple((c.row + 1, c.column + 1, c.places, c.images, _listed(vote)) for c, vote in pairs)
    return [
        grid,
        few,
        flag,
        Scalar(nth("cells", number), f"Cells of the atlas of {layer.name}", len(cells)),
        Table(nth("cells-of", number), f"Cells of the atlas of {layer.name}", columns, rows),
    ]


def _votes(cell: Cell, weight: Array | None, model: ModelFacts) -> list[tuple[str, str]]:
    """The classes that a cell speaks for, the first first, and how much: W·v, or answers to its images."""
    if weight is None:
        return [(model.classes[index], f"({count})") for index, count in cell.answers[:TABLED]]
    scores = weight @ cell.mean  # (classes,)
    best = np.argsort(-scores, kind="stable")[:TABLED]
    return [(model.classes[index], f"({scores[index]:.3g})") for index in best.tolist()]


def _listed(vote: list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {much}" for name, much in vote)


def _told(cell: Cell, vote: list[tuple[str, str]]) -> str:
    where = f"row {cell.row + 1}, column {cell.column + 1}"
    return f"{where}: {cell.places} places of {cell.images} images; {_listed(vote)}"
