"""The union of all needs, and what it costs before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reportgen.engine.needs import (
    INPUT,
    OF_MODEL,
    PER_TARGET,
    Activation,
    Ascent,
    ChannelMasks,
    CoveredParts,
    Gradient,
    MeanGradient,
    ModelFacts,
    Need,
    Noisy,
    Occluded,
    Path,
    Probe,
    RandomMasks,
    Responses,
    Rule,
    Scores,
    Transformed,
    Variants,
)
from reportgen.engine.responses import kept_bytes
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
        """Whether it explains single images and, besides, keeps a tally of those that are shown."""
        return self.scope == "image" and hasattr(self.probe, "tally")


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
        return variants.steps if isinstance(variants, Path) else 1

    @property
    def tapped_bytes(self) -> int:
        """Copies of tapped outputs that one image adds, and what is kept of the variants' ones."""
        layers = {layer.name: layer for layer in self.facts.layers}
        again = {need.layer for need in self.responses}  # the clean ones stay while variants are answered
        kept = sum(kept_bytes(n, layers[n.layer]) * self._count(n.variants) for n in self.responses)
        return kept + sum(layers[name].output_bytes for name in (*self.taps, *again))

    def only(self, scope: str) -> Plan:
        """The plan of one scope's visualizations, with one target."""
        return Plan(self.of_scope(scope), self.facts, 1)

    def of_scope(self, scope: str) -> tuple[Planned, ...]:
        """The visualizations of one scope that apply."""
        return tuple(p for p in self.planned if p.scope == scope and p.reason is None)

    def cost(self, scored: int, measured: int) -> dict[str, int]:
        """Forwards, backwards and occlusion forwards, in images, for a set of `scored` images.

        Of these, `measured` get figures: they are scored in the same forward where that is all of
        them, and in a second round where it is not.
        """
        again = 0 if measured == scored else measured
        windows = measured * self.windows
        if again:  # what is about the set is asked of every image, when it is scored
            windows = measured * self.only("image").windows + scored * self.only("set").windows
        return {
            "forwards": scored + again + measured * self.copies,
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
            f"{cost['occlusion_forwards']} occlusion forwards ({self.windows} changed copies an image)",
            f"about {macs / 1e12:.3g} T multiply-adds",
        ]
        if self.part_copies:
            lines.append(f"{self.parted} images have every part: {self.part_copies} copies more of each")
        if climbed := self.ascent_cost:
            lines.append(
                f"{len(self.ascents)} pictures are climbed: {climbed['ascent_forwards']} forwards, "
                f"{climbed['ascent_backwards']} backwards"
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
        raise TypeError(f"{name}: a probe of scope 'model' may need weights and ascents only")
    if scope == "set" and any(isinstance(need, PER_TARGET) for need in needs):
        raise TypeError(f"{name}: a probe of scope 'set' may not need a target")
    return Planned(name, scope, probe, tuple(needs))
