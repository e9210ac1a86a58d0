from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt

from reportgen.engine.needs import Baseline, Logits, ModelFacts, Need, Occluded, Scores, Tape, answers
from reportgen.findings import ClassMap, Finding, NotApplicable, Remark, Scalar
from reportgen.probes import probe


@probe("occlusion-class-map", scope="image", group="perturbations")
class OcclusionClassMap:
    """Most probable class by occluder position: what the model says when a part is covered.

    Definition. The square window of the occlusion map is moved over the image; each place of the
    grid shows the class with the largest logit while the window is there. The windows are the same
    as those of `occlusion` where the options are, and cost nothing more.

    Reading. One colour all over is a robust answer. Places of another colour are those whose loss
    changes the answer, and the legend says to what.

    Limits. A change between two near-equal classes looks as dramatic as any; see the probabilities.

    Needs. Nothing but answers; any architecture.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, fig. 7 e
    (arXiv:1311.2901).
    """

    window_px: PositiveInt | Literal["auto"] = "auto"
    stride_px: PositiveInt | Literal["auto"] = "auto"
    baseline: Baseline = "grey"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if not model.head.probable:
            raise NotApplicable("the network gives values, and nothing is a class")
        return Logits(), Scores(self._windows(model))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        logits, scores = (tape[need] for need in self.needs(tape.model))
        windows = self._windows(tape.model)
        height, width = tape.pixels.shape[-2:]
        grid = (len(windows.starts(height)), len(windows.starts(width)))
        said = answers(scores)  # (N, V), -1 where the covered image has no answer
        kept = (said == answers(logits)[:, None]).float().mean(1)  # (N,)
        size = f"{windows.window_px} px {windows.baseline} window every {windows.stride_px} px"
        return (
            ClassMap(
                "classes",
                "Most probable class by window",
                said.unflatten(1, grid),
                "the answer while the window covers this place",
            ),
            Scalar("classes-kept", "Places that keep the answer", 100 * kept, "%"),
            Remark("windows", size),
        )

    def _windows(self, model: ModelFacts) -> Occluded:
        return Occluded.of(model, self.window_px, self.stride_px, self.baseline)
