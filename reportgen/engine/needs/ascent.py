"""Needs for pictures that gradient ascent makes from noise: for which unit, by which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from reportgen.engine.needs.top_images import Driven as Driven
from reportgen.engine.needs.work import Work
from reportgen.engine.network.facts import ModelFacts

Parametrisation: TypeAlias = Literal["auto", "fourier", "pixels"]


@dataclass(frozen=True)
class Climb:
    """How a picture is climbed: steps, size, what it is made of, and what keeps it natural.

    `jitter` and `scale` are shares of the side, the largest of a step, as is `rotation_deg`. The
    gradient of the unit has length 1; `l2` and `total_variation` weigh what holds against it.
    """

    steps: int
    side_px: int
    seed: int = 0
    parametrisation: Parametrisation = "auto"
    jitter: float = 0.06
    scale: float = 0.1
    rotation_deg: float = 10
    l2: float = 0
    total_variation: float = 0


@dataclass(frozen=True)
class Ascent:
    """The picture that drives a unit of the network up, climbed from noise. No image is needed."""

    unit: Driven
    climb: Climb

    def work(self, _model: ModelFacts) -> Work:
        # the first picture and the last are answered once more, as they stand
        once = {"ascent_forwards": self.climb.steps + 2, "ascent_backwards": self.climb.steps}
        return Work("model", rules=("exact",), once=once, lines=_lines)


def _lines(ascents: Sequence[Ascent], _images: int) -> list[str]:
    steps = sum(ascent.climb.steps for ascent in ascents)
    return [
        f"{len(ascents)} pictures are driven up by gradient ascent: "
        f"{steps + 2 * len(ascents)} forwards, {steps} backwards"
    ]


@dataclass(frozen=True)
class Ascended:
    """Where an ascent ended: the picture (C, h, w) in [0, 1], and the unit's value on the first
    picture and on this one, as they stand and not warped."""

    picture: Tensor
    start: float
    reached: float
