from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, NotApplicable, Picture, Remark
from reportgen.probes import probe

NEED = Gradient(rule="guided")


@probe("guided-backprop", scope="image", group="gradients", explains=True)
class GuidedBackprop:
    """Guided backprop: the gradient with everything that speaks against the class left out.

    Definition. The derivative of the class's logit by the pixel, where each rectifier passes on
    only positive gradients, and only where it was active itself: g·1[g>0]·1[x>0]. Shown in colour
    around mid-grey, and as the largest magnitude over the colour channels.

    Reading. Sharp strokes are edges and textures that some path to the class responded to.

    Limits. It looks convincing even for a network with random weights: it shows edges more than the
    decision, so never rely on it alone. A rectifier written as clamp(min=0) is not seen.

    Needs. Rectifiers (ReLU or ReLU6) only: smooth activations (GELU, SiLU) have no guided rule, so most
    transformers have none.

    Source. Springenberg et al. 2014, Striving for Simplicity, sec. 3.4 (arXiv:1412.6806); its limits:
    Adebayo et al. 2018 (arXiv:1810.03292).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if model.smooth_activations:
            names = ", ".join(model.smooth_activations)
            raise NotApplicable(f"the model has activations without a guided rule: {names}")
        if not model.rectifiers:
            raise NotApplicable("the model has no ReLU or ReLU6, so there is nothing to guide")
        return (NEED,)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        gradient = tape[NEED]  # (N, C, H, W)
        magnitude = gradient.abs().amax(1)  # (N, H, W)
        colour = gradient if gradient.shape[1] == 3 else gradient.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        covered = f"{tape.coverage['guided']} of {tape.model.rectifiers} rectifiers"
        return (
            Picture("colour", "Guided backprop", colour, "signed, around mid-grey", "signed"),
            Heatmap("map", "Guided backprop, magnitude", magnitude, "max |g| over colour", overlay=False),
            Remark("coverage", covered),
        )
