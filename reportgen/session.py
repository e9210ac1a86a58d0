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
from reportgen.engine.needs import ModelFacts, TrainingLog
from reportgen.engine.plan import Plan, make_plan
from reportgen.engine.targets import Slot, slots
from reportgen.engine.trace import trace
from reportgen.errors import RecipeError, UnknownName
from reportgen.evidence import canonical_json, sha256_of
from reportgen.inputs import ImageFile, Subject, load_subject, survey
from reportgen.inputs.checkpoint import load as load_checkpoint
from reportgen.inputs.classes import check, index_of
from reportgen.inputs.history import History, read
from reportgen.inputs.models import fill
from reportgen.inputs.parts import read_parts
from reportgen.probes import methods
from reportgen.recipe import Recipe
from reportgen.version import __version__

RENDERED = ("title", "gates", "output")  # parts of a recipe that change no measurement


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
    save_maps: bool
    notes: tuple[str, ...]
    logs: Mapping[TrainingLog, History]  # the training logs that the recipe names
    snapshots: Mapping[str, str]  # hashes of the run's other checkpoints, by their names in the recipe

    @cached_property
    def readable(self) -> int:
        """Images that the survey could open."""
        return sum(file.reason is None for file in self.files)

    @property
    def two_rounds(self) -> bool:
        """Whether the set is larger than what is shown, so that it is scored before it is chosen, or
        has to be ranked before an image of it is asked."""
        return self.readable > self.recipe.images.show.at_most or bool(self.plan.kindred)

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
            "torch": torch.__version__,
            "save_maps": self.save_maps,
            "logs": {need.path: log.sha256 for need, log in self.logs.items()},
            "snapshots": dict(self.snapshots),
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
        return [
            *self.plan.lines(self.readable, shown),
            f"batches of {self.batch_size} on {devices.name_of(self.device)}",
        ]

    def environment(self) -> dict[str, Any]:
        """Versions, devices and flags that the numbers depend on."""
        run = self.recipe.run
        found = devices.environment(self.device, run.seed, run.precision)
        return {"reportgen": __version__, **found}


def prepare(
    recipe: Recipe, checkpoint: Path, images: Path, limit: int | None, save_maps: bool
) -> Session:
    """Reads the model and surveys the images. Raises RecipeError and InputError."""
    device = devices.choose(recipe.run.device)
    try:
        subject = load_subject(recipe, checkpoint)
    except RecipeError as error:
        raise recipe.located(error) from error
    facts = trace(
        subject.network, subject.preprocessing.input_shape, output=recipe.model.output
    )
    classes = check(subject.classes, facts.class_count)
    listed = recipe.images.parts
    parts = read_parts(recipe.folder / listed) if listed else None
    facts = replace(facts, classes=classes, parts=parts.names if parts else ())
    try:
        chosen = slots(recipe.targets, facts.class_count, partial(index_of, classes=classes))
        plan = make_plan(
            [(v.name, methods()[v.name].scope, v.probe) for v in recipe.visualizations],
            facts,
            len(chosen),
        )
    except UnknownName as error:
        raise recipe.located(error) from error
    logs = {need: read(recipe.folder / need.path) for need in plan.logs}
    snapshots = {name: _fits(recipe.folder / name, subject) for e in plan.evolved for name in e.checkpoints}
    files, notes = survey(images, recipe.images.labels, classes, recipe.folder, limit, parts)
    # a box may yet lie out of the model's view: the plan counts those that the CSV lists
    parted = sum(bool(file.parts) and None not in file.parts and file.reason is None for file in files)
    plan = replace(plan, parted=parted)
    per_image = devices.bytes_per_image(facts, plan.tapped_bytes, bool(plan.rules))
    return Session(
        recipe=recipe,
        subject=subject,
        facts=facts,
        plan=plan,
        slots=chosen,
        files=tuple(files),
        images=images.resolve().name,
        device=device,
        batch_size=devices.batch_size(recipe.run.batch_size, device, per_image),
        save_maps=save_maps,
        notes=(*subject.notes, *notes),
        logs=logs,
        snapshots=snapshots,
    )


def _fits(path: Path, subject: Subject) -> str:
    """The hash of another checkpoint of the run. Raises InputError where it does not fit the model."""
    loaded = load_checkpoint(path)
    bare = copy.deepcopy(subject.network).to("cpu")
    fill(bare, loaded, subject.source)
    return loaded.sha256
