"""The need of the smallest pattern that turns pictures to a class, sought by gradient for several classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Triggers:
    """For each of some classes the smallest mask with a pattern that makes pictures be answered with it:
    Wang et al. 2019, Neural Cleanse (IEEE S&P), sec. IV. `at_once` pictures are seen in a step, for each
    class others, and a mask is weighed more for its size while the share `wanted` of them follows."""

    classes: tuple[int, ...]
    steps: int
    at_once: int
    wanted: float = 0.95
    seed: int = 0

    @property
    def forwards(self) -> int:
        """How many it takes, in images, and as many backwards."""
        return len(self.classes) * self.steps * self.at_once
