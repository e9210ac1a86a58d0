from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, PositiveInt

from reportgen.engine.needs import Baseline, ModelFacts, Need, RandomMasks, Scores, Tape, Target
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("rise", scope="image", group="perturbations", explains=True)
class Rise:
    """RISE: what must be visible for the class to be probable, found by random masking.

    Definition. The image is seen through `masks` random soft masks; the map is the mean of the
    masks, each weighted by the class's probability under it, divided by the chance that a place is
    visible. Away from the masks the baseline stands.

    Reading. Bright areas raise the probability when they are among what is visible.

    Limits. It is an estimate: with few masks it is blotchy, and for an unsure answer the noise
    drowns the signal. Objects much smaller than a cell are not found.

    Needs. Nothing but answers; any architecture.

    Source. Petsiuk, Das & Saenko 2018, RISE, eq. 6 (arXiv:1806.07421).
    """

    masks: PositiveInt = 400
    cells: int = Field(default=7, ge=2, le=64)
    keep: float = Field(default=0.5, gt=0, lt=1)
    baseline: Baseline = "mean"
    seed: int = Field(default=0, ge=0)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return Target(), Scores(self._masks())

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        targets, scores = (tape[need] for need in self.needs(tape.model))
        each = targets[:, None, None].expand(-1, scores.shape[1], 1)
        p = tape.model.head.readout(scores).gather(2, each)[..., 0]  # (N, V)
        height, width = tape.pixels.shape[-2:]
        masks = self._masks().masks(height, width).to(p)  # (V, H, W)
        values = torch.einsum("nv,vhw->nhw", p, masks) / (self.masks * self.keep)  # (N, H, W)
        return (
            Heatmap("map", "RISE", values, f"mean {tape.model.head.readout_words} where visible"),
            Remark("masks", f"{self.masks} masks of {self.cells}×{self.cells} cells, {self.baseline} behind"),
        )

    def _masks(self) -> RandomMasks:
        return RandomMasks(self.masks, self.cells, self.keep, self.seed, self.baseline)
