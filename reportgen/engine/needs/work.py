"""What a need says of itself: when it is answered, what it taps and requires, what it costs.

The plan sums this over all needs; nothing else in the engine asks what kind of need it has before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from reportgen.engine.needs.rules import Rule
from reportgen.engine.network.facts import ModelFacts

Scope: TypeAlias = Literal["batch", "set", "model"]
# lines of the plan for all needs of one kind, given them and how many images the set has
Lines: TypeAlias = Callable[[Sequence[Any], int], list[str]]


class Need(Protocol):
    """A frozen value, compared by value: the need that is declared is the key its answer is read with."""

    def work(self, model: ModelFacts) -> Work:
        """What answering it takes. Raises NotApplicable where the model has not what it asks for."""


@dataclass(frozen=True)
class Cost:
    """What one image takes besides its own forward, in images.

    `backwards` are for each target. `perturbed_forwards` are those of its perturbations, and
    `parts_forwards` those that only an image has on which every part was found.
    """

    forwards: int = 0
    backwards: int = 0
    perturbed_forwards: int = 0
    parts_forwards: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.perturbed_forwards + other.perturbed_forwards,
            self.parts_forwards + other.parts_forwards,
        )


@dataclass(frozen=True)
class Work:
    """What one need takes.

    `scope` says when it is answered: with its `batch`, once every batch of the `set` was seen, or for
    the `model` as a whole, for which no image has to be at hand. What depends on the class that is
    explained is `per_target`. `taps` are layers whose outputs are kept of every batch, `perturbed_taps`
    those that are kept while perturbations are answered; `kept_bytes` is what one image adds besides.
    `rules` are those of its backwards, and `keeps_graph` says that a batch's activations are kept for
    them. `once` is spent once for the model, in images, by the name that the evidence has for it.
    """

    scope: Scope = "batch"
    per_target: bool = False
    requires: tuple[Need, ...] = ()
    taps: tuple[str, ...] = ()
    perturbed_taps: tuple[str, ...] = ()
    kept_bytes: int = 0
    cost: Cost = Cost()
    rules: tuple[Rule, ...] = ()
    keeps_graph: bool = False
    once: Mapping[str, int] = field(default_factory=dict)
    lines: Lines | None = None


@dataclass(frozen=True)
class Extent:
    """How many perturbations of one kind an image has, and the layers whose outputs they are made of.
    `parts_only` where only images have them on which every part was found."""

    count: int
    taps: tuple[str, ...] = ()
    parts_only: bool = False


class Perturbations(Protocol):
    """A family of changed images, or of changes inside the network. A frozen value, made by its `maker`."""

    def extent(self, model: ModelFacts) -> Extent:
        """How many there are. Raises NotApplicable where the model has not what they change."""
