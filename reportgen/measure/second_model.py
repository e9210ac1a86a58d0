"""What two models side by side have in common, and pictures of the images that they answer differently."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from reportgen.engine.needs import Evolved, ModelFacts, Probe, TrainingLog
from reportgen.errors import InputError, RecipeError, UnknownName
from reportgen.evidence import Writer, shards
from reportgen.evidence.records import Thumbnail
from reportgen.findings import Array
from reportgen.inputs import ImageFile, stream
from reportgen.inputs.classes.names import BACKGROUND, check
from reportgen.inputs.images.loading import Decoded
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.inputs.models.saved_folders import saved_folder
from reportgen.inputs.programs.loading import kind_of
from reportgen.measure.models import Classes, ModelPart, Network
from reportgen.measure.visualizations import Visualization
from reportgen.recipe import Recipe

THUMBNAIL_PX = 96


def model_parts(recipe: Recipe, checkpoint: Path) -> list[ModelPart]:
    """The models that a recipe is about, the main one first: named as it says, or as their files are."""
    beside, own = recipe.beside, recipe.second()
    if beside is None or own is None:
        return [ModelPart(checkpoint.stem, recipe, checkpoint)]
    other = recipe.folder / beside.checkpoint
    if beside.model.source is None:
        own = _with_its_own_network(recipe, own, other)
    names = beside.main or checkpoint.stem, beside.name or other.stem
    if names[0] == names[1]:
        names = f"{names[0]} (main)", f"{names[1]} (beside)"
    place = recipe.place("beside", "checkpoint")
    return [ModelPart(names[0], recipe, checkpoint), ModelPart(names[1], own, other, place)]


def _with_its_own_network(recipe: Recipe, own: Recipe, checkpoint: Path) -> Recipe:
    """The second model's recipe, which inherits nothing of the main model's network where its file or folder
    brings a network along."""
    said = recipe.beside.model if recipe.beside else None
    update: dict[str, object] = {"source": None, "arguments": {}, "weights": None}
    if not kind_of(checkpoint):
        if said is None or recipe.model.source is None or saved_folder(checkpoint) is None:
            return own
        update = {"source": None, "arguments": said.arguments, "output": said.output}
    return own.model_copy(update={"model": own.model.model_copy(update=update)})


def agreed_classes(networks: Sequence[Network]) -> list[Classes]:
    """The classes of each model; a second one without names of its own has the main one's.

    Raises InputError and RecipeError where two models have not the same classes.
    """
    main, *others = networks
    with main.part.errors():
        classes = [_named(main.subject.classes, main)]
    for network in others:
        with network.part.errors():
            classes.append(_named(_agreed(main, classes[0].names, network), network))
    return classes


def _named(names: tuple[str, ...] | None, network: Network) -> Classes:
    """A name for every class. Raises InputError where the recipe's are not as many."""
    recipe, count = network.part.recipe, network.facts.class_count
    own = names is not None and recipe.model.classes is None and names == network.subject.checkpoint.classes
    if names is not None and own and len(names) != count:
        note = f"The checkpoint names {len(names)} classes, the model has {count}: not used."
        return Classes(check(None, count), (note,))
    if network.facts.head.kind == "binary" and len(names or ()) == 1:  # the one that the logit is of
        names = (f"not {names[0]}", names[0]) if names else None
    if network.facts.head.kind == "binary" and len(names or ()) > 2:
        raise InputError(
            f"the network has one output, read as two classes; model.classes names {len(names or ())}",
            "name the two, that of a low output first; where there is an output for each class, make the"
            " model return them all, or set model.output",
        )
    if names is None and network.facts.head.kind == "values":
        return Classes(("value",) if count == 1 else tuple(f"value {n}" for n in range(count)))
    classes = check(names, count)
    if len(classes) == len(names or classes):
        return Classes(classes)
    note = f"The model has {count} classes: class 0 is named {BACKGROUND}, ImageNet's follow."
    return Classes(classes, (note,))


def _agreed(main: Network, names: tuple[str, ...], second: Network) -> tuple[str, ...]:
    own, theirs = second.facts.class_count, main.facts.class_count
    if own != theirs:
        raise InputError(
            f"{second.subject.checkpoint.name} has {own} classes, {main.subject.checkpoint.name} {theirs}",
            "put models of the same classes side by side, or leave `beside` out",
        )
    if main.subject.classes is None or second.subject.classes is None:
        return names  # one of them has no names of its own
    classes = check(second.subject.classes, own)
    for number, (mine, other) in enumerate(zip(names, classes, strict=True)):
        if mine != other:
            raise RecipeError(
                f"model.classes: class {number} is {other!r} beside, but {mine!r} in the main model",
                "give both models the same classes in the same order",
            )
    return classes


def of_second(name: str, scope: str, probe: Probe, facts: ModelFacts) -> Visualization:
    """A visualization of the model beside. They are chosen for the main one: what names a layer that this
    one lacks, or is about a training run, which is the main model's, does not apply."""
    try:
        asked = Visualization.of(name, scope, probe, facts)
    except UnknownName as error:
        noun = error.kind.split()[0]
        return Visualization(name, scope, probe, reason=f"this network has no {noun} {error.value!r}")
    if any(isinstance(need, Evolved | TrainingLog) for need in asked.needs):
        return Visualization(name, scope, probe, reason="the training run is the main model's")
    return asked


def picture(
    files: Iterable[ImageFile], preprocessing: Preprocessing, writer: Writer, ids: Collection[str]
) -> None:
    """A shard `changed` of the main model's evidence: small pictures of the images `ids` that have no
    figures."""
    shown = {record["id"] for record in writer.records(shards.BATCH) if record["measured"]}
    decoded = stream([file for file in files if file.id in ids and file.id not in shown], preprocessing)
    seen = [(image.file.id, small(image.seen)) for image in decoded if isinstance(image, Decoded)]
    if seen:
        records: Sequence[Thumbnail] = [{"id": id_, "row": row} for row, (id_, _) in enumerate(seen)]
        writer.write(shards.CHANGED, {}, records, {"seen": np.stack([pixels for _, pixels in seen])})


def small(seen: Array) -> Array:
    """What the model saw, (H, W, C) uint8, within THUMBNAIL_PX; all images of a model keep one shape."""
    height, width, channels = seen.shape
    factor = min(1.0, THUMBNAIL_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    planes = [Image.fromarray(seen[..., k]).resize(size, Image.Resampling.BOX) for k in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)
