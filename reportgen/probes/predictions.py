from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from reportgen.engine.needs import Logits, ModelFacts, Need, Tape
from reportgen.findings import Distribution, Finding, Scalar
from reportgen.probes import probe

FEW = 20  # classes whose probabilities results.json lists unasked
MOST = 0.9  # of the probability
HOLDS = 0.5  # a label is answered from here on


@probe("predictions", scope="image", group="answers")
class Predictions:
    """Predictions: what the model answers, and how sure it is.

    Definition. The softmax of the logits, the sigmoid of the one logit or of each label's, or the
    network's own probabilities, as its head is: the five most probable classes, and the whole vector, up
    to twenty classes in their own order, more of them by rank on logarithmic axes. The margin is the
    gap between the two most probable classes; the entropy, in bits, is 0 for a certain answer and
    log2(classes) for a guess.

    Reading. A tall first bar and a wide margin are a sure answer; read maps of unsure answers as
    explanations of a guess. By rank, a line that falls at once leaves few classes in question; one
    that stays above the even guess for long leaves many.

    Limits. A probability is the model's own opinion. It need not be right as
    often as it says, and it is high for pictures of things that are not among the classes, too.

    Needs. Nothing; any architecture.

    Source. Guo et al. 2017, On Calibration of Modern Neural Networks, sec. 2 (arXiv:1706.04599).
    """

    vector_in_results: Literal["auto", "always", "never"] = "auto"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Logits(),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        head = tape.model.head
        p = head.readout(tape[Logits()])  # (N, C)
        if not head.probable:
            names = tape.model.classes[:FEW]
            return tuple(Scalar(f"value-{k}", name, p[:, k]) for k, name in enumerate(names))
        if not head.exclusive:
            held = (p >= HOLDS).sum(1)  # (N,)
            return self._vector(p, head.formula), Scalar("labels", "Labels of p = 0.5 and more", held)
        ranked = p.sort(dim=1, descending=True).values  # (N, C)
        entropy_bits = -(p * p.clamp(min=1e-30).log2()).sum(1)  # (N,)
        # summed in double: a thousand roundings must not move a class; none where p is not finite
        classes_90 = 1 + (ranked.double().cumsum(1) < MOST).sum(1)  # (N,)
        classes_90 = torch.where(p.isfinite().all(1), classes_90.clamp(max=p.shape[1]), 0)
        return (
            self._vector(p, head.formula),
            Scalar("margin", "Margin to the second answer", ranked[:, 0] - ranked[:, :2][:, -1]),
            Scalar("entropy", "Entropy", entropy_bits, "bit"),
            Scalar("classes-90", "Classes with 90 % together", classes_90),
        )

    def _vector(self, p: Tensor, formula: str) -> Distribution:
        few = p.shape[1] <= FEW
        return Distribution(
            "probabilities",
            "The probability of every class",
            p,
            formula,
            listed=few if self.vector_in_results == "auto" else self.vector_in_results == "always",
        )
