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
from reportgen.inputs.images.heads import heads_of, is_picture, says_path
from reportgen.inputs.images.listing import SUFFIXES, Row, beside, lines_of, read_noted, read_text

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
    notes: tuple[str, ...] = ()
    headed: bool = True  # whether a line of the file names the columns

    def others(self, *known: str) -> list[str]:
        """The heads of the columns that are not among `known`."""
        return [name for name in self.head if name and name not in known]


def read_table(path: Path, needed: tuple[str, ...], known: tuple[str, ...]) -> Table:
    """A CSV's heads, and its rows but for blank ones; no path is empty.

    `needed` are the heads that must be there, `known` all that mean something. Raises InputError with
    file:line.
    """
    read = read_noted(path, "the CSV")
    text, skipped = _without_comments(read.text.replace("\0", "\N{REPLACEMENT CHARACTER}"))  # csv stops there
    if said := re.match(r"sep=(.)\r?\n", text):  # a line of Excel's
        text, skipped = text[said.end() :], skipped + 1
    mark = said[1] if said else _mark(text.split("\n", 1)[0], path)
    lines = _lines(text, mark, path, skipped)
    found = heads_of([cells for _, cells in lines], known, path, mark)
    head = _checked(found.names, needed, known, path)
    rows = []
    for place, cells in lines[1 if found.given else 0 :]:
        if any(cell.strip() for cell in cells):
            rows.append((place, _cells(head, cells, place, mark)))
    notes = (*([read.note] if read.note else []), *found.notes)
    return Table(
        path, tuple(head), tuple(rows), dict(zip(head, found.written, strict=False)), notes, found.given
    )


def _lines(text: str, mark: str, path: Path, skipped: int) -> list[tuple[str, list[str]]]:
    """The rows of a CSV as they are, each with its file:line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    lines = []
    try:
        line = 1 + skipped
        for cells in reader:
            lines.append((f"{path}:{line}", cells))
            line = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num + skipped}: not a CSV ({error})", "check the quotes of this line"
        ) from error
    return lines


def _without_comments(text: str) -> tuple[str, int]:
    """The text from its first line on that is neither blank nor a comment (#), and how many lines there are
    above. A comment that names columns, as numpy.savetxt writes the heads, is the first line."""
    skipped = 0
    while text:
        line, end, rest = text.partition("\n")
        bare = line.strip().lstrip("#").strip()
        cells = [cell for mark in MARKS for cell in line.split(mark)]
        if bare == line.strip() != "" or any(map(is_picture, cells)):
            break
        if any(says_path(cell) for mark in MARKS for cell in bare.split(mark)):
            return bare + end + rest, skipped
        text, skipped = rest, skipped + 1
    return text, skipped


def table_of_records(path: Path, records: Sequence[tuple[str, dict[str, str]]]) -> Table:
    """The table of records (place, text by key), each with a path. Raises InputError with the place."""
    names = list(dict.fromkeys(key.strip() for _, record in records for key in record))
    columns = [[record.get(name, "") for name in names] for record in _stripped(records)]
    found = heads_of([names, *columns], ("path", "label"), path, ",")
    head = _checked(found.names, ("path",), ("path", "label"), path)
    by_name = dict(zip(names, head, strict=True))
    rows = []
    for place, record in records:
        cells = {by_name[key.strip()]: text.strip() for key, text in record.items()}
        if not cells.get("path"):
            raise InputError(f"{place}: the path is empty", "fill it in or remove the record")
        rows.append((place, cells))
    return Table(path, tuple(head), tuple(rows), dict(zip(head, names, strict=True)), found.notes)


def _stripped(records: Sequence[tuple[str, dict[str, str]]]) -> list[dict[str, str]]:
    return [{key.strip(): text for key, text in record.items()} for _, record in records]


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


def _checked(head: list[str], needed: tuple[str, ...], known: tuple[str, ...], path: Path) -> list[str]:
    """The heads. Raises InputError where one is missing or is there twice."""
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


def read_list(path: Path, sure: bool = False) -> tuple[list[Row], bool]:
    """A file list: one path a line, relative to the list's folder, and whether labels follow the paths, as
    in `a.png 3`. Blank lines do not count. `sure` says that there must be labels, where the paths may be
    relative to another folder."""
    lines = _of_list(path)
    pairs = [SUFFIXED.fullmatch(line) for _, line in lines]
    if not all(pairs):
        pairs = [LISTED.fullmatch(line) for _, line in lines]
    if sure:
        _refuse_paths_last(path, lines, pairs)
    labelled = bool(pairs) and all(pairs) and (sure or _paths_end_before(path, pairs[:LOOKED_AT]))
    rows = []
    for (number, line), pair in zip(lines, pairs, strict=True):
        listed, label = (pair[1], pair[2].strip()) if labelled and pair else (line, None)
        rows.append(Row(beside(path, listed), label, f"{path}:{number}"))
    return rows, labelled


def _of_list(path: Path) -> list[tuple[int, str]]:
    """The lines of a file list with their numbers, but for blank ones, comments, and a line of heads."""
    text = read_text(path, "the file list")
    lines = [(n, line.strip()) for n, line in enumerate(lines_of(text), 1) if line.strip()]
    lines = [one for one in lines if not one[1].startswith("#") or os.path.lexists(beside(path, one[1]))]
    first = re.split(r"[\s,;]+", lines[0][1])[0] if lines else ""
    headed = len(lines) > 1 and says_path(first) and not os.path.lexists(beside(path, lines[0][1]))
    return lines[1:] if headed else lines


def is_table(path: Path) -> bool:
    """Whether a .txt is a CSV: its first two lines have cells, and one is the head of a column of paths."""
    lines = [line for line in lines_of(read_text(path, "the file list")) if line.strip()][:2]
    if len(lines) < 2:
        return False
    first, second = lines
    marks = [mark for mark in MARKS if mark in first and mark in second]
    return any(says_path(cell.strip("# ")) for mark in marks for cell in first.split(mark))


def _refuse_paths_last(
    path: Path, lines: Sequence[tuple[int, str]], pairs: Sequence[re.Match[str] | None]
) -> None:
    """Raises InputError for a list of labels with the paths behind, or with no paths at all."""
    if lines and all(line.isdecimal() for _, line in lines):
        raise InputError(
            f"{path} has a number in each line and no paths",
            "write `path label` in each line; numbers of ImageNet's devkit are none of the model's indices: "
            "give WordNet ids",
        )
    found = [pair for pair in pairs if pair]
    if found and all(is_picture(pair[2]) and not is_picture(pair[1]) for pair in found):
        raise InputError(f"{path}: the paths stand last in the lines", "write `path label`, the path first")


def _paths_end_before(path: Path, pairs: Sequence[re.Match[str] | None]) -> bool:
    """Whether no line is a file's path, and some is one without what is behind it."""
    found = [pair for pair in pairs if pair]
    whole = any(os.path.lexists(beside(path, pair[0])) for pair in found if "\0" not in pair[0])
    return not whole and any(os.path.lexists(beside(path, pair[1])) for pair in found if "\0" not in pair[0])
