"""The images of a folder: which files are, how they are numbered and hashed, and what was passed over."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen import files
from reportgen.errors import InputError
from reportgen.ownership import Reports
from reportgen.shown import path_named
from reportgen.text import Text, UnknownEncoding, decoded

if TYPE_CHECKING:  # a mask is hashed as the images are
    from reportgen.inputs.images.masks import Mask
    from reportgen.inputs.images.sources.packed import Blob

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff"),
    *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif", ".npy"),
)
# kinds that a package of the extra `pictures` reads: suffix -> (the package, its module)
EXTRAS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("pillow-heif", "pillow_heif")),
    **dict.fromkeys((".dcm", ".dicom"), ("pydicom", "pydicom")),
}
OTHER_PICTURES = (
    *EXTRAS,
    *(".jp2", ".j2k", ".jpx", ".jxl", ".svg", ".psd", ".tga", ".ico", ".exr", ".hdr", ".dng", ".cr2", ".cr3"),
    *(".nef", ".arw", ".raf", ".orf", ".rw2", ".raw", ".nii", ".nrrd", ".mha", ".czi", ".svs", ".ndpi"),
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".npz", ".pdf"),
)
LARGEST_FILE_BYTES = 1 << 28  # 256 MiB: above it a picture is a mistake or an attack
ABSENT = "there is no such file"
A_LIST = "a CSV with the columns path,label"
# what else labels are kept in: how such files begin
NO_TEXT = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"MATLAB": "a file of MATLAB",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "an array of numpy",
    **{b"\x80" + bytes([protocol]): "a pickle of Python" for protocol in range(2, 6)},
    b"<?xml": "XML",
    b"<annotation": "XML",
}
NAMED = 3  # columns, or reports in the image set, that a note names
LARGEST_LIST_BYTES = 1 << 28


def suffixes() -> tuple[str, ...]:
    """The suffixes of the pictures that can be read here, with what is installed."""
    more = [suffix for suffix, (_, module) in EXTRAS.items() if find_spec(module) is not None]
    return (*SUFFIXES, *more)


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
    label_index: int | None = None  # of several labels the first
    labels: tuple[int, ...] | None = None  # where each label stands by itself: all that hold
    values: tuple[float, ...] | None = None  # where the network gives values: what they should be
    reason: str | None = None
    # by part, (left, top, right, bottom) in pixels of the upright image; None where it lacks the part
    parts: tuple[tuple[float, float, float, float] | None, ...] = ()
    # where the thing is that it shows, or, of a network that answers every pixel, where answers are taken
    mask: Mask | None = None
    blob: Blob | None = None  # where its bytes are, if it is no file of its own

    @property
    def shows_a_thing(self) -> bool:
        """Whether a mask or boxes say where the thing is that it shows."""
        return self.mask is not None or any(part is not None for part in self.parts)

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
    """A path as text that is safe in JSON, XML and HTML: bytes and controls become escapes, and no two paths
    the same text."""
    return path_named(path)


def walk(folder: Path) -> tuple[list[Path], list[str]]:
    """Every image file below a folder, and notes on what was passed over. Hidden names are, and what
    reportgen itself wrote there: the files of a report, known by its evidence and its seal.

    Links to folders below it are followed, each real folder once, so a loop ends; into another tree none is.
    """
    found: list[Path] = []
    notes: list[str] = []
    others: Counter[str] = Counter()
    elsewhere: list[Path] = []
    reports = Reports()
    readable = suffixes()
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
                if entry.is_symlink() and files.leads_out(Path(entry.path), folder):
                    elsewhere.append(Path(entry.path))
                else:
                    pending.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in readable:
                found.append(Path(entry.path))
            else:
                others[Path(entry.name).suffix.lower()] += 1
    arrays = [path for path in found if path.suffix.lower() == ".npy"]
    if 0 < len(arrays) < len(found):  # features and masks lie beside pictures
        found = [path for path in found if path.suffix.lower() != ".npy"]
        notes.append(f"Arrays (.npy) beside pictures were left out: {len(arrays)}.")
    notes += passed_over(others) + _of_links(elsewhere, found, folder)
    return found, notes + _of_reports(reports.met, folder)


def _of_links(folders: list[Path], found: list[Path], root: Path) -> list[str]:
    """Notes on links out of the image set: folders are not gone into, pictures are read."""
    notes = []
    if folders:
        first = printable(os.path.relpath(folders[0], root))
        notes.append(f"Links to folders elsewhere were not followed: {len(folders)}, such as {first}.")
    linked = [path for path in found if path.is_symlink() and files.leads_out(path, root)]
    if linked:
        first = printable(os.path.relpath(linked[0], root))
        notes.append(f"Pictures that are links out of the folder: {len(linked)}, such as {first}.")
    return notes


def passed_over(others: Mapping[str, int]) -> list[str]:
    """Notes on files that are not read, by their suffixes: pictures of other kinds are named."""
    pictures = {suffix: count for suffix, count in others.items() if suffix in OTHER_PICTURES}
    rest = sum(others.values()) - sum(pictures.values())
    notes = [f"Files without an image's suffix were ignored: {rest}."] if rest else []
    if pictures:
        named = ", ".join(f"{count} of {suffix}" for suffix, count in sorted(pictures.items()))
        notes.append(f"Pictures of kinds that are not read were left out: {named}. {how_to_read(pictures)}.")
    return notes


def how_to_read(suffixes: Iterable[str]) -> str:
    """What makes pictures of these kinds readable, in words."""
    packages = sorted({EXTRAS[suffix][0] for suffix in suffixes if suffix in EXTRAS})
    ways = [f"`pip install {' '.join(packages)}`"] if packages else []
    if any(suffix not in EXTRAS for suffix in suffixes):
        ways.append("converting the others to PNG or TIFF" if ways else "Converting them to PNG or TIFF")
    return f"{' and '.join(ways)} makes them readable"


def _of_reports(met: set[str], folder: Path) -> list[str]:
    """The note on reports in the image set: their files are none of its images."""
    if not met:
        return []
    real = os.path.realpath(folder)
    names = sorted(printable(os.path.relpath(report, real)) for report in met)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"Files that reportgen wrote were passed over; reports lie in: {', '.join(names[:NAMED])}{more}."]


def read_noted(path: Path, what: str) -> Text:
    """A small text file, and what was assumed of its encoding (see `reportgen.text`). Raises InputError."""
    if os.path.isdir(path):
        raise InputError(f"{what} {path} is a folder", f"name a file: {A_LIST}")
    try:
        data = files.read(path, LARGEST_LIST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise InputError(f"{what} {path} cannot be read: {reason}", "check the path") from error
    for beginning, kind in NO_TEXT.items():
        if data.startswith(beginning):
            raise InputError(f"{what} {path} is {kind}, no text", f"export it as {A_LIST}")
    try:
        return decoded(data, path.name)
    except UnknownEncoding as error:
        raise InputError(
            f"{what} {path} is not UTF-8 text (byte {error.byte})", "save it as UTF-8"
        ) from error


def read_text(path: Path, what: str) -> str:
    """The text of `read_noted` alone."""
    return read_noted(path, what).text


def lines_of(text: str) -> list[str]:
    """The lines by any system's line ends, and by nothing else that str.splitlines knows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def beside(list_file: Path, listed: str) -> Path:
    """A path as it stands in a list, which is relative to the list's folder.

    Backslashes are Windows' way to part folders, unless a file is named so.
    """
    if "\\" in listed and "\0" not in listed and not os.path.lexists(list_file.parent / listed):
        listed = listed.replace("\\", "/")
    return Path(os.path.normpath(list_file.parent / listed))


def absolute(path: Path) -> str:
    """The path from the root, links as they are."""
    return os.path.abspath(path)


def hashed(image: ImageFile) -> ImageFile:
    """The file with the hash of its content, or with the reason why there is none to read."""
    if image.blob is not None:
        return _blob_hashed(image, image.blob)
    path = image.path
    try:
        if not path.exists():
            reason = "a link to nothing" if path.is_symlink() else ABSENT
            return replace(image, reason=reason)
        if not path.is_file() or files.is_kernel(path):  # opening a pipe would wait for ever
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


def _blob_hashed(image: ImageFile, blob: Blob) -> ImageFile:
    """The same of an image that is in a file with others, or at an address."""
    try:
        if (blob.size() or 0) > LARGEST_FILE_BYTES or len(data := blob.read()) > LARGEST_FILE_BYTES:
            return replace(image, reason="larger than 256 MiB")
    except (OSError, ValueError) as error:
        return replace(image, reason=f"cannot be opened: {getattr(error, 'strerror', None) or error}")
    digest = hashlib.sha256(data).hexdigest()
    return replace(image, sha256=digest, reason=None if data else "an empty file")


def numbered(paths: list[Path], root: Path) -> Iterator[ImageFile]:
    """The files in the order of their paths relative to `root`, numbered from 0."""
    shown = {path: printable(Path(os.path.relpath(path, root)).as_posix()) for path in paths}
    for number, path in enumerate(sorted(paths, key=lambda path: shown[path])):
        yield ImageFile(number, path, shown[path])
