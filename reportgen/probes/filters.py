from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt
from torch import Tensor

from reportgen.engine.needs import Bench, LayerFacts, LayerName, ModelFacts, Need, Weights
from reportgen.findings import Finding, Gallery, NotApplicable, Remark
from reportgen.probes import probe

Layers = Literal["auto", "block-firsts"] | tuple[LayerName, ...]


@probe("filters", scope="model", group="inside the network", compare="beside")
class Filters:
    """Filters: the kernels of a convolution, as pictures.

    Definition. The weights of each filter. A layer with three inputs is drawn in colour; any other
    as single-channel slices, `first-slice` of each filter or `every-slice`, where white is positive
    and black negative. `auto` is the first convolution; `block-firsts` is the first filter of the first
    convolution of every resolution. Both pass over windows of one pixel where others are there.

    Reading. Trained first-layer filters are smooth: oriented edges, colour blobs, gratings. Noise
    means too little training or too strong a learning rate; uniform grey is a filter not in use.

    Limits. Past the first layer a slice is one of many inputs, and cannot be read as a picture of
    what the filter looks for.

    Needs. A two-dimensional convolution.

    Source. Krizhevsky et al. 2012, ImageNet Classification, fig. 3; Zeiler & Fergus 2013, fig. 6
    (arXiv:1311.2901).
    """

    layers: Layers = "auto"
    slices: Literal["first-slice", "every-slice"] = "first-slice"
    scale: Literal["each", "grid"] = "each"
    at_most: PositiveInt = 256

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(Weights(layer.name) for layer in self._layers(model))

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        galleries = [self._gallery(tape, layer) for layer in self._layers(tape.model)]
        over = "its own range" if self.scale == "each" else "the range of the whole grid"
        return (*galleries, Remark("scale", f"Each filter is drawn over {over}."))

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        convolutions = [x for x in model.leaves() if x.weight_shape and len(x.weight_shape) == 4]
        if not convolutions:
            raise NotApplicable("the model has no two-dimensional convolution")
        if self.layers == "auto":
            return (_wide(convolutions) or convolutions)[:1]
        if self.layers == "block-firsts":
            by_side: dict[tuple[int, ...], list[LayerFacts]] = {}
            for layer in convolutions:
                by_side.setdefault((layer.input_shape or ())[1:], []).append(layer)
            return [(_wide(block) or block)[0] for block in by_side.values()]
        layers = [model.layer(name) for name in self.layers]
        if bad := [x.name for x in layers if x not in convolutions]:
            raise NotApplicable(f"not a two-dimensional convolution: {', '.join(bad)}")
        return layers

    def _gallery(self, tape: Bench, layer: LayerFacts) -> Gallery:
        weight = tape[Weights(layer.name)]  # (K, C, h, w)
        firsts = self.layers == "block-firsts"
        tiles, kind = self._tiles(weight[:1] if firsts else weight)
        kind = f"the first filter, {kind}" if firsts else kind
        shown = "" if len(tiles) <= self.at_most else f", {self.at_most} of {len(tiles)} shown"
        tiles = tiles[: self.at_most]
        shape = "×".join(map(str, layer.weight_shape or ()))
        return Gallery(
            name=layer.name,
            title=layer.name,
            values=tiles,
            numbers=list(range(len(tiles))),
            quantity=f"weights {shape}, {kind}{shown}",
            layer=layer.name,
            scale=self.scale,
            signed=tiles.ndim == 3,
            together=weight.shape[1] if self.slices == "every-slice" else 1,
        )

    def _tiles(self, weight: Tensor) -> tuple[Tensor, str]:
        """(k, 3, h, w) colour or (k, h, w) slices of the weights (K, C, h, w), and which."""
        if weight.shape[1] == 3 and self.slices == "first-slice":
            return weight, "in colour"
        if self.slices == "first-slice":
            return weight[:, 0], "its first slice" if len(weight) == 1 else "first slice of each filter"
        if len(weight) == 1:
            return weight[0], "every slice"
        return weight.flatten(0, 1), f"every slice, filter by filter, {weight.shape[1]} a filter"


def _wide(layers: list[LayerFacts]) -> list[LayerFacts]:
    """The layers whose window has more than one pixel: one weight alone is no picture."""
    return [layer for layer in layers if max((layer.weight_shape or ())[2:]) > 1]
