"""Which columns a table has: by the heads of its first line, or, where it has none, by what they hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reportgen.errors import InputError
from reportgen.inputs.images.listing import EXTRAS, SUFFIXES

# heads that stand for `path`, letters and digits alone: those that say so, and those that may mean an image
PATH_HEADS = (
    (
        *("filename", "filepath", "imagepath", "imagefile", "image", "file", "img", "imgpath"),
        *("imagename", "imgname", "imageindex", "fname", "relpath", "imageurl", "imagefilename"),
    ),
    ("imageid", "imgid", "fileid", "idcode", "id", "url", "name"),
)


class Heads(NamedTuple):
    """The heads in lower case, with `path` for the column of the paths; as the file writes them; whether the
    first line holds them; and notes."""

    names: list[str]
    written: list[str]
    given: bool = True
    notes: tuple[str, ...] = ()


def folded_head(name: str) -> str:
    """A column's head as letters and digits alone: `Image Index` and `image_index` are one."""
    return re.sub(r"[\W_]+", "", name.lower())


def says_path(name: str) -> bool:
    """Whether a head says that its column holds paths."""
    return name.strip().lower() == "path" or folded_head(name) in PATH_HEADS[0]


def is_picture(cell: str) -> bool:
    """Whether a cell is a picture's path or address, by its suffix."""
    return cell.strip().partition("?")[0].lower().endswith((*SUFFIXES, *EXTRAS))


def heads_of(rows: Sequence[Sequence[str]], known: tuple[str, ...], path: Path, mark: str) -> Heads:
    """The heads of a table whose first row has them or is a row like the others.

    `known` are the heads that mean something. Where `path` is one and no column is called so, it is the
    column of another usual name, or the only one of pictures' paths. Raises InputError.
    """
    first = list(rows[0]) if rows else []
    written = [name.strip() for name in first]
    names = [name.lower() for name in written]
    if "path" not in known or "path" in names:
        return Heads(names, written)
    if (at := _by_name(names, path)) is not None:
        return Heads([*names[:at], "path", *names[at + 1 :]], written)
    given = not any(map(is_picture, first))
    columns = _of_pictures(rows[1:] if given else rows)
    if len(columns) != 1:
        raise _unclear(path, written, columns, given, mark)
    (at,) = columns
    if given:
        names[at] = "path"
        note = f"Paths are the column {written[at]} of {path.name}: every text there is a picture's."
        return Heads(names, written, True, (note,))
    names = [f"column {number}" for number in range(1, len(first) + 1)]
    written = list(names)
    names[at] = "path"
    said = f"{path.name} has no line of heads: column {at + 1} holds the paths"
    if len(names) == 2:
        names[1 - at] = "label"
        said += f", column {2 - at} the labels"
    return Heads(names, written, False, (f"{said}.",))


def _by_name(names: Sequence[str], path: Path) -> int | None:
    for usual in PATH_HEADS:
        found = [name for name in names if folded_head(name) in usual]
        if len(found) > 1:
            raise InputError(
                f"{path}:1: no column is named 'path', and {' and '.join(found)} could be meant",
                "rename the column that is meant to `path`",
            )
        if found:
            return list(names).index(found[0])
    return None


def _of_pictures(rows: Sequence[Sequence[str]]) -> list[int]:
    """The columns whose every cell that is not empty is a picture's path."""
    count = max((len(row) for row in rows), default=0)
    columns = ([row[n] for row in rows if n < len(row) and row[n].strip()] for n in range(count))
    return [n for n, cells in enumerate(columns) if cells and all(map(is_picture, cells))]


def _unclear(
    path: Path, written: Sequence[str], columns: Sequence[int], given: bool, mark: str
) -> InputError:
    """The refusal of a table in which no column is the only one of paths, with a line that mends it."""
    if len(columns) > 1 and given:
        named = " and ".join(written[n] for n in columns)
        cause = f"{path}:1: no column is named 'path', and {named} could be meant"
        return InputError(cause, "rename the column that is meant to `path`")
    shown = ", ".join(written)[:80] or "none"
    if path.suffix.lower().startswith((".json", ".ndjson")):
        cause = f"{path}: no record has a path that can be told from what else it has (keys: {shown})"
        return InputError(cause, 'call the key of the paths "path"')
    if not written or len(written) == 1:
        line = mark.join(("path", "label"))
    else:
        others = [f"column {n}" for n in range(3, len(written) + 1)]
        line = mark.join(("path", "label", *others))
    line = f"`{line}`" if mark != "\t" else f"`{' '.join(line.split(mark))}` with tabs between"
    if len(columns) > 1:
        return InputError(
            f"{path}:1: columns {' and '.join(str(n + 1) for n in columns)} hold paths, and none has a head",
            f"begin it with a line that names each column, such as {line}",
        )
    return InputError(
        f"{path}:1: no column is named 'path' (columns: {shown})",
        f"call the column of the paths `path`; where the first line is no head, put one above: {line}",
    )
