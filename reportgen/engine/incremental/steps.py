"""What a network does to patches, kept so that the cost of any boxes can be counted without running it.

The cost model counts multiply-adds and numbers that are moved: it reads no clock, so that the same network
and the same boxes always have the same cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reportgen.engine.incremental.boxes import Window

# multiply-adds in the time that one number is written or read, as they were measured on a CPU
MOVED = 16
# multiply-adds in the time that one operation on a group takes besides: cutting, setting in, calling. Beside
# a GPU that is what the processor takes for it: a step of EfficientNet-Lite0 took 0.36 ms, in which an H200
# makes as many multiply-adds of VGG-16
CALLED = 8_000_000
CALLED_ON_GPU = 7_000_000_000


@dataclass(frozen=True)
class Step:
    """An operation: `same` treats every place alike, `window` sees places about its own, `pad` puts places
    about the map, `mean` sums all of them up, and from `whole` on it is in full.

    `inputs` are the steps that gave its patched values; a map has so many places, with so many channels
    each, worked out with `macs` multiply-adds a place. A `view` costs nothing.
    """

    kind: str
    inputs: tuple[int, ...]
    places: int
    channels: int
    windows: tuple[Window, Window] | None = None
    pads: tuple[int, int, int, int] | None = None
    macs: int = 0
    view: bool = False


@dataclass
class Program:
    """A network's steps in order. `tail` is the cost of all that it does besides, an image; `called` what
    each step takes besides."""

    steps: list[Step] = field(default_factory=list)
    tail: int = 0
    tail_macs: int = 0
    tail_numbers: int = 0  # the largest tensor of that, an image
    tail_weights: int = 0  # numbers of parameters that it multiplies by
    called: int = CALLED

    @property
    def weights(self) -> int:
        """Numbers of parameters that a forward reads, however many images it is of: of a step so many as it
        multiplies by at one place."""
        return self.tail_weights + sum(step.macs for step in self.steps)

    def add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1
