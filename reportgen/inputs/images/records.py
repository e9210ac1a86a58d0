"""Lists of images as records in JSON: lines of objects, a list of them, or labels by path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reportgen.errors import InputError
from reportgen.inputs.images.listing import SUFFIXES, read_text
from reportgen.inputs.images.tables import Table, read_table, table_of_records

LINES = (".jsonl", ".ndjson")
PARTS = {"images", "annotations", "categories"}  # of annotations in COCO's form
HOW = 'write {"path": …, "label": …} in each line'


def read_rows(path: Path) -> Table:
    """A CSV, or a file of JSON lines, as a table with a column of paths. Raises InputError with file:line."""
    if path.suffix.lower() not in LINES:
        return read_table(path, ("path",), ("path", "label"))
    rows = []
    for number, line in enumerate(read_text(path, "the list").split("\n"), 1):
        if line.strip():
            rows.append((f"{path}:{number}", _object(line, f"{path}:{number}")))
    return table_of_records(path, rows)


def records_in(path: Path, content: Any) -> Table | None:
    """The table that a JSON file's content is; None of another form.

    Read are a list of objects or of [path, label], labels by path, objects by path, paths by label, a column
    of values by row (pandas), and each of these under one key, as `data_list` or `labels`.
    """
    found = _records(content)
    if found is None and isinstance(content, Mapping) and not PARTS & content.keys():
        inner = [one for value in content.values() if (one := _records(value))]
        pictures = [one for one in inner if any(map(_has_picture, one))]
        found = next((some[0] for some in (pictures, inner) if len(some) == 1), None)
    if not found:
        return None
    return table_of_records(path, [(f"{path}: record {n}", _cells(one)) for n, one in enumerate(found)])


def _records(content: Any) -> list[Mapping[str, Any]] | None:
    """The objects that a list, or a table of labels, is of; None of another form."""
    if isinstance(content, Mapping):
        return _pairs(content)
    if not isinstance(content, list) or not content:
        return None
    if all(isinstance(one, Mapping) for one in content):
        return content
    pairs = all(isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) for one in content)
    if pairs and all(_is_cell(one[1]) for one in content) and any(_is_picture(one[0]) for one in content):
        return [{"path": one[0], "label": one[1]} for one in content]
    return None


def _pairs(content: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The records of labels or objects by path, of lists of pictures by label, or of columns by row; None of
    another form."""
    values = list(content.values())
    if not values or PARTS & content.keys():  # annotations
        return None
    if all(isinstance(value, list) and value and all(map(_is_picture, value)) for value in values):
        return [{"path": path, "label": label} for label, paths in content.items() for path in paths]
    if all(isinstance(value, Mapping) for value in values):
        return _by_row(content) or _by_picture(content)
    if all(_is_cell(value) for value in values):
        return [{"path": path, "label": label} for path, label in content.items()]
    return None


def _by_row(content: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The rows of columns by name and row, as pandas writes a table; None of another form."""
    columns = list(content.values())
    rows = list(columns[0])
    if not rows or any(list(column) != rows for column in columns) or not all(map(str.isdecimal, rows)):
        return None
    return [{name: column[row] for name, column in content.items()} for row in rows]


def _by_picture(content: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The objects by path, with the path in them; None where the keys are no pictures."""
    if not all(map(_is_picture, content)):
        return None
    return [{**value, "path": path} for path, value in content.items()]


def _has_picture(record: Mapping[str, Any]) -> bool:
    return any(map(_is_picture, record.values()))


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.lower().endswith(tuple(SUFFIXES))


def _object(line: str, place: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not readable as JSON: {str(error)[:80]}", HOW) from error
    if not isinstance(found, dict):
        raise InputError(f"{place}: no object of JSON", HOW)
    return _cells(found)


def _cells(record: Mapping[str, Any]) -> dict[str, str]:
    """A record's plain values as text, several with | between; what is nested otherwise is passed over."""
    return {key: _text(value) for key, value in record.items() if _is_cell(value)}


def _is_cell(value: Any) -> bool:
    plain = (str, int, float, type(None))
    return isinstance(value, plain) or (isinstance(value, list) and all(isinstance(v, plain) for v in value))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(_text(one) for one in value)
    return "" if value is None else str(value)
