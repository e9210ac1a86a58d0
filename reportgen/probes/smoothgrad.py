from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, PositiveInt

from reportgen.engine.needs import MeanGradient, ModelFacts, Need, Noisy, Tape
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("smoothgrad", scope="image", group="gradients", explains=True)
class SmoothGrad:
    """SmoothGrad: saliency with its noise averaged out.

    Definition. Gaussian noise is added to the image `samples` times, of a standard deviation of
    `noise_std` times the image's range; the mean of the logit's gradients there, then the largest
    magnitude over the colour channels. The noise is seeded.

    Reading. As saliency, but calmer: regions that stay bright are those to which the score is
    sensitive whatever the exact pixels are.

    Limits. It blurs what the network does at this very image, and the amount of noise is a matter
    of taste. It still says what moves the score, not what speaks for the class.

    Needs. A gradient from the answer back to the image; any architecture.

    Source. Smilkov et al. 2017, SmoothGrad, sec. 3 (arXiv:1706.03825).
    """

    samples: PositiveInt = 16
    noise_std: float = Field(default=0.15, gt=0)
    seed: int = Field(default=0, ge=0)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (MeanGradient(Noisy(self.samples, self.noise_std, self.seed)),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        (gradient,) = (tape[need] for need in self.needs(tape.model))  # (N, C, H, W)
        values = gradient.abs().amax(1)  # (N, H, W)
        noise = f"{self.samples} noisy images, noise {100 * self.noise_std:g} % of the range"
        quantity = "max |mean ∂S/∂x| over colour"
        return (
            Heatmap("map", "SmoothGrad", values, quantity, overlay=False),
            Remark("noise", noise),
        )
