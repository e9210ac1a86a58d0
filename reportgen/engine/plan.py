"""The union of all needs, and what it costs before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from typing_extensions import assert_never

from reportgen.engine.needs import (
    INPUT,
    OF_MODEL,
    PER_TARGET,
    Activation,
    Ascent,
    ChannelMasks,
    ChannelMean,
    CoveredParts,
    Evolved,
    Extremes,
    Flat,
    Gradient,
    Kindred,
    MeanGradient,
    ModelFacts,
    Need,
    Noisy,
    Occluded,
    Path,
    Probe,
    Projected,
    RandomMasks,
    Record,
    Responses,
    Rule,
    Scores,
    TrainingLog,
    Transformed,
    Variants,
)
from reportgen.engine.perturb.responses import kept_bytes
from reportgen.findings import NotApplicable


@dataclass(frozen=True)
class Planned:
    """One visualization of the recipe: its needs, or the reason why it does not apply."""

    name: str
    scope: str
    probe: Any  # a Probe; its own type is nobody's business here
    needs: tuple[Need, ...] = ()
    reason: str | None = None

    @property
    def per_target(self) -> bool:
        """Whether it explains a class, so that it is measured once a target."""
        return self.scope == "image" and any(isinstance(need, PER_TARGET) for need in self.needs)

    @property
    def summed(self) -> bool:
        """Whether it explains single images and, besides, keeps a tally of a sample of the set."""
        return self.scope == "image" and self.reason is None and hasattr(self.probe, "tally")

    def sampled(self, readable: int) -> int:
        """How many of the readable images its tally is made of."""
        wished = self.probe.images
        return readable if wished == "all" else min(readable, int(wished))


@dataclass(frozen=True)
class Plan:
    """What one batch takes: one forward, one backward a rule and target, the packed variants."""

    planned: tuple[Planned, ...]
    facts: ModelFacts
    targets: int
    parted: int = 0  # images of the set that have every part, for copies with parts covered

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """Every need once, in order of first mention."""
        return tuple(dict.fromkeys(need for item in self.planned for need in item.needs))

    @cached_property
    def taps(self) -> tuple[str, ...]:
        """The layers whose outputs are kept, or differentiated by."""
        names = [n.layer for n in self.needs if isinstance(n, Activation)]
        names += [family.layer for family in self.families if isinstance(family, ChannelMasks)]
        names += [n.layer for n in self.responses]
        names += [n.wrt for n in self.needs if isinstance(n, Gradient) and n.wrt != INPUT]
        names += [n.layer for n in self.extremes] + [n.layer for n in self.kindred]
        names += [n.unit.layer for n in self.records if isinstance(n.unit, ChannelMean)]
        return tuple(dict.fromkeys(names))

    @cached_property
    def rules(self) -> dict[Rule, tuple[str, ...]]:
        """What each rule's backward differentiates by. One backward serves all of a rule's needs."""
        found: dict[Rule, list[str]] = {}
        for need in self.needs:
            if isinstance(need, Gradient):
                found.setdefault(need.rule, []).append(need.wrt)
        return {rule: tuple(wrt) for rule, wrt in found.items()}

    @cached_property
    def responses(self) -> tuple[Responses, ...]:
        """The answers of layers to variants."""
        return tuple(need for need in self.needs if isinstance(need, Responses))

    @cached_property
    def families(self) -> dict[Variants, tuple[Responses, ...]]:
        """The families of variants that are scored, and whose answers are kept beside the scores: one
        forward of a copy serves both."""
        asked = [need.variants for need in self.needs if isinstance(need, Scores | Responses)]
        return {
            family: tuple(need for need in self.responses if need.variants == family)
            for family in dict.fromkeys(asked)
        }

    @cached_property
    def averaged(self) -> tuple[MeanGradient, ...]:
        """The gradients that are means over copies."""
        return tuple(need for need in self.needs if isinstance(need, MeanGradient))

    @cached_property
    def ascents(self) -> tuple[Ascent, ...]:
        """The pictures that are climbed, once for the model."""
        return tuple(need for need in self.needs if isinstance(need, Ascent))

    @cached_property
    def projected(self) -> tuple[Projected, ...]:
        """What is looked at again in the strongest images of the set."""
        return tuple(need for need in self.needs if isinstance(need, Projected))

    @cached_property
    def extremes(self) -> tuple[Extremes, ...]:
        """The layers whose channels rank the images of the set."""
        asked = [need for need in self.needs if isinstance(need, Extremes)]
        below = [*self.projected, *(need for held in self.evolved for need in held.projected)]
        asked += [need.extremes for need in below] + [need.extremes for need in self.kindred]
        return tuple(dict.fromkeys(asked))

    @cached_property
    def kindred(self) -> tuple[Kindred, ...]:
        """What is asked of single images once the set is ranked."""
        return tuple(need for need in self.needs if isinstance(need, Kindred))

    @cached_property
    def evolved(self) -> tuple[Evolved, ...]:
        """The checkpoints of a run that are seen over the set as well."""
        return tuple(need for need in self.needs if isinstance(need, Evolved))

    @cached_property
    def logs(self) -> tuple[TrainingLog, ...]:
        """The training logs that are read."""
        return tuple(need for need in self.needs if isinstance(need, TrainingLog))

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The units whose strongest image of the set is asked for."""
        return tuple(need for need in self.needs if isinstance(need, Record))

    @property
    def asks_gradients(self) -> bool:
        """Whether anything is made of gradients of the network's answers or layers."""
        return self.differentiates or bool(self.averaged or self.ascents)

    def without_gradients(self) -> Plan:
        """The plan for a network whose answers cannot be differentiated: what needs that does not apply."""
        reason = "the model's answers have no gradient"
        kept = [
            replace(p, needs=(), reason=reason) if replace(self, planned=(p,)).asks_gradients else p
            for p in self.planned
        ]
        return replace(self, planned=tuple(kept))

    @property
    def differentiates(self) -> bool:
        """Whether a batch's activations are kept for a backward."""
        return bool(self.rules or self.projected or self.kindred or self.evolved)

    @property
    def backward_rules(self) -> tuple[Rule, ...]:
        """The rules of every backward that is made: of batches, copies, pictures, and single values."""
        again = [need.rule for need in self.projected] + [need.rule for need in self.kindred]
        again += [need.rule for held in self.evolved for need in held.projected]
        exact: list[Rule] = ["exact"] if self.averaged or self.ascents else []
        return tuple(dict.fromkeys([*self.rules, *again, *exact]))

    def seen_again(self, scored: int) -> int:
        """Images of a set of `scored` that a second round for the strongest ones sees, at most."""
        tiles = sum(
            need.extremes.k * (need.channels if isinstance(need.channels, int) else len(need.channels))
            for need in self.projected
        )
        return min(scored, tiles)

    @property
    def ascent_cost(self) -> dict[str, int]:
        """Forwards and backwards of the ascents, in pictures; nothing where there are none."""
        if not self.ascents:
            return {}
        steps = sum(need.climb.steps for need in self.ascents)
        # the first picture and the last are answered once more, as they stand
        return {"ascent_forwards": steps + 2 * len(self.ascents), "ascent_backwards": steps}

    @property
    def windows(self) -> int:
        """Variants of any image that are scored, all families together."""
        return sum(self._count(family) for family in self.families if not isinstance(family, CoveredParts))

    @property
    def part_copies(self) -> int:
        """Variants of an image that has every part, besides `windows`."""
        return sum(self._count(family) for family in self.families if isinstance(family, CoveredParts))

    @property
    def copies(self) -> int:
        """Copies of one image that are differentiated, all families together."""
        return sum(self._count(need.copies) for need in self.averaged)

    def _count(self, variants: Variants | Noisy | Path) -> int:
        if isinstance(variants, Occluded):
            return len(variants.boxes(*self.facts.input_shape[1:]))
        if isinstance(variants, ChannelMasks):
            maps = self.facts.layer(variants.layer).maps
            return min(variants.at_most or maps, maps)
        if isinstance(variants, RandomMasks | CoveredParts):
            return variants.count
        if isinstance(variants, Transformed):
            return len(variants.values)
        if isinstance(variants, Noisy):
            return variants.samples
        if isinstance(variants, Path):
            return variants.steps
        if isinstance(variants, Flat):
            return 1
        assert_never(variants)  # a family that the plan cannot count would run for nothing

    @property
    def tapped_bytes(self) -> int:
        """Copies of tapped outputs that one image adds, and what is kept of the variants' ones."""
        layers = {layer.name: layer for layer in self.facts.layers}
        again = {need.layer for need in self.responses}  # the clean ones stay while variants are answered
        kept = sum(kept_bytes(n, layers[n.layer]) * self._count(n.variants) for n in self.responses)
        return kept + sum(layers[name].output_bytes for name in (*self.taps, *again))

    def first_round(self) -> Plan:
        """What every image of a large set is asked: what needs the whole set. No target, no gradient."""
        ranked = tuple(dict.fromkeys(need.extremes for need in self.kindred))
        others = self.of_scope("set", "model")
        return Plan((*others, Planned("ranks", "set", None, ranked)), self.facts, 1)

    def second_round(self) -> Plan:
        """What the images that are shown are asked after that."""
        return self.only("image")

    def only(self, *scopes: str) -> Plan:
        """The plan of some scopes' visualizations, with one target."""
        return Plan(self.of_scope(*scopes), self.facts, 1)

    def of_scope(self, *scopes: str) -> tuple[Planned, ...]:
        """The visualizations of these scopes that apply."""
        return tuple(p for p in self.planned if p.scope in scopes and p.reason is None)

    def samples(self, scored: int, measured: int) -> dict[int, Plan]:
        """By size the samples of the set that are drawn, and what they are asked. Where every image of a
        sample is measured anyway, its tally is kept then, and the sample costs nothing."""
        found: dict[int, list[Planned]] = {}
        for planned in self.planned:
            if planned.summed and (planned.sampled(scored) < scored or measured < scored):
                found.setdefault(planned.sampled(scored), []).append(planned)
        return {size: Plan(tuple(several), self.facts, 1) for size, several in found.items()}

    def cost(self, scored: int, measured: int) -> dict[str, int]:
        """Forwards, backwards and occlusion forwards, in images, for a set of `scored` images.

        Of these, `measured` get figures: they are scored in the same forward where that is all of
        them, and in a second round where it is not, or where the set is ranked before.
        """
        again = measured if measured < scored or self.kindred else 0
        windows = measured * self.windows
        if again:  # what is about the set is asked of every image, when it is scored
            windows = measured * self.second_round().windows + scored * self.first_round().windows
        drawn = self.samples(scored, measured)
        windows += sum(size * plan.windows for size, plan in drawn.items())
        return {
            "forwards": scored + again + sum(drawn) + measured * self.copies,
            "backwards": measured * self.targets * (len(self.rules) + self.copies),
            "occlusion_forwards": windows + self.parted * self.part_copies,
        }

    def lines(self, scored: int, measured: int) -> list[str]:
        """The plan in words, for the log and the report."""
        cost = self.cost(scored, measured)
        rules = ", ".join(self.rules) or "none"
        macs = self.facts.macs * (cost["forwards"] + 2 * cost["backwards"] + cost["occlusion_forwards"])
        lines = [
            f"{scored} images are scored, {measured} of them get figures",
            f"{cost['forwards']} forwards, {cost['backwards']} backwards (rules: {rules}), "
            f"{cost['occlusion_forwards']} forwards of perturbed images ({self.windows} of each image)",
            f"about {macs / 1e12:.3g} T multiply-adds",
        ]
        if self.part_copies:
            lines.append(f"{self.parted} images have every part: {self.part_copies} forwards more of each")
        for size, plan in self.samples(scored, measured).items():
            names = ", ".join(planned.name for planned in plan.planned)
            lines.append(f"{size} images drawn at random are measured for the set: {names}")
        if climbed := self.ascent_cost:
            lines.append(
                f"{len(self.ascents)} pictures are driven up by gradient ascent: "
                f"{climbed['ascent_forwards']} forwards, {climbed['ascent_backwards']} backwards"
            )
        if others := sum(len(need.checkpoints) for need in self.evolved):
            lines.append(f"{others} checkpoints of the run: {others * scored} forwards more")
        for need in self.kindred:
            lines.append(
                f"the set is ranked by the maps of {need.layer} first; then each image that is shown is "
                f"projected with {need.others} others"
            )
        if again := self.seen_again(scored):
            tiles = sum(need.extremes.k for need in self.projected)
            lines.append(
                f"of the strongest images at most {again} are seen again, to project at most {tiles} "
                "places a channel down to the pixels"
            )
        return lines + [f"{p.name} does not apply: {p.reason}" for p in self.planned if p.reason]


def make_plan(
    wishes: Iterable[tuple[str, str, Probe]], facts: ModelFacts, targets: int
) -> Plan:
    """The plan for (name, scope, probe) triples. Raises UnknownName for a layer that is not there."""
    return Plan(tuple(_planned(*wish, facts) for wish in wishes), facts, targets)


def _planned(name: str, scope: str, probe: Probe, facts: ModelFacts) -> Planned:
    try:
        needs: Sequence[Need] = probe.needs(facts)
    except NotApplicable as refusal:
        return Planned(name, scope, probe, reason=str(refusal))
    if scope == "model" and not all(isinstance(need, OF_MODEL) for need in needs):
        raise TypeError(f"{name}: a probe of scope 'model' may need only what needs no image at hand")
    if scope == "set" and any(isinstance(need, PER_TARGET) for need in needs):
        raise TypeError(f"{name}: a probe of scope 'set' may not need a target")
    return Planned(name, scope, probe, tuple(needs))
