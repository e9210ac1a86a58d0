"""Lists of images as records in JSON: lines of objects, a list of them, or labels by path."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reportgen.errors import InputError
from reportgen.inputs.images.listing import SUFFIXES, read_text
from reportgen.inputs.images.tables import Table, read_table, table_of_records

LINES = (".jsonl", ".ndjson")
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
    """The table that a JSON file's content is: a list of objects, labels by path, or paths by label; None of
    another form."""
    if isinstance(content, Mapping):
        content = _pairs(content)
    if not isinstance(content, Sequence) or isinstance(content, str) or not content:
        return None
    if not all(isinstance(one, Mapping) for one in content):
        return None
    return table_of_records(path, [(f"{path}: record {n}", _cells(one)) for n, one in enumerate(content)])


def _pairs(content: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The records of labels by path, or of lists of pictures by label; None of another form."""
    if {"images", "annotations", "categories"} & content.keys():  # annotations
        return None
    if all(isinstance(value, list) and value and all(map(_is_picture, value)) for value in content.values()):
        return [{"path": path, "label": label} for label, paths in content.items() for path in paths]
    if all(_is_cell(value) for value in content.values()):
        return [{"path": path, "label": label} for path, label in content.items()]
    return None


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
