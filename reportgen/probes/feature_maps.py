from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Annotated, Literal, TypeAlias

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor
from typing_extensions import assert_never

from reportgen.engine.needs import Activation, LayerFacts, LayerName, ModelFacts, Need, Tape, channel_of
from reportgen.findings import Finding, Gallery, NotApplicable
from reportgen.probes import probe

Channels: TypeAlias = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]


@probe("feature-maps", scope="image", group="inside the network")
class FeatureMaps:
    """Feature maps: what single channels of chosen layers respond to.

    Definition. The output of a channel at every place of its grid, as it left the layer.
    `first-15` is the first fifteen layers with maps in call order, `each-scale` the last layer of
    every resolution but those that only pad. Of each, `maps` channels are chosen: `varied` are those
    with the largest standard deviation over the image, `strongest` those with the largest mean
    magnitude, `first` the first in number. A list of numbers, from 0, chooses just those channels.

    Reading. Bright is a strong response. Early maps look like edges and colours of the photograph;
    later ones light up at parts of it.

    Limits. A few channels of many are shown, each over its own range, so brightness cannot be
    compared between them, and a response alone does not say that the answer depends on it.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which).

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4
    (arXiv:1311.2901).
    """

    layers: Literal["first-15", "each-scale"] | tuple[LayerName, ...] = "first-15"
    maps: PositiveInt = 3
    choose: Literal["varied", "strongest", "first"] | Channels = "varied"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        layers = self._layers(model)
        if isinstance(self.choose, tuple):
            for layer, channel in product(layers, self.choose):
                channel_of(layer, channel)  # says so where there is no such channel
        return tuple(Activation(layer.name) for layer in layers)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        return tuple(self._gallery(tape, layer) for layer in self._layers(tape.model))

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        if isinstance(self.layers, tuple):
            return [model.spatial_layer(name) for name in self.layers]
        if self.layers == "first-15":
            layers = [layer for layer in model.leaves() if layer.spatial][:15]
        elif self.layers == "each-scale":
            by_side: dict[int, LayerFacts] = {}
            for layer in sorted(model.layers, key=lambda x: x.finished):
                if layer.spatial and "Pad" not in layer.type:
                    by_side[layer.layout.grid[0]] = layer
            layers = list(by_side.values())
        else:
            assert_never(self.layers)
        if not layers:
            raise NotApplicable("the model has no layer whose output is a stack of maps")
        return layers

    def _gallery(self, tape: Tape, layer: LayerFacts) -> Gallery:
        a = tape[Activation(layer.name)]  # (N, C, h, w)
        numbers = self._channels(a)  # (N, k)
        values = a.gather(1, numbers[:, :, None, None].expand(-1, -1, *a.shape[2:]))  # (N, k, h, w)
        return Gallery(layer.name, layer.name, values, numbers, "activation", layer=layer.name)

    def _channels(self, a: Tensor) -> Tensor:
        """The numbers of the chosen channels of each image, (N, k) int64, best first."""
        if isinstance(self.choose, tuple):
            return torch.tensor(self.choose, device=a.device).expand(len(a), -1)
        count = min(self.maps, a.shape[1])
        if self.choose == "varied":
            strength = a.flatten(2).std(2)  # (N, C)
        elif self.choose == "strongest":
            strength = a.abs().mean((2, 3))  # (N, C)
        elif self.choose == "first":
            strength = -a.new_ones(len(a), a.shape[1]).cumsum(1)  # (N, C), falling
        else:
            assert_never(self.choose)
        return strength.sort(dim=1, descending=True, stable=True).indices[:, :count]
