"""Parquet files, and folders of Arrow files as Hugging Face's `datasets` saves them: a row an image.

The picture is a column of bytes, or of structs with `bytes` and `path`, or of paths; other columns are text.
Class names in the schema (`ClassLabel`) take the place of numbers.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen import files
from reportgen.errors import InputError, RecipeError
from reportgen.inputs.images.listing import LARGEST_FILE_BYTES
from reportgen.inputs.images.sources.packed import LABEL, PATH, Blob, Entry, text
from reportgen.inputs.images.sources.places import line, opened, regular
from reportgen.version import with_extra

USUAL = ("image", "img", "picture", "jpg", "png", "bytes", "content", "pixels")
# row groups whose pictures stay in memory: as many as fit, and at least two. Images are read by name: where
# rows stand in another order, a group would be read anew for each of its images
PARTS_KEPT, KEPT_BYTES = 2, 1 << 28


def library() -> Any:
    """pyarrow. Raises RecipeError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise RecipeError(
            "pyarrow, which reads Parquet and Arrow files, is not installed", with_extra("sources")
        ) from error
    return pyarrow


class _Parts:
    """The columns of pictures that were read last, by file and part, as long as the file stays what it is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def column(self, place: str, part: int, column: str) -> Any:
        with self.lock:
            key = (place, _version(place), part, column)
            if key not in self.kept:
                self.kept[key] = _part(place, part, [column]).column(column)
                self._make_room()
            self.kept.move_to_end(key)
            return self.kept[key]

    def clear(self) -> None:
        with self.lock:
            self.kept.clear()

    def _make_room(self) -> None:
        taken = sum(column.nbytes for column in self.kept.values())
        while taken > KEPT_BYTES and len(self.kept) > PARTS_KEPT:
            _, left = self.kept.popitem(last=False)
            taken -= left.nbytes


def _version(place: str) -> tuple[int, ...]:
    """What changes where a file is written anew; of an address nothing tells that without a request."""
    if "://" in place:
        return ()
    status = os.stat(place)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


_PARTS = _Parts()


def forget() -> None:
    """Lets go of what was read of the files so far: a set is looked at anew."""
    _PARTS.clear()


@dataclass(frozen=True)
class Cell:
    """The picture in one row: of a part (a row group, a batch) of a file."""

    place: str
    part: int
    row: int
    column: str

    def size(self) -> None:
        return None

    def read(self) -> bytes:
        value = _PARTS.column(self.place, self.part, self.column)[self.row].as_py()
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise OSError(0, "the row has no picture")
        return data


@dataclass(frozen=True)
class Beside:
    """A picture that a row names by its path on this machine."""

    path: str

    def size(self) -> int:
        return os.stat(self.path).st_size

    def read(self) -> bytes:
        return files.read(Path(self.path), LARGEST_FILE_BYTES)


def entries(places: Sequence[str], root: Path) -> Iterator[Entry]:
    """The rows of files, in the order of the files' names; paths of pictures are relative to `root`.

    Raises InputError, RecipeError.
    """
    pyarrow = library()
    for place in places:
        try:
            yield from _rows(place, root)
        except (pyarrow.ArrowException, OSError, ValueError, LookupError, ArithmeticError) as error:
            words = line(error)[:120]
            remedy = "a damaged file must be copied again"
            if "://" in place:
                remedy += "; where the server gives no parts of a file, copy it to this machine"
            raise InputError(f"{place} cannot be read: {words}", remedy) from error


def _rows(place: str, root: Path) -> Iterator[Entry]:
    schema, parts = _schema(place)
    column = _picture(schema, place)
    named, names = _paths(schema, column), _class_names(schema)
    others = [field.name for field in schema if field.name not in (column, named) and not _is_picture(field)]
    in_struct = _is_struct(schema.field(column))
    by_path = _holds_paths(schema.field(column))
    for part in range(parts):
        table = _part(place, part, [*others, *([named] if named else []), *_of_struct(column, schema)])
        values = {name: table.column(name).to_pylist() for name in table.column_names}
        cells = {_key(name): _said(values[name], names.get(name)) for name in others}
        paths = _listed(values, column, named, in_struct)
        for row in range(table.num_rows):
            path = text(paths[row]) if paths else ""
            blob: Blob = Cell(place, part, row, column)
            if by_path:
                blob = Beside(str(root / text(values[column][row])))
            yield Entry(path, place, blob, {key: said[row] for key, said in cells.items()})


def _listed(values: Mapping[str, Any], column: str, named: str | None, in_struct: bool) -> list[Any]:
    """The path of each row, where there is one."""
    if named:
        return list(values[named])
    inside = values.get(column)
    if in_struct and inside is not None:
        return [one.get(PATH) if isinstance(one, dict) else one for one in inside]
    return list(inside or ())


def _schema(place: str) -> tuple[Any, int]:
    """A file's schema, and how many parts it has."""
    pyarrow = library()
    if place.endswith(".parquet"):
        with opened(place) as file:
            read = pyarrow.parquet.ParquetFile(file)
            return read.schema_arrow, read.num_row_groups
    batches = _batches(place)
    return batches.schema, len(batches.to_batches())


def _part(place: str, part: int, columns: Sequence[str]) -> Any:
    """Some columns of a part, a struct's field by `column.field` where no column has that name. It has the
    part's rows, if it has no column."""
    pyarrow = library()
    if place.endswith(".parquet"):
        with opened(place) as file:
            return pyarrow.parquet.ParquetFile(file).read_row_group(part, columns=list(columns))
    table = pyarrow.Table.from_batches([_batches(place).to_batches()[part]])
    chosen = table.select([])
    for column in columns:
        name = column
        if column in table.column_names:
            values = table[column]
        else:  # a field of a struct alone: its neighbour holds the pictures
            name, _, field = column.rpartition(".")
            values = pyarrow.compute.struct_field(table[name], [field])
        chosen = chosen.append_column(name, values)
    return chosen


def _batches(place: str) -> Any:
    """An Arrow file, stream or not; on this machine it is mapped, not read."""
    pyarrow = library()
    if "://" not in place:
        regular(place)
    source = pyarrow.memory_map(place) if "://" not in place else pyarrow.BufferReader(opened(place).read())
    try:
        return pyarrow.ipc.open_stream(source).read_all()
    except pyarrow.ArrowInvalid:
        source.seek(0)
        return pyarrow.ipc.open_file(source).read_all()


def _picture(schema: Any, place: str) -> str:
    """The column of the pictures: of bytes, of structs with bytes, else of paths. Raises InputError."""
    found = [field.name for field in schema if _is_picture(field)]
    found = found or [
        field.name for field in schema if _holds_paths(field) and _key(field.name) in (PATH, *USUAL)
    ]
    usual = [name for name in found if _key(name) in USUAL]
    if len(found) > 1 and len(usual) == 1:
        found = usual
    if len(found) != 1:
        columns = ", ".join(schema.names)[:80]
        several = (
            f"several columns that may hold pictures: {', '.join(found)}"
            if found
            else "no column of pictures"
        )
        raise InputError(
            f"{place} has {several} (columns: {columns})",
            "call the column of pictures `image`: their bytes, or structs with bytes, or paths",
        )
    return str(found[0])


def _paths(schema: Any, column: str) -> str | None:
    """A column that names the pictures, beside that of their bytes."""
    usual = (PATH, "file_name", "filename", "file")
    return next(
        (f.name for f in schema if _key(f.name) in usual and f.name != column and _holds_paths(f)), None
    )


def _is_picture(field: Any) -> bool:
    types = library().types
    if _is_struct(field):
        return any(inner.name == "bytes" for inner in field.type)
    kind = _plain(field.type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_struct(field: Any) -> bool:
    return bool(library().types.is_struct(field.type))


def _holds_paths(field: Any) -> bool:
    types, kind = library().types, _plain(field.type)
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _plain(kind: Any) -> Any:
    """A column's type; of one that is written as a dictionary that of its values."""
    return kind.value_type if library().types.is_dictionary(kind) else kind


def _of_struct(column: str, schema: Any) -> list[str]:
    """What is read of the pictures' column to know their paths, and not their bytes."""
    field = schema.field(column)
    if _holds_paths(field):
        return [column]
    if _is_struct(field) and any(inner.name == PATH for inner in field.type):
        return [f"{column}.{PATH}"]
    return []


def _class_names(schema: Any) -> dict[str, list[str]]:
    """The names of numbered classes by column, as `datasets` writes them into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: facts["names"] for name, facts in features.items() if facts.get("_type") == "ClassLabel"
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _said(values: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """A column as text; of numbered classes their names, -1 is none."""
    if names is None:
        return [text(value) for value in values]
    inside = range(len(names))
    return [names[value] if value in inside else "" for value in values]


def _key(name: str) -> str:
    """A column's name as a table has it."""
    key = name.strip().lower()
    return LABEL if key in ("labels", "fine_label") else key
