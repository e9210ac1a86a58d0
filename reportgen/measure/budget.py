"""A time budget: what a run is expected to take after its first batch, and what is left out to stay within.

The order is fixed: checks are asked of a smaller sample; no trigger is sought; maps are not put to the test;
visualizations go, the costliest first, while one costs more than a plain gradient; fewer images get figures;
no check is asked. What a gate names stays. The decision depends on the machine's speed, so that it is taken
once and written down: a run that is resumed keeps it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reportgen.engine.onepass import frozen
from reportgen.evidence import canonical_json, write_whole
from reportgen.inputs import stream
from reportgen.inputs.images.loading import Decoded
from reportgen.measure.audit import Audit
from reportgen.measure.maps.price import explaining, price
from reportgen.measure.measurement import pixels_of
from reportgen.measure.models import ModelUnderAudit
from reportgen.measure.visualizations import Visualizations
from reportgen.recipe import Recipe
from reportgen.recipe.gates import tested_check
from reportgen.recipe.preset import needed_maps

DECISION = "budget.json"  # in the folder that a report is built in
FEWER_SAMPLED = 100
FEWEST_SHOWN = 10
# to write a report, as two x86-64 cores took it: the page and the print whatever they show, and what one
# visualization of one image takes in both
PAGE_SECONDS, PRINT_SECONDS, FIGURE_SECONDS = 1.5, 6.0, 0.04


@dataclass(frozen=True)
class Pace:
    """Seconds an image that the first batch took: decoded and answered, and a gradient besides."""

    forward: float
    backward: float

    def of(self, cost: dict[str, int]) -> float:
        """The seconds of a plan's cost, counted in images. A picture that is made by gradient ascent counts
        as an image, which it is at most as large as."""
        forwards = cost["forwards"] + cost["perturbed_forwards"] + cost.get("ascent_forwards", 0)
        backwards = cost["backwards"] + cost.get("ascent_backwards", 0)
        return self.forward * forwards + self.backward * backwards


@dataclass(frozen=True)
class Cut:
    """Something that is left out: what in words, and the seconds that it was expected to take."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Choices:
    """How much is measured."""

    at_most: int
    tested: int  # images whose maps are put to the test
    sample: int
    checks: bool = True
    without: tuple[str, ...] = ()
    screened: bool = True  # whether triggers are sought

    @classmethod
    def of(cls, recipe: Recipe) -> Choices:
        """As the recipe has it."""
        return cls(recipe.images.show.at_most, recipe.trust.images, recipe.checks.sample)

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with these."""
        show = recipe.images.show.model_copy(update={"at_most": self.at_most})
        checks: dict[str, Any] = {"sample": self.sample} if self.checks else {"only": ()}
        if self.checks and not self.screened:
            checks["only"] = tuple(c for c in recipe.checks.only if not hasattr(c.check, "screens"))
        update = {
            "images": recipe.images.model_copy(update={"show": show}),
            "trust": recipe.trust.model_copy(update={"images": self.tested}),
            "checks": recipe.checks.model_copy(update=checks),
            "visualizations": tuple(v for v in recipe.visualizations if v.name not in self.without),
        }
        return recipe.model_copy(update=update)


@dataclass(frozen=True)
class Decision:
    """What is measured, how long that is expected to take, and what is left out for it."""

    choices: Choices
    expected: float
    cuts: tuple[Cut, ...] = ()
    budget: float | None = None

    def notes(self) -> tuple[str, ...]:
        """What a reader must know: what is missing, why, and what it would have cost."""
        if self.budget is None or not (self.cuts or self.expected > self.budget):
            return ()
        left = "; ".join(f"{cut.what} ({in_words(cut.seconds)})" for cut in self.cuts)
        said = f"To stay within the budget of {in_words(self.budget, about='')}, left out were: {left}."
        over = f"With all that a budget leaves out, {in_words(self.expected)} were still expected."
        return (*((said,) if left else ()), *((over,) if self.expected > self.budget else ()))

    def as_json(self) -> dict[str, Any]:
        """As the file of the decision has it; `from_json` is the inverse."""
        return {
            "choices": {**vars(self.choices), "without": list(self.choices.without)},
            "expected": self.expected,
            "cuts": [vars(cut) for cut in self.cuts],
            "budget": self.budget,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Decision:
        """The decision that was written down."""
        choices = Choices(**{**told["choices"], "without": tuple(told["choices"]["without"])})
        return cls(choices, told["expected"], tuple(Cut(**cut) for cut in told["cuts"]), told["budget"])


def in_words(seconds: float, about: str = "about ") -> str:
    """A duration as one says it: about 40 seconds, about 4 minutes, about 2.5 hours."""
    for size, unit in ((3600.0, "hour"), (60.0, "minute")):
        if seconds >= 1.5 * size or seconds == size:
            number = f"{seconds / size:.{1 if seconds < 10 * size else 0}f}".removesuffix(".0")
            return f"{about}{number} {unit}{'' if number == '1' else 's'}"
    if seconds < 1:
        return "less than a second"
    return f"{about}{seconds:.0f} second{'' if round(seconds) == 1 else 's'}"


def decided(audit: Audit, folder: Path) -> Decision:
    """What is measured, as `folder` has it from an earlier try of the same audit; else it is decided after a
    first batch, and written there."""
    file, key = folder / DECISION, audit.key(audit.main)
    if file.exists():
        told = json.loads(file.read_bytes())
        if told["key"] == key:
            return Decision.from_json(told["decision"])
    decision = decide(audit, pace(audit))
    write_whole(file, canonical_json({"key": key, "decision": decision.as_json()}))
    return decision


def decide(audit: Audit, measured: Pace) -> Decision:
    """The first choices, in the order in which things are left out, that fit the budget; the last ones where
    none does."""
    budget, recipe = audit.main.recipe.run.budget_seconds, audit.main.recipe
    choices, cuts = Choices.of(recipe), list[Cut]()
    expected = seconds_of(audit, choices, measured)
    while budget is not None and expected > budget:
        fewer = next(_fewer(audit, choices, measured), None)
        if fewer is None:
            break
        what, choices = fewer
        now = seconds_of(audit, choices, measured)
        cuts.append(Cut(what, expected - now))
        expected = now
    return Decision(choices, expected, tuple(cuts), budget)


def seconds_of(audit: Audit, choices: Choices, measured: Pace) -> float:
    """What measuring and drawing so much is expected to take."""
    shown = min(audit.readable, choices.at_most)
    total = PAGE_SECONDS + (PRINT_SECONDS if audit.main.recipe.output.pdf is not False else 0.0)
    for model in audit.models:
        weight = model.facts.macs / max(audit.main.facts.macs, 1)  # the pace is the main model's
        kept = _kept(model.visualizations, choices)
        total += FIGURE_SECONDS * len(kept.of_scope("image")) * shown
        total += weight * measured.of(_cost(kept, audit.readable, shown))
        total += weight * _test_seconds(model, kept, min(choices.tested, shown), measured)
        if choices.checks:
            sampled = replace(model.checks, sample=choices.sample)
            sampled = sampled if choices.screened else sampled.without_screens()
            total += weight * measured.of(sampled.cost(audit.readable))
    return total


def pace(audit: Audit) -> Pace:
    """What the first batch of images takes, a second time: the first time a device is set up."""
    model = audit.main
    files = [file for file in audit.files if file.reason is None][: model.batch_size]
    begun = time.perf_counter()
    images = [i for i in stream(files, model.subject.preprocessing) if isinstance(i, Decoded)]
    decoding = time.perf_counter() - begun
    if not images:
        return Pace(0.0, 0.0)  # the run will say so
    network = model.feed.placed(model.subject.network, model.device)
    x = model.feed.laid(pixels_of(images).to(model.device))
    with frozen(network):
        forward = _timed(model, lambda: _answered(model, network, x))
        try:
            both = _timed(model, lambda: _differentiated(model, network, x))
        except RuntimeError:  # answers that have no gradient: none is asked for
            both = 3 * forward
    return Pace((forward + decoding) / len(images), max(0.0, both - forward) / len(images))


def _answered(model: ModelUnderAudit, network: torch.nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        model.feed.ask(network, x)


def _differentiated(model: ModelUnderAudit, network: torch.nn.Module, x: torch.Tensor) -> None:
    with torch.enable_grad():
        leaf = x.clone().requires_grad_()
        logits, _ = model.feed.ask(network, leaf)
        torch.autograd.grad(logits.sum(), leaf)


def _timed(model: ModelUnderAudit, work: Callable[[], None]) -> float:
    for _ in range(2):
        begun = time.perf_counter()
        work()
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        spent = time.perf_counter() - begun
    return spent


def _fewer(audit: Audit, choices: Choices, measured: Pace) -> Iterator[tuple[str, Choices]]:
    """What could be left out next, in order, and the choices without it."""
    recipe, sampled = audit.main.recipe, min(choices.sample, audit.readable)
    if choices.checks and sampled > FEWER_SAMPLED:
        words = f"the checks were asked of {FEWER_SAMPLED} images instead of {sampled}"
        yield words, replace(choices, sample=FEWER_SAMPLED)
    if choices.checks and choices.screened and audit.main.checks.screening and not _checked(recipe):
        yield "the screen for triggers", replace(choices, screened=False)
    if choices.tested and not needed_maps(recipe):
        noun = "image" if choices.tested == 1 else "images"
        yield f"the tests of maps on {choices.tested} {noun}", replace(choices, tested=0)
    yield from _visualizations(audit, choices, measured)
    shown = min(audit.readable, choices.at_most)
    if shown > FEWEST_SHOWN:
        half = max(FEWEST_SHOWN, shown // 2)
        yield f"figures of {shown - half} of {shown} images", replace(choices, at_most=half)
    if choices.checks and recipe.checks.only and not _checked(recipe):
        yield "the checks", replace(choices, checks=False)


def _visualizations(audit: Audit, choices: Choices, measured: Pace) -> Iterator[tuple[str, Choices]]:
    """The costliest visualization, where it costs more than a plain gradient of each image."""
    needed = needed_maps(audit.main.recipe)
    shown = min(audit.readable, choices.at_most)
    kept = _kept(audit.main.visualizations, choices)
    all_of_it = measured.of(_cost(kept, audit.readable, shown))
    spared = {
        v.name: all_of_it
        - measured.of(_cost(_kept(kept, replace(choices, without=(v.name,))), audit.readable, shown))
        for v in kept.every
        if v.name not in needed
    }
    name = max(spared, key=lambda each: spared[each], default=None)
    plain = 1.5 * (measured.forward + measured.backward) * shown
    if name is not None and spared[name] > plain:
        yield name, replace(choices, without=(*choices.without, name))


def _kept(several: Visualizations, choices: Choices) -> Visualizations:
    return replace(several, every=tuple(v for v in several.every if v.name not in choices.without))


def _cost(several: Visualizations, readable: int, shown: int) -> dict[str, int]:
    """What visualizations take of the images, and once for the model."""
    return {**several.cost(readable, shown), **several.plan().once}


def _test_seconds(model: ModelUnderAudit, kept: Visualizations, images: int, measured: Pace) -> float:
    """What putting the maps of so many images to the test is expected to take."""
    asked = explaining(kept)
    if not asked or not images:
        return 0.0
    cost = price(asked, model.facts, model.recipe.trust, images)
    return measured.of({**cost, "perturbed_forwards": 0})


def _checked(recipe: Recipe) -> bool:
    """Whether a gate asks for a check's verdict or number."""
    return any(gate.check or tested_check(gate.metric or "") for gate in recipe.gates)
