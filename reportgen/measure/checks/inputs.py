"""What the recipe names for checks besides the images: the training's, those that are not of the task, and
columns of the labels' CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reportgen.errors import InputError, RecipeError
from reportgen.inputs import ImageFile
from reportgen.inputs.images.columns import columns
from reportgen.inputs.images.sources.reading import packed_at
from reportgen.inputs.images.survey import survey
from reportgen.recipe import Recipe
from reportgen.shown import named


def training_files(recipe: Recipe) -> tuple[ImageFile, ...]:
    """The training's pictures in sorted order, hashed. Raises RecipeError where there are none."""
    return _listed(recipe, "training", recipe.images.training)


def foreign_files(recipe: Recipe) -> tuple[ImageFile, ...]:
    """The pictures that are not of the task, in sorted order, hashed. Raises RecipeError where there are
    none."""
    return _listed(recipe, "foreign", recipe.images.foreign)


def _listed(recipe: Recipe, key: str, listed: str | None) -> tuple[ImageFile, ...]:
    if listed is None:
        return ()
    try:
        images = Path(listed) if "://" in listed else recipe.folder / listed
        files, _ = survey(images, "none", (), recipe.folder)
    except InputError as error:
        place = recipe.place("images", key)
        raise RecipeError(f"{place}images.{key}: {error.cause}", error.remedy) from error
    return tuple(files)


def groups_of(recipe: Recipe, images: Path, files: Sequence[ImageFile]) -> Mapping[str, Mapping[int, str]]:
    """The columns that `images.groups` names: a word by number of image, "" where nothing is said.

    Raises RecipeError where there is no CSV, or it has no such column.
    """
    wished, labels = recipe.images.groups, recipe.images.labels
    if not wished:
        return {}
    listed = labels not in ("auto", "none", "folder", "imagefolder")
    table = recipe.folder / labels if listed else images
    if table.suffix.lower() not in (".csv", ".tsv") and not packed_at(table):
        place = recipe.place("images", "groups")
        raise RecipeError(
            f"{place}images.groups names columns, but no CSV of labels is given",
            "name one: `images: {labels: FILE.csv}`, with the columns path, label and those of the groups",
        )
    known = columns(table, files, images)
    for number, name in enumerate(wished):
        if name.lower() not in known:
            place = recipe.place("images", "groups", number)
            raise RecipeError(
                f"{place}{table.name} has no column {name!r}",
                f"its columns are {', '.join(known) or 'none besides path and label'}",
            )
    words = {name: known[name.lower()] for name in wished}
    return {named(name): {n: named(word) for n, word in column.items()} for name, column in words.items()}
