"""Needs of what layers are given, not of what they give: the features that the answer is made of, and what
normalisations see. Each is answered by a forward of its own, of which only small numbers are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reportgen.engine.needs.work import Cost, Work
from reportgen.engine.network.facts import Graph, LayerFacts, ModelFacts
from reportgen.findings import NotApplicable


@dataclass(frozen=True)
class Features:
    """The penultimate features, (N, F) float32: what the last layer with weights is given.

    Of maps each channel's mean, unless the layer's window covers all of the map; of tokens the mean over
    them. Where the layer is called more than once, what its last call is given.
    """

    def work(self, model: ModelFacts) -> Work:
        """Raises NotApplicable where the last layer with weights is the first as well, or never called."""
        layer = self.layer(model)
        size = 1
        for side in layer.input_shape or ():
            size *= side
        return Work(cost=Cost(forwards=1), kept_bytes=4 * size)

    def layer(self, model: ModelFacts) -> LayerFacts:
        """The layer that makes the answer of these features: of those that put out a value a class, the one
        with the most layers before it, for a network may have several ways to an answer. Raises as `work`."""
        weighted = [x for x in model.leaves() if len(x.weight_shape or ()) > 1]  # not a normalisation's
        if not weighted or weighted[0] is weighted[-1]:
            raise NotApplicable("the model has no layer before the one that answers")
        answering = [x for x in weighted[1:] if x.maps == model.class_count] or weighted[-1:]
        found = max(reversed(answering), key=lambda x: _before(model.graph, x.name, weighted))
        if found.input_shape is None:
            raise NotApplicable("the model never calls the layer that answers, but reads its weights")
        return found


def _before(graph: Graph, layer: str, weighted: Sequence[LayerFacts]) -> int:
    """How many layers with weights a layer's input is made by."""
    makers: dict[int, list[int]] = {}
    for maker, reader in graph.edges:
        makers.setdefault(reader, []).append(maker)
    waiting = [number for number, each in enumerate(graph.operations) if each.layer == layer]
    seen: set[int] = set()
    while waiting:
        new = [maker for maker in makers.get(waiting.pop(), []) if maker not in seen]
        seen |= set(new)
        waiting += new
    names = {x.name for x in weighted}
    return len({graph.operations[number].layer for number in seen} & names)


@dataclass(frozen=True)
class GivenMoments:
    """The mean and the mean square, over places, of every channel of what some layers are given, an image a
    row: (N, 2, channels of all layers, one after the other) float32. Channels are on the second axis.

    Where a layer is called more than once, the mean over its calls.
    """

    layers: tuple[str, ...]

    def work(self, model: ModelFacts) -> Work:
        """Raises UnknownName for a layer that is not there."""
        channels = sum((model.layer(name).output_shape or (0,))[0] for name in self.layers)
        return Work(cost=Cost(forwards=1), kept_bytes=8 * channels)
