"""The files that an audit read besides images and model, by hash: lists, logs, other checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError
from reportgen.evidence import sha256_of
from reportgen.evidence.records import ReadFile
from reportgen.inputs.images.listing import LARGEST_LIST_BYTES
from reportgen.measure.models import ModelUnderAudit
from reportgen.recipe import Recipe
from reportgen.shown import named

KEYWORDS = ("auto", "none", "folder", "imagefolder", "imagenet")


def lists_of(recipe: Recipe, images: Path) -> dict[str, tuple[Path, str]]:
    """By the recipe's key the lists that it names, and the one that the images come from, with their hashes
    at the moment. What is no regular file is none of them, and is complained of where it is read."""
    found = {"images": images, **dict(_named(recipe))}
    hashed = ((key, path, _hash(path)) for key, path in found.items())
    return {key: (path, sha256) for key, path, sha256 in hashed if sha256 is not None}


def _hash(path: Path) -> str | None:
    """The hash of a list, None of what is no regular file of a list's size: a device may have no end."""
    try:
        return sha256_of(files.read(path, LARGEST_LIST_BYTES))
    except OSError:
        return None


def _named(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    listed = recipe.images
    for key, value in (
        ("model.classes", recipe.model.classes),
        ("images.labels", listed.labels),
        ("images.parts", listed.parts),
        ("images.training", listed.training),
        ("images.foreign", listed.foreign),
    ):
        if isinstance(value, str) and value not in KEYWORDS:
            yield key, recipe.folder / value


def read_files(lists: Mapping[str, tuple[Path, str]], model: ModelUnderAudit) -> list[ReadFile]:
    """What was read, in the order of its keys: lists, and the checkpoints and logs that visualizations name.

    Raises InputError where a list is another than when the run began: what it said then was measured by.
    """
    found: list[ReadFile] = []
    for key, (path, sha256) in lists.items():
        if _hash(path) != sha256:
            raise InputError(
                f"{key}: {path} was changed while the run lasted",
                "give the same command again: what depends on it is measured anew",
            )
        found.append({"what": key, "name": named(path.name), "sha256": sha256})
    for name, sha256 in model.snapshots.items():
        found.append({"what": "checkpoint of the run", "name": named(name), "sha256": sha256})
    for need, log in model.logs.items():
        found.append({"what": "training log", "name": named(need.path), "sha256": log.sha256})
    return sorted(found, key=lambda file: (file["what"], file["name"]))
