from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import AUTO, Activation, Gradient, LayerFacts, LayerNames, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Remark, nth
from reportgen.probes import probe


@probe("layer-cam", scope="image", group="class activation maps", explains=True)
class LayerCam:
    """LayerCAM: where a layer supports the class, place by place, in early layers too.

    Definition. Each value of the layer's maps A_k weighted by its own positive gradient and summed:
    ReLU(sum over k of ReLU(dS/dA_k)·A_k), on the layer's own grid.

    Reading. Warm places hold features that raise the score right there. Name an earlier layer for
    a finer map.

    Limits. It leaves out all that speaks against the class, and in early layers it is
    as noisy as the maps of single pixels are.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which), and a gradient to it.

    Source. Jiang et al. 2021, LayerCAM, eq. 5-7 (doi:10.1109/TIP.2021.3089943).
    """

    layer: LayerNames = AUTO

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        names = [layer.name for layer in model.spatial_layers(self.layer)]
        return tuple(need for name in names for need in (Activation(name), Gradient(name)))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        layers = tape.model.spatial_layers(self.layer)
        maps = (self._map(tape, layer, n) for n, layer in enumerate(layers))
        why = layers[0].auto_words(self.layer)
        return (*maps, *([Remark("layer", why)] if why else []))

    def _map(self, tape: Tape, layer: LayerFacts, number: int) -> Heatmap:
        a, g = tape[Activation(layer.name)], tape[Gradient(layer.name)]  # each (N, C, h, w)
        values = (g.relu() * a).sum(1).relu()  # (N, h, w)
        quantity = f"ReLU(Σ ReLU(g)·A), {tape.model.score_words}"
        return Heatmap(nth("map", number), "LayerCAM", values, quantity, layer=layer.name)
