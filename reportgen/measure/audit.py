"""The audit as a whole, known before the first image is decoded: one or two models, the files, the plan."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from reportgen.errors import RecipeError
from reportgen.evidence import canonical_json
from reportgen.inputs import ImageFile
from reportgen.inputs.classes.names import ids
from reportgen.inputs.classes.orders import Reading
from reportgen.inputs.images.masks import MaskFolder
from reportgen.inputs.images.part_boxes import PartsList, read_parts
from reportgen.inputs.images.survey import Surveyed, class_folders, surveyed
from reportgen.measure.checks.inputs import foreign_files, groups_of, training_files
from reportgen.measure.earlier import Answers
from reportgen.measure.models import (
    Asked,
    Classes,
    ModelUnderAudit,
    Network,
    asked_of,
    read_as,
    read_network,
    under_audit,
)
from reportgen.measure.read_files import lists_of
from reportgen.measure.second_model import agreed_classes, model_parts, of_second
from reportgen.measure.visualizations import Visualization
from reportgen.recipe import Recipe
from reportgen.version import __version__

# parts of a recipe that change no measurement of the model
RENDERED = ("title", "gates", "output", "beside", "statement", "history")


@dataclass(frozen=True)
class Audit:
    """One or two models and the images that each of them is measured on. Nothing in it changes."""

    models: tuple[ModelUnderAudit, ...]  # the main one, and the one beside it
    files: tuple[ImageFile, ...]
    images: str  # the image set's name, for the reader
    save_maps: bool
    notes: tuple[str, ...]  # about the files
    training: tuple[ImageFile, ...]  # the training's pictures, where a check looks at them
    foreign: tuple[ImageFile, ...]  # pictures that are not of the task, where a check looks at them
    groups: Mapping[str, Mapping[int, str]]  # columns of the labels' CSV, a word by number of image
    readings: tuple[Reading, ...]  # how else the set's folders could be read as labels
    lists: Mapping[str, tuple[Path, str]] = field(default_factory=dict)  # that were read, with their hashes
    baseline: Answers = field(default_factory=dict)  # what an earlier audit, where there is one, answered
    budget: Mapping[str, Any] | None = None  # what was decided for the run's budget, where it has one

    @property
    def main(self) -> ModelUnderAudit:
        """The model that the audit is about."""
        return self.models[0]

    @property
    def second(self) -> ModelUnderAudit | None:
        """The model beside it, where there is one."""
        return self.models[1] if len(self.models) > 1 else None

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the images that the survey could open."""
        return tuple(file.number for file in self.files if file.reason is None)

    @property
    def readable(self) -> int:
        """How many images the survey could open."""
        return len(self.numbers)

    @property
    def shown(self) -> int:
        """How many of them get figures."""
        return min(self.readable, self.main.recipe.images.show.at_most)

    def two_rounds(self, model: ModelUnderAudit) -> bool:
        """Whether the set is scored, or ranked, before an image of it gets figures."""
        return model.visualizations.two_rounds(self.readable, self.shown)

    def samples(self, model: ModelUnderAudit) -> dict[int, tuple[Visualization, ...]]:
        """The samples of the set that are drawn besides, by their size, and for what."""
        return model.visualizations.samples(self.readable, self.shown)

    def lines(self, model: ModelUnderAudit) -> list[str]:
        """The plan in words: of the model, and of the one beside it where it is the main one."""
        own = model.lines(self.readable, self.shown)
        if model is not self.main or self.second is None:
            return own
        theirs = self.second.lines(self.readable, self.shown)
        return own + [f"{self.second.name}, beside it: {line}" for line in theirs]

    def key(self, model: ModelUnderAudit) -> str:
        """The hash of all that a model's measurements depend on; equal keys may share shards.

        The main model's depend on the other one: its evidence holds pictures of answers that differ.
        """
        measured = {k: v for k, v in model.recipe.resolved().items() if k not in RENDERED}
        # past which limit a map is not relied on is said when the report is written
        measured["trust"] = {k: v for k, v in measured["trust"].items() if k != "limits"}
        second = self.second if model is self.main else None
        depends = {
            **model.depends(),
            "version": __version__,
            "recipe": measured,
            "images": [[*_read(file)] for file in self.files],
            "training": [[f.shown, f.sha256] for f in self.training],
            "foreign": [[f.shown, f.sha256] for f in self.foreign],
            "groups": {name: sorted(words.items()) for name, words in self.groups.items()},
            "save_maps": self.save_maps,
            "beside": self.key(second) if second else None,
        }
        if self.baseline and model is self.main and self.shown < self.readable:
            depends["baseline"] = sorted(self.baseline.items())  # what gets figures depends on it
        return hashlib.sha256(canonical_json(depends)).hexdigest()


@dataclass(frozen=True)
class Material:
    """What was read once for an audit, however much of it is asked: the networks with the names of their
    classes, the parts that the recipe lists, the survey of the images."""

    recipe: Recipe
    checkpoint: Path
    images: Path
    networks: tuple[Network, ...]
    classes: tuple[Classes, ...]
    parts: PartsList | None
    survey: Surveyed
    lists: Mapping[str, tuple[Path, str]]

    def audit(self, recipe: Recipe, save_maps: bool, baseline: Answers | None = None) -> Audit:
        """The audit by this recipe, which differs from the one that was read for in how much it asks only.
        `baseline` are the answers of an earlier audit.

        Raises RecipeError and InputError.
        """
        parts = model_parts(recipe, self.checkpoint)
        networks = [replace(known, part=part) for known, part in zip(self.networks, parts, strict=True)]
        asked = _asked(networks, self.classes, self.parts)
        asked = [read_as(each, self.survey.head) for each in asked]
        files, notes = tuple(self.survey.files), (*self.survey.notes, *recipe.links())
        models = [under_audit(each, _parted(self.survey.files)) for each in asked]
        foreign = foreign_files(recipe) if models[0].checks.looking_abroad else ()
        models = [
            replace(each, checks=each.checks.beside_foreign(foreign).with_things(files)) for each in models
        ]
        return Audit(
            models=tuple(models),
            files=files,
            images=self.images.resolve().name,
            save_maps=save_maps,
            notes=notes,
            training=training_files(recipe) if models[0].checks.training else (),
            foreign=foreign,
            groups=groups_of(recipe, self.images, files),
            readings=self.survey.readings,
            lists=self.lists,
            baseline=baseline or {},
        )


def _asked(networks: Sequence[Network], classes: Sequence[Classes], parts: PartsList | None) -> list[Asked]:
    """What the recipe asks of the main network, and of the one beside it."""
    names = parts.names if parts else ()
    main, *others = zip(networks, classes, strict=True)
    return [
        asked_of(*main, names, Visualization.of),
        *(asked_of(*other, names, of_second) for other in others),
    ]


def prepare(
    recipe: Recipe,
    checkpoint: Path,
    images: Path,
    limit: int | None,
    save_maps: bool,
    baseline: Answers | None = None,
) -> Audit:
    """Reads the model, and the one beside it, and surveys the images. `baseline` are the answers of an
    earlier audit.

    Raises RecipeError and InputError.
    """
    material = read_material(recipe, checkpoint, images, limit)
    return material.audit(material.recipe, save_maps, baseline)


def read_material(recipe: Recipe, checkpoint: Path, images: Path, limit: int | None) -> Material:
    """Reads what an audit is made of. Raises RecipeError and InputError."""
    _refuse_gates(recipe)
    lists = lists_of(recipe, images)  # before they are read: what is changed from here on is found
    recipe = _named_by_folders(recipe, images)
    networks = [read_network(part) for part in model_parts(recipe, checkpoint)]
    parts, agreed = _parts(recipe), tuple(agreed_classes(networks))
    asked = _asked(networks, agreed, parts)
    classes = asked[0].facts.classes
    known = ids(recipe.model.classes, recipe.folder, classes)
    head = asked[0].facts.head
    labels, first = recipe.images.labels, recipe.images.first_index
    where, masks = recipe.folder, _masks(recipe)
    survey = surveyed(images, labels, classes, where, limit, parts, known, head, first, masks)
    return Material(recipe, checkpoint, images, tuple(networks), agreed, parts, survey, lists)


def _named_by_folders(recipe: Recipe, images: Path) -> Recipe:
    """The recipe with the folders' names for classes, where it says that the folders are the classes and
    names none itself."""
    model = recipe.model
    if recipe.images.labels != "imagefolder" or model.classes is not None or not images.is_dir():
        return recipe
    names = class_folders(images)
    if not names:
        return recipe
    named = recipe.model_copy(update={"model": model.model_copy(update={"classes": names})})
    named._source, named._folder = recipe._source, recipe._folder
    return named


def _read(file: ImageFile) -> tuple[Any, ...]:
    """What is measured of an image depends on this of its files and lists."""
    mask = file.mask.sha256 if file.mask else None
    said = (file.label_index, file.labels, file.values, file.parts)
    return (file.shown, file.sha256, *said, mask, file.reason)


def _parts(recipe: Recipe) -> PartsList | None:
    """The boxes of parts that the recipe lists, if it does."""
    listed = recipe.images.parts
    return read_parts(recipe.folder / listed) if listed else None


def _masks(recipe: Recipe) -> MaskFolder | None:
    """The folder of masks that the recipe names, if it does. Raises RecipeError where two models have two."""
    target, second, things = recipe.model.target, recipe.second(), recipe.images.masks
    if second is not None and _mask_of(second) != _mask_of(recipe):
        place = recipe.place("beside", "model", "target")
        raise RecipeError(
            f"{place}the model beside has other masks than the main one",
            "name masks in model.target only: both models are asked under the same",
        )
    if things is not None and target is not None and target.mask is not None:
        raise RecipeError(
            f"{recipe.place('images', 'masks')}images.masks and model.target.mask both name masks",
            "leave images.masks out: the masks of the target say where the thing is, too",
        )
    if things is not None:
        return MaskFolder(recipe.folder / things, key="images.masks", required=False)
    if target is None or target.mask is None:
        return None
    return MaskFolder(recipe.folder / target.mask, target.value)


def _mask_of(recipe: Recipe) -> tuple[str | None, int | None]:
    target = recipe.model.target
    return (target.mask, target.value) if target else (None, None)


def _parted(files: Sequence[ImageFile]) -> int:
    """How many images have every part. A box may yet lie out of the model's view: the plan counts those
    that the CSV lists."""
    return sum(bool(file.parts) and None not in file.parts and file.reason is None for file in files)


def _refuse_gates(recipe: Recipe) -> None:
    """Raises RecipeError for a gate on a second model where there is none: it could never be passed."""
    for number, gate in enumerate(recipe.gates):
        if (gate.metric or "").startswith("beside.") and recipe.beside is None:
            place = recipe.place("gates", number, "metric")
            raise RecipeError(
                f"{place}{gate.metric} is not known where no second model is beside",
                "name one: `beside: {checkpoint: …}` in the recipe, or --beside CHECKPOINT",
            )
