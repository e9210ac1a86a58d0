"""The union of all needs with what they require, and what it costs before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import TypeVar

from reportgen.engine.needs.rules import Rule
from reportgen.engine.needs.work import Cost, Need, Work
from reportgen.engine.network.facts import ModelFacts

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Plan:
    """What one batch takes: one forward, one backward a rule and target, the packed perturbations.

    `asked` are the needs of whoever asks; which visualizations these are is nothing to the plan.
    """

    asked: tuple[Need, ...]
    facts: ModelFacts
    targets: int

    @cached_property
    def works(self) -> dict[Need, Work]:
        """What every need takes, once: those that are asked for, in order of first mention, then those
        that these require, and so on."""
        known: dict[Need, Work] = {}
        waiting = self.asked
        while waiting:
            new = [need for need in dict.fromkeys(waiting) if need not in known]
            known |= {need: need.work(self.facts) for need in new}
            waiting = tuple(required for need in new for required in known[need].requires)
        return known

    @property
    def needs(self) -> tuple[Need, ...]:
        """Every need once."""
        return tuple(self.works)

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """The needs of one kind."""
        return tuple(need for need in self.works if isinstance(need, kind))

    @cached_property
    def taps(self) -> tuple[str, ...]:
        """The layers whose outputs are kept, or differentiated by."""
        return self._union(lambda work: work.taps)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of every backward that is made: of batches, perturbations, pictures, single values."""
        return self._union(lambda work: work.rules)

    @cached_property
    def ranked_first(self) -> tuple[Need, ...]:
        """What of the whole set has to be known before it can be asked of a batch."""
        of_batch = Plan(self._of_scope("batch"), self.facts, self.targets)
        return of_batch._of_scope("set")

    @property
    def differentiates(self) -> bool:
        """Whether a batch's activations are kept for a backward."""
        return any(work.keeps_graph for work in self.works.values())

    @cached_property
    def each(self) -> Cost:
        """What each image takes besides its own forward."""
        return reduce(add, (work.cost for work in self.works.values()), Cost())

    @property
    def once(self) -> dict[str, int]:
        """What is spent once for the model, in images, by the evidence's names."""
        return dict(sum((Counter(work.once) for work in self.works.values()), Counter()))

    @property
    def tapped_bytes(self) -> int:
        """The outputs that are tapped of one image, and what is kept of those of its perturbations."""
        layers = {layer.name: layer for layer in self.facts.layers}
        # the clean ones stay while perturbations are answered
        tapped = (*self.taps, *self._union(lambda work: work.perturbed_taps))
        kept = sum(work.kept_bytes for work in self.works.values())
        return kept + sum(layers[name].output_bytes for name in tapped)

    def cost(self, images: int, parted: int = 0) -> dict[str, int]:
        """Forwards, backwards and perturbed forwards, in images, where so many images are asked all of
        it and `parted` of them have every part."""
        return {
            "forwards": images * (1 + self.each.forwards),
            "backwards": images * self.targets * self.each.backwards,
            "perturbed_forwards": images * self.each.perturbed_forwards + parted * self.each.parts_forwards,
        }

    def lines(self, images: int) -> list[str]:
        """What is asked besides figures of single images, in words, for a set of so many images.

        Kind by kind in the order of their names, whatever order the recipe has.
        """
        kinds = {type(need): work.lines for need, work in self.works.items() if work.lines}
        ordered = sorted(kinds.items(), key=lambda pair: pair[0].__name__)
        return [line for kind, lines in ordered for line in lines(self.of(kind), images)]

    def _of_scope(self, scope: str) -> tuple[Need, ...]:
        return tuple(need for need, work in self.works.items() if work.scope == scope)

    def _union(self, of: Callable[[Work], Iterable[Kind]]) -> tuple[Kind, ...]:
        return tuple(dict.fromkeys(part for work in self.works.values() for part in of(work)))
