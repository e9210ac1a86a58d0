"""What was asked of the speed, work by work, beside what this machine gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

HEADS = ("work", "against", "wanted", "measured", "of what is possible", "met")
Met: TypeAlias = Literal["yes", "no", "not judged"]


@dataclass(frozen=True)
class Aim:
    """A number that was asked for: at least (`floor`) or at most so much of a unit.

    `floor` is a ratio's: so many times faster than what stands in `against`.
    """

    work: str
    against: str
    limit: float
    unit: str
    floor: bool = False

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.floor else '≤'} {self.limit:g}{self.unit}"

    def met(self, value: float) -> Met:
        return "yes" if (value >= self.limit if self.floor else value <= self.limit) else "no"

    def row(self, value: float, measured: str = "", possible: str = "–") -> tuple[str, ...]:
        """The cells of what was measured; `possible` is the share of a physical limit that was reached."""
        said = measured or f"{value:.3g}{self.unit}"
        return (self.work, self.against, self.wanted, said, possible, self.met(value))

    def unjudged(self, why: str) -> tuple[str, ...]:
        """The cells where nothing could be measured."""
        return (self.work, self.against, self.wanted, why, "–", "not judged")


ONE_BY_ONE = "captum and grad-cam, one by one"
CAPTUM = "captum `Occlusion` at its fastest"
TIMES_OCCLUSION = {"VGG-16": 6.0, "ResNet-50": 3.0, "EfficientNet-Lite0": 2.5}
TIMES_NARROW = {"VGG-16": 15.0, "ResNet-50": 6.0}


def bundle(network: str) -> tuple[Aim, Aim]:
    """Seven maps in one pass: against packages, and against the least that they take."""
    work = f"seven maps, {network}"
    return (
        Aim(work, ONE_BY_ONE, 3, "×", floor=True),
        Aim(work, "a forward and three backwards", 1.15, "×"),
    )


def occlusion(network: str) -> Aim:
    """Windows of 32 px every 16; a network that nothing was asked of is not to be slower."""
    return Aim(f"occlusion, {network}", CAPTUM, TIMES_OCCLUSION.get(network, 1.0), "×", floor=True)


def exact(network: str) -> Aim:
    """How far the maps may lie apart."""
    return Aim(f"occlusion, {network}", "captum's map, of its maximum", 1e-4, "")


def narrow(network: str) -> Aim:
    """Occlusion in bfloat16, where a processor has units for it."""
    work = f"occlusion in bfloat16, {network}"
    return Aim(work, CAPTUM, TIMES_NARROW.get(network, 1.0), "×", floor=True)


DEMO = Aim("`reportgen demo`, HTML and PDF", "–", 70, " s")
EVIDENCE = Aim("evidence an image, demo", "–", 3, " MB")
NINE = Aim("nine visualizations of a photograph", ONE_BY_ONE, 2.5, "×", floor=True)
CARDS = Aim("rendering 1,000 cards", "–", 60, " s")
CARDS_RESIDENT = Aim("rendering 1,000 cards, resident", "–", 1, " GB")
CARDS_POWER = Aim("rendering, power of the number of cards", "–", 1.05, "")
START = Aim("`reportgen --help`", "–", 0.4, " s")
TIME_POWER = Aim("time, power of the number of images", "–", 1.05, "")
MEMORY_POWER = Aim("resident, power of the number of images", "–", 0.05, "")
