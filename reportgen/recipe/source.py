"""YAML text -> plain values and the place of each: a small, safe subset of YAML 1.2.

Mappings, lists and scalars only. Anchors, aliases, merge keys, tags, repeated keys and deep
nesting are refused while the text is read, so nothing is ever expanded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from reportgen import files
from reportgen.errors import RecipeError
from reportgen.text import utf_16

KeyPath: TypeAlias = "tuple[str | int, ...]"
Place: TypeAlias = "tuple[int, int]"  # line and column, both from 1

LARGEST_BYTES = 1_000_000
DEEPEST = 20
MOST_VALUES = 50_000  # with the names of 22,000 classes written out
SUBSET = "a recipe is mappings, lists and values; write the value out in full"
CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
# YAML 1.1 takes 1e-3 for text; here it is the number that it looks like
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Source:
    """A recipe file as it was read: its values, and where each key and each value stands."""

    name: str  # the path as the user wrote it
    data: dict[str, Any]
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)

    def place(self, path: KeyPath, *, key: bool = False) -> str:
        """`recipe.yaml:14:9: ` for the value (or the key) at `path`, or of what encloses it."""
        if key and path in self.keys:
            line, column = self.keys[path]
        else:
            while path and path not in self.values:
                path = path[:-1]
            line, column = self.values.get(path, (1, 1))
        return f"{self.name}:{line}:{column}: "


def read(file: Path) -> Source:
    """Reads a recipe. Raises RecipeError that begins with file:line:column for what is wrong in it."""
    return parse(_text(file), str(file))


def parse(text: str, name: str) -> Source:
    """Reads a recipe's text. Raises RecipeError that begins with name:line:column."""
    reader = _Reader(name, text)
    try:
        return Source(name, reader.document(), reader.values, reader.keys)
    except yaml.reader.ReaderError as error:
        at = _place_in(text, int(error.position))
        raise RecipeError(
            f"{name}:{at[0]}:{at[1]}: {error.reason}", "remove the control character"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        problem = " ".join(f"{error.problem or error.context}".split())
        raise RecipeError(
            f"{where}: this is not YAML: {problem}",
            "check the indentation (spaces, never tabs), the colons and the quotes there",
        ) from error


def _text(file: Path) -> str:
    """The file's text. Raises RecipeError where it cannot be read, is too large or is not UTF-8."""
    try:
        data = files.read(file, LARGEST_BYTES)
    except files.TooLarge as error:
        raise RecipeError(
            f"{file}:1:1: the recipe is larger than {LARGEST_BYTES:,} bytes",
            "name a recipe file; keep long lists, such as class names, in files of their own",
        ) from error
    except OSError as error:
        raise RecipeError(
            f"cannot read the recipe {str(file)!r}: {error.strerror or error}",
            "name a recipe file; `reportgen recipe new` writes one to begin with",
        ) from error
    if wide := utf_16(data):  # as PowerShell's `>` writes
        return data.decode(wide, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place_in(data[: error.start].decode(errors="replace"), error.start)
        raise RecipeError(
            f"{file}:{line}:{column}: this byte is not UTF-8 text", "save the recipe as UTF-8"
        ) from error


def _place_in(text: str, position: int) -> Place:
    """Line and column, from 1, of a position in text."""
    before = text[:position].split("\n")
    return len(before), len(before[-1]) + 1


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    assert mark is not None  # the parser marks every event
    return mark.line + 1, mark.column + 1


class _Reader:
    """One walk over the parser's events: builds values, notes places, refuses what is not allowed."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}

    def document(self) -> dict[str, Any]:
        """The one document of the text; an empty text is an empty recipe."""
        events = yaml.parse(self.text, Loader=yaml.SafeLoader)
        next(events)  # the stream's start
        if isinstance(next(events), yaml.StreamEndEvent):
            return {}
        first = next(events)
        data = self._value(events, first, ())
        next(events)  # the document's end
        following = next(events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise self._refuse(following, "a second document begins", "keep one recipe a file")
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise self._refuse(first, "a recipe is a mapping of keys", "begin with `title: …`")
        return data

    def _refuse(self, event: yaml.Event, message: str, remedy: str) -> RecipeError:
        line, column = _place(event)
        return RecipeError(f"{self.name}:{line}:{column}: {message}", remedy)

    def _value(self, events: Iterator[yaml.Event], event: yaml.Event, path: KeyPath) -> Any:
        """The value that begins with `event`."""
        self.values[path] = _place(event)
        self._check(event)
        if len(self.values) > MOST_VALUES:
            why = f"more than {MOST_VALUES:,} values"
            raise self._refuse(event, why, "keep long lists in files of their own")
        if len(path) > DEEPEST:
            raise self._refuse(event, f"nested more than {DEEPEST} deep", SUBSET)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self._value(events, event, (*path, len(items))))
            return items
        return self._mapping(events, path)

    def _mapping(self, events: Iterator[yaml.Event], path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self._check(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refuse(event, "a key must be a plain word", SUBSET)
            key = event.value  # text as it stands: the class `no` is not False
            if key == "<<":
                raise self._refuse(event, "merge keys (<<) are not allowed", SUBSET)
            if key in mapping:
                raise self._refuse(event, f"the key {key!r} is there twice", "keep one of them")
            below = (*path, key)
            self.keys[below] = _place(event)
            mapping[key] = self._value(events, next(events), below)
        return mapping

    def _check(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            raise self._refuse(event, f"aliases (*{event.anchor}) are not allowed", SUBSET)
        if getattr(event, "anchor", None) is not None:
            raise self._refuse(event, f"anchors (&{event.anchor}) are not allowed", SUBSET)  # type: ignore[attr-defined]
        if getattr(event, "tag", None) is not None:
            raise self._refuse(event, f"tags ({event.tag}) are not allowed", SUBSET)  # type: ignore[attr-defined]

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        """A plain scalar by the core schema of YAML 1.2 (decimal numbers only); quoted ones are text."""
        text = event.value
        if event.style is not None:
            return str(text)
        if text.lower() in CONSTANTS:
            return CONSTANTS[text.lower()]
        if INTEGER.fullmatch(text):
            return int(text)
        if FLOAT.fullmatch(text):
            number = float(text)
            if math.isinf(number):
                raise self._refuse(event, f"the number {text[:20]} is too large", "write a smaller one")
            return number
        return str(text)
