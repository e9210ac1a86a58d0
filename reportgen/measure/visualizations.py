"""The chosen visualizations: what each needs, or why it does not apply, and what each round asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from reportgen.engine.needs import Backward, ModelFacts, Need, Probe, Tape
from reportgen.engine.plan import Plan
from reportgen.findings import NotApplicable, Tally


@runtime_checkable
class Sampling(Protocol):
    """What a probe of scope `image` has where it shows the set as well: how many `images` of it are
    drawn, a count or "all", and what is kept of a batch of them."""

    @property
    def images(self) -> int | str: ...

    def tally(self, tape: Tape) -> Tally: ...


@dataclass(frozen=True)
class Visualization:
    """One visualization of the recipe: its needs, or the reason why it does not apply."""

    name: str
    scope: str
    probe: Any  # a Probe; its own type is nobody's business here
    needs: tuple[Need, ...] = ()
    reason: str | None = None
    per_target: bool = False  # whether it explains a class, so that it is measured once a target

    @classmethod
    def of(cls, name: str, scope: str, probe: Probe, facts: ModelFacts) -> Visualization:
        """What a probe asks of a model. Raises UnknownName for a layer that is not there, and TypeError
        for a need that its scope cannot have."""
        try:
            needs = tuple(probe.needs(facts))
            works = [need.work(facts) for need in needs]
        except NotApplicable as refusal:
            return cls(name, scope, probe, reason=str(refusal))
        if scope == "model" and any(work.scope == "batch" for work in works):
            raise TypeError(f"{name}: a probe of scope 'model' may need only what needs no image at hand")
        targeted = any(work.per_target for work in works)
        if scope == "set" and targeted:
            raise TypeError(f"{name}: a probe of scope 'set' may not need a target")
        return cls(name, scope, probe, needs, per_target=targeted and scope == "image")

    @property
    def applies(self) -> bool:
        """Whether the network has what it shows."""
        return self.reason is None

    @property
    def summed(self) -> bool:
        """Whether it explains single images and, besides, keeps a tally of a sample of the set."""
        return self.scope == "image" and self.applies and isinstance(self.probe, Sampling)

    def sampled(self, readable: int) -> int:
        """How many of the readable images its tally is made of."""
        wished = self.probe.images
        return readable if wished == "all" else min(readable, int(wished))


def without_gradients(several: Iterable[Visualization], facts: ModelFacts) -> tuple[Visualization, ...]:
    """For a network whose answers cannot be differentiated: what asks for gradients does not apply."""
    reason = "the model's answers have no gradient"
    return tuple(
        Visualization(v.name, v.scope, v.probe, reason=reason) if Plan(v.needs, facts, 1).rules else v
        for v in several
    )


def needs_of(several: Iterable[Visualization]) -> tuple[Need, ...]:
    """Every need of several visualizations once, in order of first mention."""
    return tuple(dict.fromkeys(need for visualization in several for need in visualization.needs))


@dataclass(frozen=True)
class Visualizations:
    """All that the recipe chooses, in its order, for one model that is explained for `targets` classes
    an image. `parted` images of the set have every part, where a need is about parts."""

    every: tuple[Visualization, ...]
    facts: ModelFacts
    targets: int
    parted: int = 0

    @classmethod
    def of(cls, wishes: Iterable[tuple[str, str, Probe]], facts: ModelFacts, targets: int) -> Visualizations:
        """From (name, scope, probe) triples. Raises as `Visualization.of` does."""
        return cls(tuple(Visualization.of(*wish, facts) for wish in wishes), facts, targets)

    def of_scope(self, *scopes: str) -> tuple[Visualization, ...]:
        """Those of these scopes that apply."""
        return tuple(v for v in self.every if v.scope in scopes and v.applies)

    def plan(self, *scopes: str) -> Plan:
        """The plan of these scopes, of all where none is named."""
        return Plan(needs_of(self.of_scope(*scopes) if scopes else self.every), self.facts, self.targets)

    def first_round(self) -> Plan:
        """What every image of a large set is asked: what needs the whole set. No target, no gradient."""
        asked = needs_of(self.of_scope("set", "model"))
        return Plan((*asked, *self.plan().ranked_first), self.facts, 1)

    def second_round(self) -> Plan:
        """What the images that are shown are asked after that."""
        return self.plan("image")

    def two_rounds(self, scored: int, measured: int) -> bool:
        """Whether the set is larger than what is shown, so that it is scored before it is chosen, or
        has to be ranked before an image of it is asked."""
        return measured < scored or bool(self.plan().ranked_first)

    def samples(self, scored: int, measured: int) -> dict[int, tuple[Visualization, ...]]:
        """By size the samples of the set that are drawn, and for what. Where every image of a sample is
        measured anyway, its tally is kept then, and the sample costs nothing."""
        drawn: dict[int, tuple[Visualization, ...]] = {}
        for visualization in self.every:
            if visualization.summed:
                size = visualization.sampled(scored)
                if size < scored or measured < scored:
                    drawn[size] = (*drawn.get(size, ()), visualization)
        return drawn

    def sample_plan(self, several: Iterable[Visualization]) -> Plan:
        """What the images of a sample are asked, for one target."""
        return Plan(needs_of(several), self.facts, 1)

    def cost(self, scored: int, measured: int) -> dict[str, int]:
        """Forwards, backwards and perturbed forwards, in images, for a set of `scored` images.

        Of these, `measured` get figures: they are scored in the same forward where that is all of
        them, and in a second round where it is not, or where the set is ranked before.
        """
        if self.two_rounds(scored, measured):
            rounds = [self.first_round().cost(scored), self.second_round().cost(measured)]
        else:
            rounds = [self.plan().cost(measured)]
        drawn = self.samples(scored, measured).items()
        rounds += [self.sample_plan(several).cost(size) for size, several in drawn]
        total = {key: sum(cost[key] for cost in rounds) for key in rounds[0]}
        total["perturbed_forwards"] += self.parted * self.plan().each.parts_forwards
        return total

    def lines(self, scored: int, measured: int) -> list[str]:
        """The plan in words, for the log and the report."""
        plan, cost = self.plan(), self.cost(scored, measured)
        each = plan.each
        rules = ", ".join(need.rule for need in plan.of(Backward)) or "none"
        macs = self.facts.macs * (cost["forwards"] + 2 * cost["backwards"] + cost["perturbed_forwards"])
        lines = [
            f"{scored} images are scored, {measured} of them get figures",
            f"{cost['forwards']} forwards, {cost['backwards']} backwards (rules: {rules}), "
            f"{cost['perturbed_forwards']} forwards of perturbed images "
            f"({each.perturbed_forwards} of each image)",
            f"about {macs / 1e12:.3g} T multiply-adds",
        ]
        if more := each.parts_forwards:
            lines.append(f"{self.parted} images have every part: {more} forwards more of each")
        for size, several in self.samples(scored, measured).items():
            names = ", ".join(visualization.name for visualization in several)
            lines.append(f"{size} images drawn at random are measured for the set: {names}")
        lines += plan.lines(scored)
        return lines + [f"{v.name} does not apply: {v.reason}" for v in self.every if v.reason]
