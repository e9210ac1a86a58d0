"""A model under audit: what is known of it before the first image is measured."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from reportgen.engine import device as devices
from reportgen.engine.feed import Feed
from reportgen.engine.needs import Evolved, ModelFacts, TrainingLog
from reportgen.engine.network.dense import Region
from reportgen.engine.network.facts import index_of
from reportgen.engine.network.head import Head
from reportgen.engine.network.trace import has_gradient, trace
from reportgen.engine.onepass import frozen
from reportgen.engine.plan import Plan
from reportgen.engine.recognise import recognised
from reportgen.engine.targets import Slot, slots
from reportgen.engine.trial import Trial
from reportgen.errors import InputError, RecipeError, UnknownName
from reportgen.evidence import sha256_of
from reportgen.inputs import Subject, load_subject
from reportgen.inputs.checkpoints.reading import load as load_checkpoint
from reportgen.inputs.history import History, read
from reportgen.inputs.models.subject import fill
from reportgen.measure.checks.chosen import ChosenChecks
from reportgen.measure.limits import refuse_endless
from reportgen.measure.maps import price as maps_price
from reportgen.measure.visualizations import Visualization, Visualizations, needs_of, without_gradients
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.recipe.fields import RegionRecipe
from reportgen.version import __version__

LIBRARIES = ("torchvision", "timm")  # known by their version, which the environment has
WORDS = {
    "classes": "classes, one an image",
    "binary": "classes, one an image",
    "labels": "labels, each by itself",
    "values": "values",
}
NO_GRADIENT = (
    "The model's answers have no gradient: something in its forward switches it off (torch.no_grad, detach "
    "or numpy). Nothing that needs gradients is shown."
)


class Classes(NamedTuple):
    """The names of a model's classes, and notes on where they are from."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelPart:
    """A model as the recipe and the command line name it. `place` is where the recipe names a second one,
    None for the main model."""

    name: str
    recipe: Recipe
    checkpoint: Path
    place: str | None = None

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Says of an error where in the recipe it is about, and that it is about the second model."""
        try:
            yield
        except (RecipeError, UnknownName) as error:
            raise self.recipe.located(error) from error
        except InputError as error:
            if self.place is None:
                raise
            raise InputError(f"{self.place}the model beside: {error.cause}", error.remedy) from error


@dataclass(frozen=True)
class Network:
    """A model that was loaded and traced. Its classes have no names yet."""

    part: ModelPart
    subject: Subject
    facts: ModelFacts


@dataclass(frozen=True)
class Asked:
    """What the recipe asks of a network, by names that are checked. Nothing is tried yet."""

    network: Network
    facts: ModelFacts  # with the names of classes and parts
    slots: tuple[Slot, ...]
    visualizations: tuple[Visualization, ...]
    checks: ChosenChecks
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ModelUnderAudit:
    """One model, ready to be measured. Nothing in it changes while it is."""

    name: str  # what it is called where two are side by side
    recipe: Recipe  # by which it is measured
    subject: Subject
    facts: ModelFacts
    visualizations: Visualizations
    slots: tuple[Slot, ...]
    device: torch.device
    batch_size: int
    packed: devices.Packed  # how many perturbations a batch holds
    feed: Feed  # how batches are handed to the network
    notes: tuple[str, ...]
    checks: ChosenChecks
    logs: Mapping[TrainingLog, History]  # the training logs that the recipe names
    snapshots: Mapping[str, str]  # hashes of the run's other checkpoints, by their names in the recipe

    @cached_property
    def plan(self) -> Plan:
        """All that is needed, of images and of the model."""
        return self.visualizations.plan()

    def lines(self, readable: int, shown: int) -> list[str]:
        """The plan in words, for a set of `readable` images of which `shown` get figures."""
        return [
            *self.visualizations.lines(readable, shown),
            *self.checks.lines(readable),
            *maps_price.lines(self.visualizations, self.recipe.trust, shown),
            f"batches of {self.batch_size} on {devices.name_of(self.device)}, {self.feed}",
            *self.feed.notes,
            *self.warnings,
        ]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of every answer."""
        return (*((self.facts.head.warning,) if self.facts.head.warning else ()), *self.feed.warnings)

    def depends(self) -> dict[str, Any]:
        """What of the model its measurements and its facts depend on, as JSON values."""
        signature = self.subject.checkpoint.signature
        return {
            "checkpoint": self.subject.checkpoint.sha256,
            "signature": signature and asdict(signature),
            "code": self.code_sha256(),
            "classes": self.facts.classes,
            "head": asdict(self.facts.head),
            "preprocessing": self.subject.preprocessing.as_json(),
            "parts": self.facts.parts,
            "device": devices.kind_of(self.device),
            "batch_size": self.batch_size,
            "packed": asdict(self.packed),
            "feed": str(self.feed),
            "torch": torch.__version__,
            "logs": {need.path: log.sha256 for need, log in self.logs.items()},
            "snapshots": dict(self.snapshots),
        }

    def code_sha256(self) -> str | None:
        """The hash of the file that defines the network, where the recipe names a file or a module; a
        library's networks are known by its version."""
        where, _, _ = self.subject.source.partition(":")
        file = getattr(sys.modules.get(where), "__file__", None) if where not in LIBRARIES else None
        path = Path(file) if file else self.recipe.folder / where
        return sha256_of(path) if path.suffix == ".py" and path.is_file() else None

    def environment(self) -> dict[str, Any]:
        """Versions, devices and flags that the numbers depend on."""
        run = self.recipe.run
        machine = devices.environment(self.device, run.seed, run.precision, self.feed.random)
        return {"reportgen": __version__, **machine}


def read_network(part: ModelPart) -> Network:
    """Loads a model and traces it. Raises RecipeError and InputError."""
    devices.choose(part.recipe.run.device)  # before the time that loading takes
    with part.errors():
        subject = load_subject(part.recipe, part.checkpoint)
        preprocessing, wish = subject.preprocessing, part.recipe.model
        shape = preprocessing.input_shape
        count, target = len(subject.classes or ()), wish.target
        region = None if target is None else region_of(target, shape, count)
        facts = trace(subject.network, shape, output=Head(output=wish.output, region=region))
        return Network(
            part, subject, recognised(subject.network, facts, preprocessing.normalisation, wish.head)
        )


def region_of(target: RegionRecipe, shape: tuple[int, ...], classes: int) -> Region:
    """Where a recipe takes the answers of a network with an input of `shape` (C, H, W). Raises InputError."""
    return Region(target.box, (shape[1], shape[2]), classes, masked=target.mask is not None)


def asked_of(
    network: Network, classes: Classes, parts: tuple[str, ...], visualization: Callable[..., Visualization]
) -> Asked:
    """Checks every name in the recipe. `visualization` makes one of (name, scope, probe, facts).

    Raises RecipeError and InputError.
    """
    recipe, notes = network.part.recipe, classes.notes
    facts = replace(network.facts, classes=classes.names, parts=parts)
    with network.part.errors():
        rivals = facts.head.probable or facts.head.region is not None
        chosen = slots(recipe.explained, facts.class_count, partial(index_of, classes=classes.names), rivals)
        wishes = [(v.name, methods()[v.name].scope, v.probe) for v in recipe.visualizations]
        every = tuple(visualization(*wish, facts) for wish in wishes)
        refuse_endless(every, facts, len(chosen), recipe)
        wished = recipe.checks
        facts = replace(facts, score=recipe.score)
        checks = ChosenChecks.of([(c.name, c.check) for c in wished.only], _by_logits(facts), wished.sample)
        checks = checks if network.part.place is None else checks.of_second()
        plan = Plan((*needs_of(every), *checks.plan.needs), facts, len(chosen))
        if (plan.rules or checks.steps or checks.screening) and not has_gradient(
            network.subject.network, facts.input_shape, facts.head
        ):
            every, notes = without_gradients(every, facts), (*notes, NO_GRADIENT)
            checks = checks.without_gradients("the model's answers have no gradient")
    return Asked(network, facts, chosen, every, checks, notes)


def _by_logits(facts: ModelFacts) -> ModelFacts:
    """The facts for the checks, whose patches are those that a logit rests on, whatever maps explain."""
    return replace(facts, score="logit")


def read_as(asked: Asked, head: Head) -> Asked:
    """What is asked of a network, its outputs read as the set's labels were: classes may turn out to be
    labels, each by itself. Raises InputError for a model beside whose outputs mean something else."""
    own = asked.facts.head
    if own.kind == head.kind:
        return asked
    if own.kind != "classes" or head.kind != "labels" or own.form != "logits" or own.asked != "auto":
        with asked.network.part.errors():
            raise InputError(
                f"its outputs are {WORDS[own.kind]}, those of the main model {WORDS[head.kind]}",
                "put models of one kind side by side, or set model.head of one of them",
            )
    read = replace(own, kind=head.kind, reading=head.reading)
    return replace(asked, facts=replace(asked.facts, head=read))


def under_audit(asked: Asked, parted: int) -> ModelUnderAudit:
    """The whole value, for a set of which `parted` images have every part: reads what else the plan needs,
    and tries the network on a batch.

    Raises RecipeError and InputError.
    """
    part, subject = asked.network.part, asked.network.subject
    recipe = part.recipe
    _refuse_contrast(recipe, asked.facts)
    visualizations = Visualizations(asked.visualizations, asked.facts, len(asked.slots), parted)
    plan = visualizations.plan()
    device = devices.choose(recipe.run.device)
    with part.errors():
        logs = {need: read(recipe.folder / need.path) for need in plan.of(TrainingLog)}
        others = dict.fromkeys(name for need in plan.of(Evolved) for name in need.checkpoints)
        snapshots = {name: _fits(recipe, name, subject) for name in others}
        feed, batch_size = _tried(recipe, subject, asked.facts, (plan, asked.checks.plan), device)
    return ModelUnderAudit(
        name=part.name,
        recipe=recipe,
        subject=subject,
        facts=asked.facts,
        visualizations=visualizations,
        checks=asked.checks.fitting(asked.facts.head.exclusive),
        slots=asked.slots,
        device=device,
        batch_size=batch_size,
        packed=_packed(recipe, asked.facts, device, feed, batch_size),
        feed=feed,
        notes=(*subject.notes, *_of_head(asked.facts), *asked.notes, *feed.notes),
        logs=logs,
        snapshots=snapshots,
    )


def _refuse_contrast(recipe: Recipe, facts: ModelFacts) -> None:
    """Raises RecipeError where a class has no others that it could be held against."""
    if recipe.score == "contrast" and not (facts.head.exclusive and facts.class_count > 1):
        raise RecipeError(
            f"{recipe.place('score')}score is contrast, and the model does not choose one class of several",
            "leave it out: each output is explained by itself, score: logit",
        )


def _tried(
    recipe: Recipe, subject: Subject, facts: ModelFacts, plans: Sequence[Plan], device: torch.device
) -> tuple[Feed, int]:
    """How batches are handed to the network and their size, found by trying; it is left on the CPU."""
    needed = [devices.bytes_per_image(facts, plan.tapped_bytes, plan.differentiates) for plan in plans]
    rules = tuple(dict.fromkeys(rule for plan in plans for rule in plan.rules))
    per_image = max(needed)
    wish = devices.batch_size(recipe.run.batch_size, device, per_image)
    normalisation = subject.preprocessing.normalisation
    tried: list[int] = []  # sizes after the first, where the device has too little memory for that
    memory = devices.enough_memory(device)
    with devices.repeatable(recipe.run.seed), frozen(subject.network) as network, memory:
        trial = Trial(network, facts, normalisation, device, rules, facts.head)
        feed, batch_size = devices.fitting(trial.run, wish, tried.append)
    subject.network.cpu()  # a second model is tried as well: the device holds one network at a time
    if tried:
        feed = replace(
            feed, notes=(*feed.notes, devices.in_smaller_batches(device, batch_size, wish))
        )
    return feed, batch_size


def _packed(
    recipe: Recipe, facts: ModelFacts, device: torch.device, feed: Feed, batch_size: int
) -> devices.Packed:
    """How many perturbations a batch holds; as many as images where the network takes one size only."""
    if feed.images is not None:
        return devices.Packed(batch_size, batch_size)
    return devices.packed_size(recipe.run.batch_size, device, facts, batch_size)


def _of_head(facts: ModelFacts) -> tuple[str, ...]:
    """How the outputs are read, where that is not the usual way."""
    return (facts.head.reading,) if facts.head.reading else ()


def _fits(recipe: Recipe, name: str, subject: Subject) -> str:
    """The hash of another checkpoint of the run. Raises InputError where it does not fit the model."""
    loaded = load_checkpoint(recipe.folder / name, recipe.model.weights)
    bare = copy.deepcopy(subject.network).to("cpu")
    fill(bare, loaded, subject.source)
    return loaded.sha256
