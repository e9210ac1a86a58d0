"""Files of class names, in the forms that people keep: lines, JSON, YAML, CSV, synset lists."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from reportgen.errors import RecipeError
from reportgen.inputs.classes.table import in_order
from reportgen.inputs.images.coco import categories_of
from reportgen.inputs.images.listing import lines_of

NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:,;.]\s*|\s+)(\S.*)")
SYNSET = re.compile(r"(n\d{4,8})(?:\s*[:,;]\s*|\s+)(\S.*)")
INDEX_HEADS = ("index", "idx", "id", "class_id", "class_index", "class_idx", "number", "label_id")
NAME_HEADS = ("name", "class", "class_name", "classname", "label", "label_name", "category")
INNER = ("names", "classes", "class_names", "class_to_idx", "id2label", "label2id", "categories", "labels")
FORMS = (
    'give one name a line, a JSON or YAML list, {"name": index} or {"index": "name"} counted from 0, or a '
    "CSV with the columns index,name"
)


class ClassFile(NamedTuple):
    """The names by index, the WordNet ids where the file has them, and how the file was read."""

    names: tuple[str, ...]
    ids: tuple[str, ...] = ()
    note: str = ""


def class_file(text: str, name: str) -> ClassFile:
    """The class names that a file's text holds, whatever its form.

    A name may be empty where a line is. Raises RecipeError where the text cannot be read, or can be read
    in two ways that differ.
    """
    suffix = name.lower().rpartition(".")[2]
    if suffix in ("yaml", "yml") or suffix == "json" or text.lstrip()[:1] in ("[", "{"):
        return _table(text, name, suffix)
    lines = [line.strip() for line in lines_of(text.rstrip())]
    if suffix in ("csv", "tsv"):
        return _columns(text, name)
    return _numbered(lines) or _synsets(lines) or ClassFile(tuple(lines))


def _table(text: str, name: str, suffix: str) -> ClassFile:
    """The names of a JSON, YAML or Python literal."""
    try:
        found = _parsed(text, suffix)
    except (ValueError, SyntaxError, yaml.YAMLError, RecursionError, MemoryError) as error:
        words = " ".join(str(error).split())[:120]
        raise RecipeError(f"model.classes: {name} is not readable as {suffix}: {words}", FORMS) from error
    if isinstance(found, dict) and isinstance(found.get("categories"), list):
        found = found["categories"]
    if isinstance(found, list) and (names := categories_of(found)) is not None:
        return ClassFile(names, note=f"The classes are the categories of {name}, in the order of their ids.")
    while isinstance(found, dict) and in_order_or_none(found) is None:
        inner = next((found[key] for key in INNER if isinstance(found.get(key), dict | list)), None)
        if inner is None:
            break
        found = inner
    if isinstance(found, list):  # [0, 1, 2]: digits, say
        found = [str(one) if type(one) is int else one for one in found]
    try:
        names = in_order(found)
    except ValueError as error:
        raise RecipeError(f"model.classes: in {name} {error}", FORMS) from error
    if names is None:
        raise RecipeError(f"model.classes: {name} holds no class names from index 0 on", FORMS)
    return ClassFile(names, _ids(found, len(names)))


class _Names(yaml.SafeLoader):
    """YAML in which only decimal numbers are none of text: `no`, `on`, `null` and 010 may be names."""


_Names.yaml_implicit_resolvers = {}
_Names.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(0|[1-9]\d*)\Z"), list("0123456789"))


def in_order_or_none(table: Any) -> tuple[str, ...] | None:
    """The names by index, or None where there are none or two readings."""
    try:
        return in_order(table)
    except ValueError:
        return None


def _ids(table: Any, count: int) -> tuple[str, ...]:
    """The WordNet ids of Keras' table, {"0": ["n01440764", "tench"], …}."""
    if not isinstance(table, dict) or not all(isinstance(v, list) and len(v) == 2 for v in table.values()):
        return ()
    found = [str(table.get(str(index), [""])[0]) for index in range(count)]
    return tuple(found) if all(re.fullmatch(r"n\d{4,8}", one) for one in found) else ()


def _parsed(text: str, suffix: str) -> Any:
    if suffix in ("yaml", "yml"):
        if re.search(r"(^|\s)[&*]\w", text):
            raise ValueError("anchors and aliases are not allowed")
        return yaml.load(text, Loader=_Names)  # a safe loader
    try:
        return json.loads(text)
    except ValueError:
        if suffix == "json":
            raise
        return ast.literal_eval(text.strip())  # {0: 'tench', …}, as Python prints it


def _numbered(lines: Sequence[str]) -> ClassFile | None:
    """Lines of `0 tench`, in any order of their numbers, which count from 0, or from 1 in order."""
    parts = [NUMBERED.fullmatch(line) for line in lines]
    found = {int(part[1]): part[2].strip() for part in parts if part}
    if len(found) != len(lines) or len(lines) < 2 or len(set(found.values())) < len(found):
        return None  # "0 hours", "1 hours": the number is part of the name
    first = min(found)
    if first > 1 or set(found) != set(range(first, first + len(found))):
        return None
    if first == 1 and list(found) != sorted(found):
        return None
    names = tuple(found[index] for index in sorted(found))
    return ClassFile(names, note=f"The number before each class name is its index, from {first} on.")


def _synsets(lines: Sequence[str]) -> ClassFile | None:
    """Lines of `n01440764 tench, Tinca tinca`: a WordNet id, then the name up to the first comma."""
    parts = [SYNSET.fullmatch(line) for line in lines]
    if not lines or not all(parts):
        return None
    names = tuple(part[2].strip() for part in parts if part)
    return ClassFile(names, tuple(part[1] for part in parts if part))


def _columns(text: str, name: str) -> ClassFile:
    """A CSV of names, or of indices and names, with or without a line of heads."""
    first = text.split("\n", 1)[0]
    delimiter = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise RecipeError(f"model.classes: {name} is no CSV: {error}", FORMS) from error
    rows = [row for row in rows if any(row)]
    heads = [cell.lower() for cell in rows[0]] if rows else []
    index = next((n for n, head in enumerate(heads) if head in INDEX_HEADS), None)
    named = next((n for n, head in enumerate(heads) if head in NAME_HEADS and n != index), None)
    if index is None and named is None and heads and all(len(row) == 1 for row in rows):
        return ClassFile(tuple(row[0] for row in rows))
    if index is None and named is not None and all(len(row) > named for row in rows):
        return ClassFile(tuple(row[named] for row in rows[1:]), note=f"The first line of {name} is its head.")
    if index is None and named is None and heads and all(len(row) == 2 for row in rows):
        index, named, rows = _without_heads(rows)
    if index is None or named is None:
        raise RecipeError(f"model.classes: {name} has no columns index and name", FORMS)
    cells = {row[index]: row[named] for row in rows[1:] if len(row) > max(index, named)}
    names = in_order({int(k): v for k, v in cells.items() if k.isdecimal()})
    if names is None or len(names) != len(rows) - 1:
        raise RecipeError(f"model.classes: the indices of {name} do not count from 0 on, each once", FORMS)
    return ClassFile(names)


def _without_heads(rows: list[list[str]]) -> tuple[int | None, int | None, list[list[str]]]:
    """Which of two columns without heads counts; the rows begin with an empty head then."""
    counts = [column for column in (0, 1) if all(row[column].isdecimal() for row in rows)]
    return (counts[0], 1 - counts[0], [["", ""], *rows]) if len(counts) == 1 else (None, None, rows)
