"""What every source gives: a table with a row an image, and where the bytes of each are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reportgen.errors import InputError
from reportgen.inputs.images.sources.places import shown
from reportgen.inputs.images.tables import Table

DIGITS = 8  # of a name that is a place in the set
PATH, LABEL = "path", "label"


class Blob(Protocol):
    """The bytes of one image, wherever they are."""

    def size(self) -> int | None:
        """How many there are; None where only reading them tells."""

    def read(self) -> bytes:
        """All of them. Raises OSError or ValueError."""


@dataclass(frozen=True)
class Entry:
    """An image of a source: what it is called there ("" where it has no name), the file that it is in, its
    bytes, and what else the source says of it, as text by column."""

    name: str
    file: str
    blob: Blob
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Packed:
    """A source's images: their table, whose paths lie below `root`, and the blob of each path."""

    root: Path
    table: Table
    blobs: Mapping[str, Blob]

    @property
    def label_is_said(self) -> bool:
        """Whether a column has labels, or could."""
        return bool(self.table.others(PATH))


def packed(images: Path, root: Path, entries: Iterable[Entry], notes: Iterable[str] = ()) -> Packed:
    """The set of a source's entries, in their order. An image is called as the source calls it where that is
    its own, and by its place in the set elsewhere: both stay when the same images are cut into other files.

    Raises InputError where there is none.
    """
    every = list(entries)
    if not every:
        raise InputError(f"{shown(images)} holds no image", "name files that hold pictures")
    names = list(_names(every))
    columns = list(dict.fromkeys(column for entry in every for column in entry.cells if column != PATH))
    rows = tuple(
        (
            f"{entry.file}: image {place}",
            {**{column: entry.cells.get(column, "") for column in columns}, PATH: name},
        )
        for place, (name, entry) in enumerate(zip(names, every, strict=True))
    )
    # a table's paths are relative to the folder that its file lies in
    table = Table(
        root / images.name, (PATH, *columns), rows, {column: column for column in columns}, tuple(notes)
    )
    return Packed(root, table, dict(zip(names, (entry.blob for entry in every), strict=True)))


def _names(entries: list[Entry]) -> Iterator[str]:
    times = Counter(entry.name for entry in entries)
    own = all(entry.name and times[entry.name] == 1 for entry in entries)
    for place, entry in enumerate(entries):
        number = f"{place:0{DIGITS}d}"
        if own:
            yield entry.name.strip("/") or number
        else:
            yield f"{number}-{entry.name.rpartition('/')[2]}" if entry.name else number


def text(value: Any) -> str:
    """A value of a source as a table has it: several with | between, what is nested otherwise is left out."""
    if value is None or isinstance(value, bytes | dict):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list | tuple):
        return "|".join(map(text, value))
    return str(value).strip()
