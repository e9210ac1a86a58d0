from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap
from reportgen.probes import probe


@probe("saliency", scope="image", group="gradients", explains=True)
class Saliency:
    """Saliency: how strongly each pixel can move the class's score.

    Definition. The largest magnitude over the colour channels of the derivative of the class's
    logit by the pixel: max over c of |dS/dx_c|.

    Reading. Bright pixels are those where a small change of colour changes the score most. Look
    for an outline of the object; scattered points are normal.

    Limits. It says how sensitive the score is, not what speaks for the class; it is noisy, and a
    flat bright region may be irrelevant to the decision.

    Needs. A gradient from the answer back to the image; any architecture.

    Source. Simonyan, Vedaldi & Zisserman 2013, Deep Inside Convolutional Networks, sec. 3
    (arXiv:1312.6034).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Gradient(),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        gradient = tape[Gradient()]  # (N, C, H, W)
        values = gradient.abs().amax(1)  # (N, H, W)
        quantity = f"max |∂S/∂x| over colour, {tape.model.score_words} per standardised pixel"
        return (Heatmap("map", "Saliency", values, quantity, overlay=False),)
