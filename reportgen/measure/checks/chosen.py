"""The chosen checks: what each needs of the sample, or why it does not apply, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from reportgen.checks import Question
from reportgen.checks.case import View
from reportgen.engine.needs import ModelFacts, Need, Triggers
from reportgen.engine.plan import Plan
from reportgen.findings import NotApplicable
from reportgen.inputs import ImageFile

SCREENED_ON = 60  # pictures of each half that patterns are sought on, and pasted into
ADAPTED_TO = 64  # images of the sample whose statistics stand for those of all
OF_THE_SET = "the images", "the labels"


EACH_ITS_MASK = "answers are taken under a mask of each image, which no altered picture has"


def _under_masks(facts: ModelFacts) -> bool:
    return facts.head.region is not None and facts.head.region.masked


@dataclass(frozen=True)
class ChosenCheck:
    """One check of the recipe: its needs and views, or the reason why it does not apply."""

    name: str
    check: Any  # its own type is nobody's business here
    needs: tuple[Need, ...] = ()
    views: tuple[View, ...] = ()
    reason: str | None = None

    @classmethod
    def of(cls, name: str, check: Any, facts: ModelFacts) -> ChosenCheck:
        """What a check asks of a model. Raises UnknownName for a layer that is not there, and TypeError for a
        need that only a visualization can have."""
        try:
            needs = tuple(check.needs(facts)) if hasattr(check, "needs") else ()
            views = tuple(check.views(facts)) if hasattr(check, "views") else ()
            works = [need.work(facts) for need in needs]
            if (hasattr(check, "interventions") or hasattr(check, "screens")) and _under_masks(facts):
                raise NotApplicable(EACH_ITS_MASK)
        except NotApplicable as refusal:
            return cls(name, check, reason=str(refusal))
        if any(work.scope == "set" for work in works):
            raise TypeError(f"{name}: a check may not need the whole set ranked")
        return cls(name, check, needs, views)

    @property
    def asked(self) -> Question | None:
        """What the registry knows of it; None of a check that is not registered."""
        return getattr(self.check, "asked", None)

    @property
    def sampled(self) -> bool:
        """Whether anything is asked of the sample for it."""
        asked = self.needs or self.views or self.watches or self.intervenes or self.screens
        return self.reason is None and bool(asked)

    @property
    def intervenes(self) -> bool:
        """Whether it makes experiments on pictures of the sample."""
        return hasattr(self.check, "interventions")

    @property
    def screens(self) -> bool:
        """Whether it seeks the smallest patterns that turn pictures to a class."""
        return self.reason is None and hasattr(self.check, "screens")

    @property
    def sweeps(self) -> bool:
        """Whether what it asks next depends on what was answered: its views are asked round after round."""
        return self.reason is None and hasattr(self.check, "asks")

    @property
    def watches(self) -> bool:
        """Whether it keeps anything of a batch."""
        return hasattr(self.check, "observe") or hasattr(self.check, "tally")


@dataclass(frozen=True)
class ChosenChecks:
    """All checks that the recipe chooses, for one model; `sample` is how many images are drawn for those that
    cost much."""

    every: tuple[ChosenCheck, ...]
    facts: ModelFacts
    sample: int
    foreign_count: int = 0  # readable pictures that are not of the task
    things: int = 0  # images of the set whose masks or boxes say where the thing is

    @classmethod
    def of(cls, wishes: Iterable[tuple[str, Any]], facts: ModelFacts, sample: int) -> ChosenChecks:
        """From (name, check) pairs. Raises as `ChosenCheck.of` does."""
        return cls(tuple(ChosenCheck.of(name, check, facts) for name, check in wishes), facts, sample)

    def of_second(self) -> ChosenChecks:
        """Those of the model beside: what is about the images alone is said of the main one."""
        same = "the images are the same for both models"
        every = (
            ChosenCheck(c.name, c.check, reason=same) if c.asked and c.asked.group in OF_THE_SET else c
            for c in self.every
        )
        return ChosenChecks(tuple(every), self.facts, self.sample)

    def fitting(self, exclusive: bool) -> ChosenChecks:
        """Those that hold for what the model's outputs mean: most are about one class of several."""
        if exclusive:
            return self
        reason = "the model does not choose one class of several"
        every = (
            c
            if c.reason is not None or c.asked is None or c.asked.any_head
            else ChosenCheck(c.name, c.check, reason=reason)
            for c in self.every
        )
        return ChosenChecks(tuple(every), self.facts, self.sample)

    def without_gradients(self, reason: str) -> ChosenChecks:
        """For a network whose answers cannot be differentiated: what asks for gradients does not apply."""
        every = (
            ChosenCheck(c.name, c.check, reason=reason)
            if Plan(c.needs, self.facts, 1).rules or any(view.stepped for view in c.views) or c.screens
            else c
            for c in self.every
        )
        return ChosenChecks(tuple(every), self.facts, self.sample)

    @property
    def training(self) -> bool:
        """Whether any looks at the pictures of the training."""
        return any(c.asked.training for c in self.every if c.reason is None and c.asked is not None)

    @cached_property
    def looking_abroad(self) -> tuple[ChosenCheck, ...]:
        """Those whose needs are asked of pictures that are not of the task, too."""
        return tuple(c for c in self.every if c.reason is None and c.asked is not None and c.asked.foreign)

    def beside_foreign(self, files: Sequence[ImageFile]) -> ChosenChecks:
        """The same, priced with pictures that are not of the task."""
        return replace(self, foreign_count=sum(file.reason is None for file in files))

    def with_things(self, files: Sequence[ImageFile]) -> ChosenChecks:
        """The same, priced for a set of which some images say where the thing is that they show."""
        return replace(self, things=sum(file.shows_a_thing for file in files if file.reason is None))

    @cached_property
    def foreign_plan(self) -> Plan:
        """All that is asked of a picture that is not of the task."""
        needs = (need for c in self.looking_abroad for need in c.needs)
        return Plan(tuple(dict.fromkeys(needs)), self.facts, 1)

    @cached_property
    def watching(self) -> tuple[ChosenCheck, ...]:
        """Those that keep something of a batch of the sample."""
        return tuple(c for c in self.every if c.reason is None and c.watches)

    @cached_property
    def views(self) -> tuple[View, ...]:
        """Every other way to preprocess the sample, once."""
        return tuple(dict.fromkeys(view for c in self.every if c.reason is None for view in c.views))

    @cached_property
    def intervening(self) -> tuple[ChosenCheck, ...]:
        """Those that make experiments on pictures of the sample."""
        return tuple(c for c in self.every if c.reason is None and c.intervenes and self._experiments(c, 1))

    def _experiments(self, chosen: ChosenCheck, drawn: int) -> int:
        """On how many of the images of a sample a check may make experiments."""
        return min(drawn, self.things) if chosen.asked and chosen.asked.things else drawn

    @cached_property
    def swept(self) -> frozenset[View]:
        """Those of the views that are asked round after round."""
        return frozenset(view for c in self.every if c.sweeps for view in c.views)

    @cached_property
    def screening(self) -> tuple[ChosenCheck, ...]:
        """Those that seek the smallest patterns that turn pictures to a class."""
        return tuple(c for c in self.every if c.screens)

    def without_screens(self) -> ChosenChecks:
        """The same without those."""
        return replace(self, every=tuple(c for c in self.every if not c.screens))

    def screened(self, chosen: ChosenCheck, drawn: int, seed: int) -> Triggers | None:
        """What one of them asks for of a sample of so many images; None where that is nothing."""
        need: Triggers | None = chosen.check.screens(self.facts, drawn, seed)
        return need

    @property
    def steps(self) -> bool:
        """Whether a gradient of the weights is asked for."""
        return any(view.stepped for view in self.views)

    @cached_property
    def plan(self) -> Plan:
        """All that is asked of an image of the sample, for the class that it is answered."""
        return Plan(tuple(dict.fromkeys(need for c in self.watching for need in c.needs)), self.facts, 1)

    def drawn(self, readable: int) -> int:
        """How many of the readable images are asked."""
        asked = self.watching or self.views or self.intervening or self.screening
        return min(self.sample, readable) if asked else 0

    def cost(self, readable: int) -> dict[str, int]:
        """Forwards, backwards and perturbed forwards, in images: at most, for a view that is no other input,
        or that a part of the sample has excluded, is not asked further, nor are experiments that the answers
        or the pictures leave no reason for."""
        drawn = self.drawn(readable)
        total = self.plan.cost(drawn if self.watching else 0)
        for key, count in self.foreign_plan.cost(min(self.sample, self.foreign_count)).items():
            total[key] += count
        total["forwards"] += drawn * len(set(self.views) - self.swept)
        total["forwards"] += sum(c.check.asks_at_most(self.facts, drawn) for c in self.every if c.sweeps)
        total["forwards"] += min(drawn, ADAPTED_TO) * any(view.adapted for view in self.views)
        for c in self.intervening:
            total["forwards"] += c.check.interventions_at_most(self._experiments(c, drawn), self.facts)
        for c in self.screening:
            if (need := self.screened(c, drawn, 0)) is not None:
                once = min(SCREENED_ON, drawn)
                total["forwards"] += need.forwards + 2 * once + 2 * len(need.classes) * once
                total["backwards"] += need.forwards
        if self.steps:  # of half A; its answers are taken before its gradient
            total["forwards"] += 2 * drawn
            total["backwards"] += drawn
        return total

    def lines(self, readable: int) -> list[str]:
        """The plan in words."""
        if not (drawn := self.drawn(readable)):
            return []
        cost, of = self.cost(readable), "" if drawn == readable else " drawn at random"
        at_most = " at most" if self.views or self.intervening else ""
        return [
            f"{drawn} images{of} are measured for the checks: {cost['forwards']} forwards{at_most}, "
            f"{cost['backwards']} backwards, {cost['perturbed_forwards']} forwards of perturbed images"
        ]
