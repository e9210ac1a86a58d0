from __future__ import annotations

from collections.abc import Sequence

from pydantic import PositiveInt

from reportgen.engine.needs import (
    Baseline,
    Flat,
    Logits,
    MeanGradient,
    ModelFacts,
    Need,
    Path,
    Reference,
    Scores,
    Tape,
    Target,
    score_of,
)
from reportgen.findings import Finding, Flag, Heatmap, Remark, Scalar
from reportgen.probes import probe

WIDE = 5.0  # per cent of the score's difference: a wider gap means too few steps


@probe("integrated-gradients", scope="image", group="gradients", explains=True)
class IntegratedGradients:
    """Integrated gradients: the score's change from a blank image, shared out over the pixels.

    Definition. (x - x0) times the mean of the logit's gradient along the straight path from the
    baseline x0 to the image x (Gauss-Legendre quadrature of `steps` points), summed over colour.
    The values add up to S(x) - S(x0); the completeness gap says how nearly.

    Reading. Red pixels raised the score on the way from the baseline to the image, blue ones
    lowered it.

    Limits. It explains the difference to the baseline, and another baseline gives another map:
    what has the baseline's own colour counts nothing.

    Needs. A gradient from the answer back to the image; any architecture.

    Source. Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks, eq. 1
    (arXiv:1703.01365).
    """

    steps: PositiveInt = 32
    baseline: Baseline = "black"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        path = MeanGradient(Path(self.steps, self.baseline))
        return Logits(), Target(), Scores(Flat(self.baseline)), Reference(self.baseline), path

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        logits, targets, blank, start, gradient = (tape[need] for need in self.needs(tape.model))
        values = ((tape.pixels - start) * gradient).sum(1)  # (N, H, W)
        score = tape.model.score
        change = score_of(logits, targets, score) - score_of(blank[:, 0], targets, score)  # (N,)
        gap = (values.double().sum((1, 2)) - change).abs()  # (N,)
        percent = 100 * gap / change.abs().clamp(min=1e-12)
        quantity = f"share of S(x) − S(x0), {tape.model.score_words} a pixel"
        return (
            Heatmap("map", "Integrated gradients", values, quantity, signed=True, overlay=False),
            Scalar("completeness-gap", "completeness gap", percent, "%", digits=2),
            Flag("incomplete", "The completeness gap is wide: take more steps.", percent > WIDE),
            Remark("path", f"{self.steps} steps from {self.baseline}"),
        )
