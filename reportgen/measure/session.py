"""Everything that is known before the first image is decoded: model, plan, files, device, key."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from reportgen.engine import device as devices
from reportgen.engine.feed import Feed
from reportgen.engine.needs import ModelFacts, TrainingLog
from reportgen.engine.network.facts import index_of
from reportgen.engine.network.trace import has_gradient, trace
from reportgen.engine.onepass import frozen
from reportgen.engine.plan import Plan, Planned, make_plan
from reportgen.engine.targets import Slot, slots
from reportgen.engine.trial import Trial
from reportgen.errors import InputError, RecipeError, UnknownName
from reportgen.evidence import canonical_json, sha256_of
from reportgen.inputs import ImageFile, Subject, load_subject
from reportgen.inputs.checkpoint import load as load_checkpoint
from reportgen.inputs.classes import BACKGROUND, check, ids
from reportgen.inputs.history import History, read
from reportgen.inputs.labels import Reading
from reportgen.inputs.models import fill
from reportgen.inputs.part_boxes import PartsList, read_parts
from reportgen.inputs.survey import class_folders, surveyed
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.version import __version__

NO_GRADIENT = (
    "The model's answers have no gradient: something in its forward switches it off (torch.no_grad, detach "
    "or numpy). Nothing that needs gradients is shown."
)
# parts of a recipe that change no measurement of the model
RENDERED = ("title", "gates", "output", "beside")


@dataclass(frozen=True)
class Session:
    """One audit, fully prepared. Nothing in it changes while it is measured."""

    recipe: Recipe
    subject: Subject
    facts: ModelFacts
    plan: Plan
    slots: tuple[Slot, ...]
    files: tuple[ImageFile, ...]
    images: str  # the image set's name, for the reader
    device: torch.device
    batch_size: int
    feed: Feed  # how batches are handed to the network
    save_maps: bool
    notes: tuple[str, ...]
    logs: Mapping[TrainingLog, History]  # the training logs that the recipe names
    snapshots: Mapping[str, str]  # hashes of the run's other checkpoints, by their names in the recipe
    name: str  # what the model is called where two are side by side
    beside: Session | None = None  # a second model on the same files
    readings: tuple[Reading, ...] = ()  # how else the set's folders could be read as labels

    @cached_property
    def readable(self) -> int:
        """Images that the survey could open."""
        return sum(file.reason is None for file in self.files)

    @property
    def two_rounds(self) -> bool:
        """Whether the set is larger than what is shown, so that it is scored before it is chosen, or
        has to be ranked before an image of it is asked."""
        return self.readable > self.recipe.images.show.at_most or bool(self.plan.kindred)

    @property
    def samples(self) -> dict[int, Plan]:
        """What samples of the set are asked besides, by their size."""
        return self.plan.samples(self.readable, min(self.readable, self.recipe.images.show.at_most))

    @cached_property
    def key(self) -> str:
        """The hash of all that the measurements depend on; equal keys may share shards."""
        measured = {k: v for k, v in self.recipe.resolved().items() if k not in RENDERED}
        # past which limit a map is not relied on is said when the report is written
        measured["trust"] = {k: v for k, v in measured["trust"].items() if k != "limits"}
        depends = {
            "version": __version__,
            "checkpoint": self.subject.checkpoint.sha256,
            "recipe": measured,
            "code": self._code(),
            "classes": self.facts.classes,
            "preprocessing": self.subject.preprocessing.as_json(),
            "images": [[f.shown, f.sha256, f.label_index, f.parts] for f in self.files],
            "parts": self.facts.parts,
            "device": devices.name_of(self.device),
            "batch_size": self.batch_size,
            "feed": str(self.feed),
            "torch": torch.__version__,
            "save_maps": self.save_maps,
            "logs": {need.path: log.sha256 for need, log in self.logs.items()},
            "snapshots": dict(self.snapshots),
            "beside": self.beside.key if self.beside else None,
        }
        return hashlib.sha256(canonical_json(depends)).hexdigest()

    def _code(self) -> str | None:
        """The hash of the file that defines the network, where the recipe names a file."""
        file, _, _ = self.subject.source.partition(":")
        path = self.recipe.folder / file
        return sha256_of(path) if path.suffix == ".py" and path.is_file() else None

    @cached_property
    def lines(self) -> list[str]:
        """The plan in words."""
        shown = min(self.readable, self.recipe.images.show.at_most)
        own = [
            *self.plan.lines(self.readable, shown),
            f"batches of {self.batch_size} on {devices.name_of(self.device)}, {self.feed}",
            *self.feed.notes,
            *self.feed.warnings,
        ]
        if self.beside is None:
            return own
        return own + [f"{self.beside.name}, beside it: {line}" for line in self.beside.lines]

    def environment(self) -> dict[str, Any]:
        """Versions, devices and flags that the numbers depend on."""
        run = self.recipe.run
        found = devices.environment(self.device, run.seed, run.precision, self.feed.random)
        return {"reportgen": __version__, **found}


def prepare(
    recipe: Recipe, checkpoint: Path, images: Path, limit: int | None, save_maps: bool
) -> Session:
    """Reads the model, and the one beside it, and surveys the images.

    Raises RecipeError and InputError.
    """
    _refuse_gates(recipe)
    recipe = _named_by_folders(recipe, images)
    main = _of_model(recipe, checkpoint, save_maps)
    second = _second(main)
    classes, parts = main.facts.classes, _parts(recipe)
    known = ids(recipe.model.classes, recipe.folder, classes)
    found = surveyed(images, recipe.images.labels, classes, recipe.folder, limit, parts, known)
    files, notes = found.files, found.notes
    # a box may yet lie out of the model's view: the plan counts those that the CSV lists
    parted = sum(bool(file.parts) and None not in file.parts and file.reason is None for file in files)
    shared: dict[str, Any] = {"files": tuple(files), "images": images.resolve().name}
    main = replace(main, **shared, notes=(*main.notes, *notes), plan=replace(main.plan, parted=parted))
    main = replace(main, readings=found.readings)
    if second is None:
        return main
    name, other = _names(main, second)
    second = replace(second, **shared, name=other, plan=replace(second.plan, parted=parted))
    return replace(main, name=name, beside=second)


def _named_by_folders(recipe: Recipe, images: Path) -> Recipe:
    """The recipe with the folders' names for classes, where it says that the folders are the classes and
    names none itself."""
    model = recipe.model
    if recipe.images.labels != "imagefolder" or model.classes is not None or not images.is_dir():
        return recipe
    names = class_folders(images)
    if not names:
        return recipe
    made = recipe.model_copy(update={"model": model.model_copy(update={"classes": names})})
    made._source, made._folder = recipe._source, recipe._folder
    return made


def _parts(recipe: Recipe) -> PartsList | None:
    """The boxes of parts that the recipe lists, if it does."""
    listed = recipe.images.parts
    return read_parts(recipe.folder / listed) if listed else None


def _refuse_gates(recipe: Recipe) -> None:
    """Raises RecipeError for a gate on a second model where there is none: it could never be passed."""
    for number, gate in enumerate(recipe.gates):
        if gate.metric.startswith("beside.") and recipe.beside is None:
            place = recipe.place("gates", number, "metric")
            raise RecipeError(
                f"{place}{gate.metric} is not known where no second model is beside",
                "name one: `beside: {checkpoint: …}` in the recipe, or --beside CHECKPOINT",
            )


def _of_model(recipe: Recipe, checkpoint: Path, save_maps: bool, like: Session | None = None) -> Session:
    """A session without files yet. `like` is the main model's, where this one is beside it."""
    device = devices.choose(recipe.run.device)
    try:
        subject = load_subject(recipe, checkpoint)
    except RecipeError as error:
        raise recipe.located(error) from error
    facts = trace(
        subject.network, subject.preprocessing.input_shape, output=recipe.model.output
    )
    parts = _parts(recipe)
    try:
        names = subject.classes if like is None else _agreed(like, subject, facts)
        classes, said = _checked(names, recipe, subject, facts)
        facts = replace(facts, classes=classes, parts=parts.names if parts else ())
        chosen = slots(recipe.targets, facts.class_count, partial(index_of, classes=classes))
        plan = _plan(recipe, facts, len(chosen), strict=like is None)
        if plan.asks_gradients and not has_gradient(subject.network, facts.input_shape, recipe.model.output):
            plan = plan.without_gradients()
            said = [*said, NO_GRADIENT]
    except (RecipeError, UnknownName) as error:
        raise recipe.located(error) from error
    logs = {need: read(recipe.folder / need.path) for need in plan.logs}
    snapshots = {name: _fits(recipe, name, subject) for e in plan.evolved for name in e.checkpoints}
    feed, batch = _tried(recipe, subject, facts, plan, device)
    return Session(
        recipe=recipe,
        subject=subject,
        facts=facts,
        plan=plan,
        slots=chosen,
        files=(),
        images="",
        device=device,
        batch_size=batch,
        feed=feed,
        save_maps=save_maps,
        notes=(*subject.notes, *said, *feed.notes),
        name=checkpoint.stem,
        logs=logs,
        snapshots=snapshots,
    )


def _checked(
    names: tuple[str, ...] | None, recipe: Recipe, subject: Subject, facts: ModelFacts
) -> tuple[tuple[str, ...], list[str]]:
    """A name for every class, and notes. Raises InputError where the recipe's are not as many."""
    own = names is not None and recipe.model.classes is None and names == subject.checkpoint.classes
    if names is not None and own and len(names) != facts.class_count:
        said = f"The checkpoint names {len(names)} classes, the model has {facts.class_count}: not used."
        return check(None, facts.class_count), [said]
    classes = check(names, facts.class_count)
    more = len(classes) - len(names or classes)
    notes = [f"The model has {len(classes)} classes: class 0 is named {BACKGROUND}, ImageNet's follow."]
    return classes, notes if more else []


def _tried(
    recipe: Recipe, subject: Subject, facts: ModelFacts, plan: Plan, device: torch.device
) -> tuple[Feed, int]:
    """How batches are handed to the network and their size, found by trying; it is left on the CPU."""
    per_image = devices.bytes_per_image(facts, plan.tapped_bytes, plan.differentiates)
    wish = devices.batch_size(recipe.run.batch_size, device, per_image)
    normalisation = subject.preprocessing.normalisation
    memory = devices.enough_memory(device, wish)
    with devices.repeatable(recipe.run.seed), frozen(subject.network) as network, memory:
        trial = Trial(network, facts, normalisation, device, plan.backward_rules, recipe.model.output)
        found = trial.run(wish)
    subject.network.cpu()  # a second model is tried as well: the device holds one network at a time
    return found


def _fits(recipe: Recipe, name: str, subject: Subject) -> str:
    """The hash of another checkpoint of the run. Raises InputError where it does not fit the model."""
    loaded = load_checkpoint(recipe.folder / name, recipe.model.weights)
    bare = copy.deepcopy(subject.network).to("cpu")
    fill(bare, loaded, subject.source)
    return loaded.sha256


def _plan(recipe: Recipe, facts: ModelFacts, targets: int, strict: bool) -> Plan:
    """The plan of the recipe's visualizations.

    Of a model beside, that lacks a layer which the recipe names for the main one, nothing is shown.
    """
    wishes = [(v.name, methods()[v.name].scope, v.probe) for v in recipe.visualizations]
    if strict:
        return make_plan(wishes, facts, targets)
    planned: list[Planned] = []
    for wish in wishes:
        try:
            found = make_plan([wish], facts, targets)
            foreign = bool(found.evolved or found.logs)
            reason = "the training run is the main model's"
            planned += [Planned(*wish, reason=reason)] if foreign else found.planned
        except UnknownName as error:
            noun = error.kind.split()[0]
            planned.append(Planned(*wish, reason=f"this network has no {noun} {error.value!r}"))
    return Plan(tuple(planned), facts, targets)


def _second(main: Session) -> Session | None:
    """The session of the model beside, with names for both; without files yet."""
    recipe, beside = main.recipe.second(), main.recipe.beside
    if recipe is None or beside is None:
        return None
    try:
        return _of_model(recipe, recipe.folder / beside.checkpoint, main.save_maps, main)
    except InputError as error:
        place = main.recipe.place("beside", "checkpoint")
        raise InputError(f"{place}the model beside: {error.cause}", error.remedy) from error


def _names(main: Session, second: Session) -> tuple[str, str]:
    """What the two are called: as the recipe says, or as their files are."""
    said = main.recipe.beside
    name, other = (said and said.main) or main.name, (said and said.name) or second.name
    return (name, other) if name != other else (f"{name} (main)", f"{other} (beside)")


def _agreed(main: Session, subject: Subject, facts: ModelFacts) -> tuple[str, ...]:
    """The classes of both models. Raises InputError and RecipeError where they are not the same."""
    own, theirs = facts.class_count, main.facts.class_count
    if own != theirs:
        raise InputError(
            f"{subject.checkpoint.name} has {own} classes, {main.subject.checkpoint.name} {theirs}",
            "put models of the same classes side by side, or leave `beside` out",
        )
    if main.subject.classes is None or subject.classes is None:
        return main.facts.classes  # one of them has no names of its own
    classes = check(subject.classes, own)
    for number, (mine, other) in enumerate(zip(main.facts.classes, classes, strict=True)):
        if mine != other:
            raise RecipeError(
                f"model.classes: class {number} is {other!r} beside, but {mine!r} in the main model",
                "give both models the same classes in the same order",
            )
    return classes
