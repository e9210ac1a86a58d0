from __future__ import annotations

from collections.abc import Sequence

from torch.nn.functional import interpolate

from reportgen.engine.needs import AUTO, Activation, Gradient, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, NotApplicable, Picture, Remark
from reportgen.probes import probe

GUIDED = Gradient(rule="guided")


@probe("guided-grad-cam", scope="image", group="class activation maps", explains=True)
class GuidedGradCam:
    """Guided Grad-CAM: guided backprop, kept only where Grad-CAM sees the class.

    Definition. The guided gradient of the class's logit times the layer's Grad-CAM, resampled to
    the input. Shown in colour around mid-grey, and as the largest magnitude over colour.

    Reading. Fine strokes on the object that supports the class.

    Limits. The strokes are guided backprop's, with its faults: only the region depends on the
    class. Rely on Grad-CAM for where, and on neither for why.

    Needs. What Grad-CAM needs and what guided backprop needs.

    Source. Selvaraju et al. 2017, Grad-CAM, sec. 3.2 (arXiv:1610.02391).
    """

    layer: LayerName = AUTO

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if model.smooth_activations or not model.rectifiers:
            raise NotApplicable("guided backprop, a factor of it, is not defined for this model")
        name = model.spatial_layer(self.layer).name
        return Activation(name), Gradient(name), GUIDED

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        a, g, guided = (tape[need] for need in self.needs(tape.model))
        cam = (g.mean((2, 3), keepdim=True) * a).sum(1, keepdim=True).relu()  # (N, 1, h, w)
        side = guided.shape[-2:]
        product = guided * interpolate(cam, side, mode="bilinear", align_corners=False)  # (N, C, H, W)
        grey = product.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        layer = tape.model.spatial_layer(self.layer)
        magnitude = product.abs().amax(1)  # (N, H, W)
        colour = product if product.shape[1] == 3 else grey
        return (
            Picture("colour", "Guided Grad-CAM", colour, "signed, around mid-grey", "signed"),
            Heatmap("map", "Guided Grad-CAM, magnitude", magnitude, "max |g|·CAM over colour", overlay=False),
            Remark("layer", f"Grad-CAM of {layer.name}"),
        )
