from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import AUTO, Activation, Gradient, LayerFacts, LayerNames, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Remark, nth
from reportgen.probes import probe


@probe("grad-cam", scope="image", group="class activation maps", explains=True)
class GradCam:
    """Grad-CAM: where the maps of one layer support the class.

    Definition. The layer's maps A_k, each weighted by the mean of the class logit's gradient over
    it, summed and rectified: ReLU(sum over k of mean(dS/dA_k)·A_k), on the layer's own grid.

    Reading. Warm areas are where features that raise the class's score were found. They should
    cover the object; warm background means that the model uses the surroundings.

    Limits. It is as coarse as the layer's grid, so a border in it is not the object's border, and
    evidence against the class is cut off.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which), and a gradient to it.

    Source. Selvaraju et al. 2017, Grad-CAM, eq. 1-2 (arXiv:1610.02391).
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
        weights = g.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        values = (weights * a).sum(1).relu()  # (N, h, w)
        quantity = f"ReLU(Σ w·A), {tape.model.score_words}"
        return Heatmap(nth("map", number), "Grad-CAM", values, quantity, layer=layer.name)
