from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Logits, ModelFacts, Need, Tape
from reportgen.findings import Finding, Scalar
from reportgen.probes import probe


@probe("predictions", scope="image", group="answers")
class Predictions:
    """Predictions: what the model answers, and how sure it is.

    Definition. The softmax of the logits. The margin is the gap between the two most probable
    classes; the entropy, in bits, is 0 for a certain answer and log2(classes) for a guess.

    Reading. A tall first bar and a wide margin are a sure answer; read maps of unsure answers as
    explanations of a guess.

    Limits. A probability is the model's own opinion. It is not calibrated, and it is high for
    pictures of things that are not among the classes, too.

    Source. Guo et al. 2017, On Calibration of Modern Neural Networks, sec. 2 (arXiv:1706.04599).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Logits(),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        p = tape[Logits()].softmax(1)  # (N, C)
        top = p.topk(min(2, p.shape[1]), dim=1).values  # (N, 2)
        entropy_bits = -(p * p.clamp(min=1e-30).log2()).sum(1)  # (N,)
        return (
            Scalar("margin", "Margin to the second answer", top[:, 0] - top[:, -1]),
            Scalar("entropy", "Entropy", entropy_bits, "bit"),
        )
