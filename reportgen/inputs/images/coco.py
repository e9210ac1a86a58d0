"""Annotations in COCO's form: images, categories, and which category is annotated where."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.errors import InputError
from reportgen.inputs.images.listing import Row, beside, read_text

PARTS = ("images", "annotations", "categories")
HOW = (
    "give COCO's form: images (id, file_name), annotations (image_id, category_id), categories (id, name);"
    " or a list of records with path and label, or labels by path or paths by label"
)


@dataclass(frozen=True)
class Annotated:
    """A listed image, the names of its categories, each once, and where it stands."""

    row: Row
    names: tuple[str, ...]


def categories_of(listed: Sequence[Any]) -> tuple[str, ...] | None:
    """The names of [{"id": 1, "name": "cat"}, …] in the order of their ids, None where that is no such list
    or ids are there twice."""
    if not listed or not all(isinstance(one, Mapping) and {"id", "name"} <= one.keys() for one in listed):
        return None
    by_id = {one["id"]: one["name"] for one in listed}
    if len(by_id) < len(listed) or not all(type(number) is int for number in by_id):
        return None
    names = tuple(by_id[number] for number in sorted(by_id))
    return tuple(name.strip() for name in names) if all(_is_name(name) for name in names) else None


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def read_json(path: Path) -> Any:
    """The content of a file of annotations or records. Raises InputError."""
    try:
        return json.loads(read_text(path, "the file of annotations"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable as JSON: {str(error)[:80]}", HOW) from error


def read_coco(path: Path, data: Any) -> tuple[list[Annotated], tuple[str, ...]]:
    """The images of a file of annotations whose content is `data`, each with its categories, and the names of
    all categories in the order of their ids. Paths are relative to the file's folder. Raises InputError."""
    if not isinstance(data, dict) or not all(isinstance(data.get(part), list) for part in PARTS):
        raise InputError(f"{path} is no list of images in a form that is known", HOW)
    names = categories_of(data["categories"])
    if names is None:
        raise InputError(f"{path}: the categories have no ids and names, each once", HOW)
    try:
        return _annotated(path, data), names
    except (KeyError, TypeError) as error:
        what = f"the key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is not in COCO's form: {what} is missing or wrong", HOW) from error


def _annotated(path: Path, data: Mapping[str, Any]) -> list[Annotated]:
    names = {one["id"]: one["name"].strip() for one in data["categories"]}
    categories: dict[Any, dict[str, None]] = {}
    for one in data["annotations"]:
        categories.setdefault(one["image_id"], {})[names[one["category_id"]]] = None
    rows = []
    for number, image in enumerate(data["images"]):
        listed = image["file_name"]
        if not isinstance(listed, str) or not listed.strip():
            raise InputError(f"{path}: images[{number}] has no file_name", HOW)
        own = tuple(categories.get(image["id"], ()))
        rows.append(Annotated(Row(beside(path, listed), None, f"{path}: images[{number}]"), own))
    return rows
