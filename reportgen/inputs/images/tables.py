"""Tables of images as people have them: CSV files, and lists of paths with labels behind."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reportgen.errors import InputError
from reportgen.inputs.images.listing import SUFFIXES, Row, beside, lines_of, read_text

# heads that stand for `path`, letters and digits alone: those that say so, and those that may mean an image
PATH_HEADS = (
    (
        *("filename", "filepath", "imagepath", "imagefile", "image", "file", "img", "imgpath"),
        *("imagename", "imgname", "imageindex", "fname", "relpath", "imageurl", "imagefilename"),
    ),
    ("imageid", "imgid", "fileid", "idcode", "id", "url", "name"),
)
MARKS = (",", ";", "\t", "|")
LISTED = re.compile(r"(\S.*?)[\s,;]+([^\s,;]+)")  # a line of a list: a path, and the label behind it
# the same where the path ends in a picture's suffix: what is behind may be several words
SUFFIXED = re.compile(
    rf"(\S.*?(?:{'|'.join(re.escape(suffix) for suffix in SUFFIXES)}))(?:\s*[,;]\s*|\s+)(\S.*)", re.IGNORECASE
)
LOOKED_AT = 20  # lines of a list that are looked for on the disk


@dataclass(frozen=True)
class Table:
    """A CSV: its heads in lower case, the column of the paths called `path`; its rows as (file:line, cells by
    head); and by head how the file writes it."""

    file: Path
    head: tuple[str, ...]
    rows: tuple[tuple[str, dict[str, str]], ...]
    written: dict[str, str] = field(default_factory=dict)

    def others(self, *known: str) -> list[str]:
        """The heads of the columns that are not among `known`."""
        return [name for name in self.head if name and name not in known]


def folded_head(name: str) -> str:
    """A column's head as letters and digits alone: `Image Index` and `image_index` are one."""
    return re.sub(r"[\W_]+", "", name.lower())


def read_table(path: Path, needed: tuple[str, ...], known: tuple[str, ...]) -> Table:
    """A CSV's heads, and its rows but for blank ones; no path is empty.

    `needed` are the heads that must be there, `known` all that mean something. Raises InputError with
    file:line.
    """
    text = read_text(path, "the CSV").replace("\0", "\N{REPLACEMENT CHARACTER}")  # csv of 3.10 stops there
    skipped = 0
    if said := re.match(r"sep=(.)\r?\n", text):  # a line of Excel's
        text, skipped = text[said.end() :], 1
    mark = said[1] if said else _mark(text.split("\n", 1)[0], path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    rows = []
    try:
        names = [name.strip() for name in next(reader, [])]
        head = _heads([name.lower() for name in names], needed, known, path)
        line = reader.line_num + 1 + skipped
        for cells in reader:
            place, line = f"{path}:{line}", reader.line_num + 1 + skipped
            if any(cell.strip() for cell in cells):
                rows.append((place, _cells(head, cells, place, mark)))
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num}: not a CSV ({error})", "check the quotes of this line"
        ) from error
    return Table(path, tuple(head), tuple(rows), dict(zip(head, names, strict=False)))


def table_of_records(path: Path, records: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """The table of records (place, text by key), each with a path. Raises InputError with the place."""
    names = list(dict.fromkeys(key.strip() for _, record in records for key in record))
    head = _heads([name.lower() for name in names], ("path",), ("path", "label"), path)
    by_name = dict(zip(names, head, strict=True))
    rows = []
    for place, record in records:
        cells = {by_name[key.strip()]: text.strip() for key, text in record.items()}
        if not cells.get("path"):
            raise InputError(f"{place}: the path is empty", "fill it in or remove the record")
        rows.append((place, cells))
    return Table(path, tuple(head), tuple(rows), dict(zip(head, names, strict=True)))


def _mark(first: str, path: Path) -> str:
    """What stands between the cells: a tab in a .tsv, else the mark that parts the most heads."""
    if path.suffix.lower() == ".tsv" and "\t" in first:
        return "\t"
    return max(MARKS, key=first.count)  # of those that are as many the first


def _cells(head: Sequence[str], cells: Sequence[str], place: str, mark: str) -> dict[str, str]:
    """The row by head. Raises InputError where it has more cells than there are heads, or no path."""
    if any(cell.strip() for cell in cells[len(head) :]):
        named = {"\t": "tab"}.get(mark, mark)
        raise InputError(
            f"{place}: {len(cells)} cells, but the first line names {len(head)} columns",
            f"put double quotes around a cell that holds the mark between the cells ({named})",
        )
    row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
    if not row.get("path"):
        raise InputError(f"{place}: the path is empty", "fill it in or remove the line")
    return row


def _heads(head: list[str], needed: tuple[str, ...], known: tuple[str, ...], path: Path) -> list[str]:
    """The heads, with `path` for the one column of another usual name that stands for it. Raises InputError
    where one is missing or is there twice, or several could be meant."""
    if "path" in known and "path" not in head:
        head = _with_path(head, path)
    for wanted in known:
        if head.count(wanted) > 1:
            raise InputError(f"{path}:1: two columns are named '{wanted}'", "rename one")
    for wanted in needed:
        if wanted not in head:
            raise InputError(
                f"{path}:1: no column is named '{wanted}' (columns: {', '.join(head)[:80] or 'none'})",
                f"begin the CSV with a line `{','.join(known)}`",
            )
    return head


def _with_path(head: list[str], path: Path) -> list[str]:
    for names in PATH_HEADS:
        found = [name for name in head if folded_head(name) in names]
        if len(found) > 1:
            raise InputError(
                f"{path}:1: no column is named 'path', and {' and '.join(found)} could be meant",
                "rename the column that is meant to `path`",
            )
        if found:
            return ["path" if name == found[0] else name for name in head]
    return head


def read_list(path: Path, sure: bool = False) -> tuple[list[Row], bool]:
    """A file list: one path a line, relative to the list's folder, and whether labels follow the paths, as
    in `a.png 3`. Blank lines do not count. `sure` says that there must be labels, where the paths may be
    relative to another folder."""
    text = read_text(path, "the file list")
    lines = [(n, line.strip()) for n, line in enumerate(lines_of(text), 1) if line.strip()]
    pairs = [SUFFIXED.fullmatch(line) for _, line in lines]
    if not all(pairs):
        pairs = [LISTED.fullmatch(line) for _, line in lines]
    labelled = bool(pairs) and all(pairs) and (sure or _paths_end_before(path, pairs[:LOOKED_AT]))
    rows = []
    for (number, line), pair in zip(lines, pairs, strict=True):
        listed, label = (pair[1], pair[2].strip()) if labelled and pair else (line, None)
        rows.append(Row(beside(path, listed), label, f"{path}:{number}"))
    return rows, labelled


def _paths_end_before(path: Path, pairs: Sequence[re.Match[str] | None]) -> bool:
    """Whether no line is a file's path, and some is one without what is behind it."""
    found = [pair for pair in pairs if pair]
    whole = any(os.path.lexists(beside(path, pair[0])) for pair in found if "\0" not in pair[0])
    return not whole and any(os.path.lexists(beside(path, pair[1])) for pair in found if "\0" not in pair[0])
