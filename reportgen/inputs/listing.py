"""What is in the image set: a folder, a list or a CSV of files becomes numbered, hashed files."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reportgen.errors import InputError
from reportgen.ownership import Reports

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff"),
    *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif"),
)
LARGEST_FILE_BYTES = 1 << 28  # 256 MiB: above it a picture is a mistake or an attack
NAMED = 3  # reports in the image set that a note names
LARGEST_LIST_BYTES = 1 << 28


@dataclass(frozen=True)
class ImageFile:
    """One image of the set. `number` is its place in the sorted set; `shown` its printable path.

    `reason` says why it is rejected already; `sha256` is then None where there was nothing to hash.
    """

    number: int
    path: Path
    shown: str
    sha256: str | None = None
    label: str | None = None
    label_index: int | None = None
    reason: str | None = None
    # by part, (left, top, right, bottom) in pixels of the upright image; None where it lacks the part
    parts: tuple[tuple[float, float, float, float] | None, ...] = ()

    @property
    def id(self) -> str:
        """The image's name in every output: six digits."""
        return f"{self.number:06d}"


@dataclass(frozen=True)
class Row:
    """A listed path, the label beside it ("" is none) and where it stands, for messages."""

    path: Path
    label: str | None
    place: str


def printable(path: str) -> str:
    """A path as text that is safe in JSON, XML and HTML: bytes and controls become escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def walk(folder: Path) -> tuple[list[Path], list[str]]:
    """Every image file below a folder, and notes on what was passed over. Hidden names are, and what
    reportgen itself wrote there: the files of a report, known by its evidence and its seal.

    Links are followed, each real folder once, so a loop ends.
    """
    found: list[Path] = []
    notes: list[str] = []
    others = 0
    reports = Reports()
    seen: set[tuple[int, int]] = set()
    pending = [folder]
    while pending:
        here = pending.pop()
        try:
            status = here.stat()
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            notes.append(f"The folder {printable(str(here))} cannot be read: {error.strerror}.")
            continue
        if (status.st_dev, status.st_ino) in seen:
            notes.append(f"The folder {printable(str(here))} was read already under another name.")
            continue
        seen.add((status.st_dev, status.st_ino))
        written = reports.written_in(here)
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX" or entry.name in written:
                continue
            if os.path.isdir(entry.path):  # False, not an error, for a link to itself
                pending.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                found.append(Path(entry.path))
            else:
                others += 1
    if others:
        notes.append(f"Files without an image's suffix were ignored: {others}.")
    return found, notes + _of_reports(reports.met, folder)


def _of_reports(met: set[str], folder: Path) -> list[str]:
    """The note on reports in the image set: their files are none of its images."""
    if not met:
        return []
    real = os.path.realpath(folder)
    names = sorted(printable(os.path.relpath(report, real)) for report in met)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"Files that reportgen wrote were passed over; reports lie in: {', '.join(names[:NAMED])}{more}."]


def read_text(path: Path, what: str) -> str:
    """A small UTF-8 text file, with or without a byte-order mark. Raises InputError."""
    try:
        if path.stat().st_size > LARGEST_LIST_BYTES:
            raise InputError(f"{what} {path} is larger than 256 MiB", "split it")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise InputError(f"{what} {path} cannot be read: {reason}", "check the path") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} {path} is not UTF-8 text (byte {error.start})", "save it as UTF-8"
        ) from error


def lines_of(text: str) -> list[str]:
    """The lines by any system's line ends, and by nothing else that str.splitlines knows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_list(path: Path) -> list[Row]:
    """A file list: one path a line, relative to the list's folder. Blank lines do not count."""
    text = read_text(path, "the file list")
    return [
        Row(beside(path, line.strip()), None, f"{path}:{number}")
        for number, line in enumerate(lines_of(text), 1)
        if line.strip()
    ]


def read_csv(path: Path) -> tuple[list[Row], bool]:
    """The rows of a CSV with a `path` and perhaps a `label` column, and whether it has labels.

    Paths are relative to the CSV's folder. Raises InputError with file:line.
    """
    head, found = read_table(path, ("path",), ("path", "label"))
    rows = [Row(beside(path, cells["path"]), cells.get("label", ""), place) for place, cells in found]
    return rows, "label" in head


def read_table(
    path: Path, needed: tuple[str, ...], known: tuple[str, ...]
) -> tuple[list[str], list[tuple[str, dict[str, str]]]]:
    """A CSV's heads, and its rows as (file:line, cells by head) but for blank ones; no path is empty.

    `known` are all the heads that mean something. Raises InputError with file:line.
    """
    text = read_text(path, "the CSV").replace("\0", "\N{REPLACEMENT CHARACTER}")  # csv of 3.10 stops there
    first = text.split("\n", 1)[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        head = [name.strip().lower() for name in next(reader, [])]
        for wanted in known:
            if head.count(wanted) > 1:
                raise InputError(f"{path}:1: two columns are named '{wanted}'", "rename one")
        for wanted in needed:
            if wanted not in head:
                raise InputError(
                    f"{path}:1: no column is named '{wanted}' (columns: {', '.join(head)[:80] or 'none'})",
                    f"begin the CSV with a line `{','.join(known)}`",
                )
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"{path}:{line}", reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
            if not row.get("path"):
                raise InputError(f"{place}: the path is empty", "fill it in or remove the line")
            rows.append((place, row))
    except csv.Error as error:
        raise InputError(
            f"{path}:{reader.line_num}: not a CSV ({error})", "check the quotes of this line"
        ) from error
    return head, rows


def beside(list_file: Path, listed: str) -> Path:
    """A path as it stands in a list, which is relative to the list's folder."""
    return Path(os.path.normpath(list_file.parent / listed))


def meant(listed: Iterable[Path], files: Sequence[ImageFile], folder: Path, images: Path) -> dict[Path, str]:
    """The absolute path that each listed one means: below the list's `folder`, or below the image set
    where that names more of the files."""
    known = {absolute(file.path) for file in files}
    root = images if images.is_dir() else images.parent
    paths = list(listed)
    by_list = {path: absolute(path) for path in paths}
    by_set = {path: absolute(root / os.path.relpath(path, folder)) for path in paths}
    return max(by_list, by_set, key=lambda by: len(known & set(by.values())))


def absolute(path: Path) -> str:
    """The path from the root, links as they are."""
    return os.path.abspath(path)


def hashed(image: ImageFile) -> ImageFile:
    """The file with the hash of its content, or with the reason why there is none to read."""
    path = image.path
    try:
        if not path.exists():
            reason = "a link to nothing" if path.is_symlink() else "there is no such file"
            return replace(image, reason=reason)
        if not path.is_file():  # opening a pipe would wait for ever
            return replace(image, reason="a folder" if path.is_dir() else "not a regular file")
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            return replace(image, reason="larger than 256 MiB")
        if size == 0:
            return replace(image, reason="an empty file", sha256=hashlib.sha256(b"").hexdigest())
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except (OSError, ValueError) as error:  # ValueError: a null byte in a listed path
        return replace(image, reason=f"cannot be opened: {getattr(error, 'strerror', error)}")
    return replace(image, sha256=digest.hexdigest())


def numbered(paths: list[Path], root: Path) -> Iterator[ImageFile]:
    """The files in the order of their paths relative to `root`, numbered from 0."""
    shown = {path: printable(Path(os.path.relpath(path, root)).as_posix()) for path in paths}
    for number, path in enumerate(sorted(paths, key=lambda path: shown[path])):
        yield ImageFile(number, path, shown[path])
