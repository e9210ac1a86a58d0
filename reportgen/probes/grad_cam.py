from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import AUTO, Activation, Gradient, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap
from reportgen.probes import probe


@probe("grad-cam", scope="image")
class GradCam:
    """Grad-CAM: where the maps of one layer support the class.

    Definition. The layer's maps A_k, each weighted by the mean of the class logit's gradient over
    it, summed and rectified: ReLU(sum over k of mean(dS/dA_k)·A_k), on the layer's own grid.

    Reading. Warm areas are where features that raise the class's score were found. They should
    cover the object; warm background means that the model uses the surroundings.

    Limits. It is as coarse as the layer's grid, so a border in it is not the object's border, and
    evidence against the class is cut off.

    Source. Selvaraju et al. 2017, Grad-CAM, eq. 1-2 (arXiv:1610.02391).
    """

    layer: LayerName = AUTO

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        name = model.spatial_layer(self.layer).name
        return Activation(name), Gradient(name)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        a, g = (tape[need] for need in self.needs(tape.model))  # each (N, C, h, w)
        weights = g.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        values = (weights * a).sum(1).relu()  # (N, h, w)
        layer = tape.model.spatial_layer(self.layer)
        return (Heatmap("map", "Grad-CAM", values, "ReLU(Σ w·A), logit", layer=layer.name),)
