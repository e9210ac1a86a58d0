"""Class names in their order, from the shapes that people keep them in: lists, and tables of two kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def in_order(table: Any) -> tuple[str, ...] | None:
    """The names by index: of a list, of name -> index, or of index -> name; None of anything else.

    Indices count from 0 without a gap. Raises ValueError where a table can be read both ways, and the
    ways differ.
    """
    if isinstance(table, list | tuple) and table:
        named = all(isinstance(name, str) and name.strip() for name in table)
        return tuple(name.strip() for name in table) if named else None
    if not isinstance(table, Mapping) or not table:
        return None
    by_name = _by_index({_index(value): key for key, value in table.items()}, len(table))
    by_index = _by_index({_index(key): value for key, value in table.items()}, len(table))
    if by_name and by_index and by_name != by_index:
        # {"0": 0, "1": 1, "10": 2}: a number that is text is a name, one that is none an index
        kinds = {(isinstance(k, str), isinstance(v, str)) for k, v in table.items()}
        if kinds == {(True, False)}:
            return by_name
        if kinds == {(False, True)}:
            return by_index
        raise ValueError("index and name cannot be told apart")
    return by_name or by_index


def from_one(table: Any) -> tuple[str, ...] | None:
    """The names of name -> index or index -> name whose indices count from 1 and stand in that order; None of
    anything else."""
    if not isinstance(table, Mapping) or not table:
        return None
    for indices, found in ((table.values(), table.keys()), (table.keys(), table.values())):
        if [_index(one) for one in indices] == [*range(1, len(table) + 1)]:
            names = tuple(map(_name, found))
            return names if all(names) else None
    return None


def _by_index(names: Mapping[int | None, Any], count: int) -> tuple[str, ...] | None:
    if len(names) != count or set(names) != set(range(count)):
        return None
    found = tuple(_name(names[index]) for index in range(count))
    return found if all(found) else None


def _name(value: Any) -> str:
    """A name, or the first of several for one class, as in {"0": ["n01440764", "tench"]} the last."""
    if isinstance(value, list | tuple) and value:
        value = value[-1]
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _index(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):  # pandas' column with gaps
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and value.strip().isdecimal() and value.strip().isascii():
        return int(value) if len(value.strip()) < 10 else None
    return None
