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
from reportgen.inputs.classes.table import from_one, in_order
from reportgen.inputs.images.coco import categories_of
from reportgen.inputs.images.listing import lines_of

NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:,;.]\s*|\s+)(\S.*)")
NUMBER_BEHIND = re.compile(r"(\S.*?)(?:\s*[:,;=]\s*|\s+)(\d{1,9})")
SYNSET = re.compile(r"(n\d{4,8})(?:\s*[:,;]\s*|\s+)(\S.*)")
CODE = re.compile(r"n\d{8}|/[mg]/\w+")  # WordNet's ids, and Google's of its Knowledge Graph
ASSIGNED = re.compile(r"\s*\w+\s*=\s*(?=[\[{(])")  # Python's or TOML's CLASSES = [
ITEM = re.compile(r"item\s*\{(.*?)\}", re.DOTALL)  # of a label map of TensorFlow
FIELD = re.compile(r"(\w+)\s*:\s*(?:\"([^\"]*)\"|'([^']*)'|(\d+))")
# heads of columns, letters and digits alone
INDEX_HEADS = ("index", "idx", "id", "classid", "classindex", "classidx", "number", "labelid")
NAME_HEADS = ("name", "class", "classname", "label", "labelname", "category", "displayname", "signname")
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
    if assigned := ASSIGNED.match(text):
        return _table(text[assigned.end() :], name, suffix)
    if text.lstrip().startswith("item"):
        return _label_map(text, name)
    if text.lstrip().startswith("<"):
        raise RecipeError(f"model.classes: {name} is XML or HTML, no list of names", FORMS)
    if suffix in ("csv", "tsv"):
        return _columns(text, name)
    lines = _bare([line.strip() for line in lines_of(text.rstrip())])
    return _numbered(lines) or _numbered_behind(lines) or _synsets(lines) or ClassFile(tuple(lines))


def _bare(lines: Sequence[str]) -> list[str]:
    """The names without what lists are written with: a comment above, commas and quotes around every one;
    the names of a single line, with commas between."""
    while len(lines) > 1 and lines[0].startswith("# ") and not lines[1].startswith("# "):
        lines = lines[1:]
    if len(lines) == 1 and re.search(r"[,;]", lines[0]):
        lines = [part.strip() for part in re.split(r"[,;]", lines[0]) if part.strip()]
    if len(lines) > 1 and all(line.endswith(",") for line in lines[:-1]):
        lines = [line.removesuffix(",").rstrip() for line in lines]
    for mark in ("'", '"'):
        if lines and all(len(line) > 1 and line[0] == line[-1] == mark for line in lines):
            lines = [line[1:-1].strip() for line in lines]
    return list(lines)


def _label_map(text: str, name: str) -> ClassFile:
    """The names of a label map of TensorFlow, item { id: 1 name: 'tench' }, in the order of their ids."""
    found = {}
    for item in ITEM.findall(text):
        fields = {key: double or single or number for key, double, single, number in FIELD.findall(item)}
        called = fields.get("display_name") or fields.get("name")
        if called and fields.get("id", "").isdecimal():
            found[int(fields["id"])] = called
    ids = sorted(found)
    if not ids or ids[0] > 1 or ids != [*range(ids[0], ids[0] + len(ids))] or len(ids) < text.count("{"):
        raise RecipeError(f"model.classes: the ids of {name} do not count from 0 or 1 on, each once", FORMS)
    note = f"The classes are the items of {name}, in the order of their ids, from {ids[0]} on."
    return ClassFile(tuple(found[number] for number in ids), note=note)


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
    if names := from_one(found):
        return ClassFile(names, note=f"The indices of {name} count from 1, in order: 1 is the first class.")
    if isinstance(found, list | tuple):  # [0, 1, 2]: digits, say
        found = [str(one) if type(one) is int else one for one in found]
    try:
        names = in_order(found)
    except ValueError as error:
        raise RecipeError(f"model.classes: in {name} {error}", FORMS) from error
    if names is None:
        raise RecipeError(*_no_names(found, name))
    return ClassFile(names, _ids(found, len(names)))


def _no_names(found: Any, name: str) -> tuple[str, str]:
    """Why a table has no names by index, and what to do: numbers from 1 on have two orders."""
    numbers = [str(key) for key in found] if isinstance(found, dict) else []
    if numbers and sorted(numbers) == sorted(str(n) for n in range(1, len(numbers) + 1)):
        return (
            f"model.classes: the numbers of {name} count from 1 and stand in no order: which output is which "
            "class cannot be known",
            "list the names in the order of the model's outputs: by number, or, where it was trained on"
            " numbered folders, by the numbers as text (10 before 2)",
        )
    return f"model.classes: {name} holds no class names from index 0 on", FORMS


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


def _numbered_behind(lines: Sequence[str]) -> ClassFile | None:
    """Lines of `tench 0`, each number once, from 0 on: names that end in a number would repeat theirs."""
    parts = [NUMBER_BEHIND.fullmatch(line) for line in lines]
    found = {int(part[2]): part[1].strip() for part in parts if part}
    if len(lines) < 2 or len(found) != len(lines) or len({*found.values()}) < len(found):
        return None
    if set(found) != set(range(len(found))):
        return None
    names = tuple(found[index] for index in range(len(found)))
    return ClassFile(names, note="The number behind each class name is its index, from 0 on.")


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
    heads = [re.sub(r"[\W_]+", "", cell.lower()) for cell in rows[0]] if rows else []
    pairs = len(rows) > 1 and all(len(row) == 2 for row in rows)
    if pairs and all(CODE.fullmatch(row[0]) for row in rows[1:]):
        rows = rows if CODE.fullmatch(rows[0][0]) else rows[1:]
        return ClassFile(tuple(row[1] for row in rows), tuple(row[0] for row in rows))
    index = next((n for n, head in enumerate(heads) if head in INDEX_HEADS), None)
    named = next((n for n, head in enumerate(heads) if head in NAME_HEADS and n != index), None)
    if index is None and named is None and heads and all(len(row) == 1 for row in rows):
        return ClassFile(tuple(row[0] for row in rows))
    if index is None and named is not None and all(len(row) > named for row in rows):
        return ClassFile(tuple(row[named] for row in rows[1:]), note=f"The first line of {name} is its head.")
    if len(heads) == 2 and all(len(row) == 2 for row in rows) and (index is None or named is None):
        index, named, rows = _of_two(rows)
    if index is None or named is None:
        raise RecipeError(f"model.classes: {name} has no columns index and name", FORMS)
    cells = {row[index]: row[named] for row in rows[1:] if len(row) > max(index, named)}
    by_index = {int(k): v for k, v in cells.items() if k.isdecimal()}
    note = (
        "" if in_order(by_index) else f"The indices of {name} count from 1, in order: 1 is the first class."
    )
    names = in_order(by_index) or from_one(by_index)
    if names is None or len(names) != len(rows) - 1:
        raise RecipeError(f"model.classes: the indices of {name} do not count from 0 on, each once", FORMS)
    return ClassFile(names, note=note)


def _of_two(rows: list[list[str]]) -> tuple[int | None, int | None, list[list[str]]]:
    """Which of two columns counts, with or without heads; the rows begin with a head then."""
    counts = [
        column for column in (0, 1) if len(rows) > 1 and all(row[column].isdecimal() for row in rows[1:])
    ]
    if len(counts) != 1:
        return None, None, rows
    headed = not rows[0][counts[0]].isdecimal()
    return counts[0], 1 - counts[0], rows if headed else [["", ""], *rows]
