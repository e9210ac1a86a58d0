"""The need of the patches of an image that its score rests on most, as far as its gradient tells."""

from __future__ import annotations

from dataclasses import dataclass

from reportgen.engine.needs.batch import Gradient
from reportgen.engine.needs.work import Work
from reportgen.engine.network.facts import ModelFacts


@dataclass(frozen=True)
class DecisivePatches:
    """The `count` square patches of an image, a `share`-th of the shorter side each, whose exchange for their
    surroundings would lower the target's logit most by its gradient: (N, count, 4 + g²) float32. First the
    box (top, left, bottom, right in pixels of the input), then the patch with half its side around it, grey
    and at most 18 places wide, row by row. They do not overlap; the most decisive comes first.
    """

    count: int
    share: int

    def work(self, _model: ModelFacts) -> Work:
        return Work(per_target=True, requires=(Gradient(),))
