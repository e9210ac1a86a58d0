from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap
from reportgen.probes import probe


@probe("gradient-times-input", scope="image", group="gradients", explains=True)
class GradientTimesInput:
    """Gradient × input: the share of the score that each pixel holds, to first order.

    Definition. The input times the derivative of the class's logit by it, x·dS/dx, summed over the
    colour channels. The input is the normalised one. Where the network is piecewise linear without
    biases the values add up to the logit.

    Reading. Red pixels speak for the class, blue ones against it; pale ones hardly count.

    Limits. It is noisy as saliency is, and says what a small change would do. A pixel of the data's
    mean colour is zero here whatever the network makes of it.

    Needs. A gradient from the answer back to the image; any architecture.

    Source. Shrikumar et al. 2016, Not Just a Black Box, sec. 2 (arXiv:1605.01713).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Gradient(),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        values = (tape.pixels * tape[Gradient()]).sum(1)  # (N, H, W)
        quantity = f"Σ x·∂S/∂x over colour, {tape.model.score_words}"
        return (Heatmap("map", "Gradient × input", values, quantity, signed=True, overlay=False),)
