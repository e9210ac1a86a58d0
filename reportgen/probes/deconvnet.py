from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, NotApplicable, Picture, Remark
from reportgen.probes import probe

NEED = Gradient(rule="deconv")


@probe("deconvnet", scope="image", group="gradients", explains=True)
class Deconvnet:
    """Deconvnet: the class's score projected back to the pixels through the pooling switches.

    Definition. The derivative of the class's logit by the pixel, where each rectifier passes on the
    positive gradients whatever it saw itself, g·1[g>0], and max-pooling returns each value to the
    place it came from. Shown in colour around mid-grey, and as the largest magnitude over colour.

    Reading. Strokes show the patterns in this image that the class's score was built from.

    Limits. Without pooling switches it hardly depends on the image, and it looks much alike for a
    network with random weights: never rely on it alone. A rectifier written as clamp(min=0) is not
    seen.

    Needs. Rectifiers (ReLU or ReLU6) only: smooth activations (GELU, SiLU) have no such rule, so most
    transformers have none.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 2.1
    (arXiv:1311.2901).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if model.smooth_activations:
            names = ", ".join(model.smooth_activations)
            raise NotApplicable(f"the model has activations without a deconvnet rule: {names}")
        if not model.rectifiers:
            raise NotApplicable("the model has no ReLU or ReLU6, so the rule is the plain gradient")
        return (NEED,)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        gradient = tape[NEED]  # (N, C, H, W)
        magnitude = gradient.abs().amax(1)  # (N, H, W)
        grey = gradient.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        colour = gradient if gradient.shape[1] == 3 else grey
        covered = f"{tape.coverage['deconv']} of {tape.model.rectifiers} rectifiers"
        return (
            Picture("colour", "Deconvnet", colour, "signed, around mid-grey", "signed"),
            Heatmap("map", "Deconvnet, magnitude", magnitude, "max |g| over colour", overlay=False),
            Remark("coverage", covered),
        )
