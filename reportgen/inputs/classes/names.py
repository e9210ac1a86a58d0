"""The names of the classes: where they come from, and which index a name means."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError, RecipeError, did_you_mean, nearest
from reportgen.inputs.classes.files import class_file
from reportgen.shown import named
from reportgen.text import Text, UnknownEncoding, decoded

BACKGROUND = "background"  # class 0 of networks of 1001 classes, whose others are ImageNet's
CATEGORIES = "_IMAGENET_CATEGORIES"  # the name of the list in torchvision's file
LARGEST_FILE_BYTES = 10_000_000


def names(spec: str | Sequence[str] | None, base: Path) -> tuple[str, ...] | None:
    """The class names that the recipe's `model.classes` means, or None where it says nothing.

    `imagenet`, a file of names (relative to `base`; see files.py), or the names themselves.
    Raises RecipeError.
    """
    if spec is None:
        return None
    if not isinstance(spec, str):
        found = tuple(str(name).strip() for name in spec)
    elif spec.strip().casefold() == "imagenet":
        return imagenet()
    else:
        found = class_file(_text(spec, base).text, spec).names
    if not found or not all(found):
        where = found.index("") + 1 if found else 1
        raise RecipeError(
            f"model.classes: name {where} of {len(found)} is empty",
            "give every class a name, in the order of the model's outputs",
        )
    return found


@cache
def imagenet() -> tuple[str, ...]:
    """The thousand names of ILSVRC 2012 in torchvision's order; nothing is downloaded."""
    if found := _written_out():
        return found
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def _written_out() -> tuple[str, ...]:
    """The names as torchvision's file has them, read and not run: to import torchvision takes seconds,
    and few networks need it. None where the file is not there or has no such list."""
    spec = find_spec("torchvision")
    file = Path(spec.origin or "").parent / "models" / "_meta.py" if spec else None
    if file is None or not file.is_file():
        return ()
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == CATEGORIES:
            found = ast.literal_eval(statement.value)
            return tuple(found) if len(found) == len(imagenet_ids()) else ()
    return ()


def imagenet_ids() -> tuple[str, ...]:
    """The WordNet ids of the thousand classes of ILSVRC 2012, in the same order."""
    text = (Path(__file__).parent / "imagenet_ids.txt").read_text(encoding="ascii")
    return tuple(text.split())


def ids(spec: str | Sequence[str] | None, base: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """The WordNet ids of the classes, where `model.classes` or the names themselves say them, else none."""
    if len(classes) >= 1000 and tuple(classes) in (imagenet(), (BACKGROUND, *imagenet())):
        return (*[BACKGROUND] * (len(classes) - 1000), *imagenet_ids())
    if not isinstance(spec, str) or spec.strip().casefold() == "imagenet":
        return ()
    return class_file(_text(spec, base).text, spec).ids


def notes(spec: str | Sequence[str] | None, base: Path) -> list[str]:
    """How the file of class names was read, where that is not a name a line."""
    if not isinstance(spec, str) or spec.strip().casefold() == "imagenet":
        return []
    read = _text(spec, base)
    return [note for note in (read.note, class_file(read.text, spec).note) if note]


def _text(spec: str, base: Path) -> Text:
    path = base / spec
    try:
        return decoded(files.read(path, LARGEST_FILE_BYTES), path.name)
    except UnknownEncoding as error:
        raise RecipeError(f"model.classes: {path} is not UTF-8 text", "save it as UTF-8") from error
    except (OSError, ValueError) as error:
        beside = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        guess = did_you_mean(nearest(spec, ["imagenet", *beside]))
        why = f": {error.strerror}" if isinstance(error, files.Unreadable) else guess
        raise RecipeError(
            f"model.classes: the file {path} cannot be read{why}",
            "give `imagenet`, a file with one name a line, or a list of names",
        ) from error


def check(found: Sequence[str] | None, class_count: int) -> tuple[str, ...]:
    """The names for a model of `class_count` outputs, as they are shown (`reportgen.shown.named`); "class 0",
    … where there are none.

    Networks of 1001 outputs have ImageNet's classes after one for the background. Raises InputError where
    the numbers differ.
    """
    if found is None:
        return tuple(f"class {index}" for index in range(class_count))
    if class_count == 1001 and tuple(found) == imagenet():
        return (BACKGROUND, *found)
    if len(found) != class_count:
        shown = f" (from {found[0]!r} to {found[-1]!r})" if len(found) > 1 else f" ({found[0]!r})"
        remedy = "name every class once, in the order of the model's outputs"
        if len(found) == class_count - 1:
            remedy += f"; where one output is for none of them ({BACKGROUND}), name it too, in its place"
        raise InputError(
            f"the model has {class_count} classes, model.classes names {len(found)}{shown[:90]}", remedy
        )
    return tuple(map(named, found))
