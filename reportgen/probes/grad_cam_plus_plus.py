from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import AUTO, Activation, Gradient, LayerFacts, LayerNames, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Remark, nth
from reportgen.probes import probe


@probe("grad-cam-plus-plus", scope="image", group="class activation maps", explains=True)
class GradCamPlusPlus:
    """Grad-CAM++: Grad-CAM that gives several objects of one class their due.

    Definition. The layer's maps A_k weighted by w_k, the sum of a·ReLU(g) over the map, where g is
    the class logit's gradient and a = g²/(2g² + (sum of A_k)·g³) wherever g is not zero; summed and
    rectified.

    Reading. As Grad-CAM. Where the class appears more than once, every instance should be warm.

    Limits. It is as coarse as the layer's grid. Its formula supposes another kind of score than
    the network has, and it often differs little from Grad-CAM.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which), and a gradient to it.

    Source. Chattopadhyay et al. 2018, Grad-CAM++, eq. 19 (arXiv:1710.11063).
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
        below = 2 * g**2 + a.sum((2, 3), keepdim=True) * g**3  # (N, C, h, w)
        alpha = (g**2 / below).where((g != 0) & (below != 0), 0)
        weights = (alpha * g.relu()).sum((2, 3), keepdim=True)  # (N, C, 1, 1)
        values = (weights * a).sum(1).relu()  # (N, h, w)
        quantity = "ReLU(Σ w·A), weights of eq. 19"
        return Heatmap(nth("map", number), "Grad-CAM++", values, quantity, layer=layer.name)
