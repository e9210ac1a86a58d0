"""WebDataset: tars in which files of one name up to its first dot are a sample (`0001.jpg`, `0001.cls`)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from reportgen.errors import InputError
from reportgen.inputs.images.listing import LARGEST_FILE_BYTES, suffixes
from reportgen.inputs.images.sources.packed import LABEL, Entry, text
from reportgen.inputs.images.sources.places import line, opened, part_of

LARGEST_WORDS_BYTES = 1 << 20  # of a label or a record beside a picture
CLASS, TEXT, RECORD = ("cls", "cls.txt"), ("txt",), ("json",)


@dataclass(frozen=True)
class Member:
    """A file of a tar that is not compressed: where its bytes begin."""

    place: str
    offset: int
    length: int

    def size(self) -> int:
        return self.length

    def read(self) -> bytes:
        data = part_of(self.place, self.offset, self.length)
        if len(data) != self.length:
            raise OSError(0, "the tar is shorter than it says")
        return data


def entries(places: Sequence[str]) -> Iterator[Entry]:
    """The pictures of tars, in the order of the tars' names and of the files in them. Raises InputError."""
    for place in places:
        try:
            with opened(place) as file, tarfile.open(fileobj=file, mode="r:") as tar:
                yield from _samples(tar, place)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InputError(
                f"{place} is not a tar that can be read: {line(error)[:120]}",
                "a compressed one is unpacked first (gunzip); a damaged one must be copied again",
            ) from error


def _samples(tar: tarfile.TarFile, place: str) -> Iterator[Entry]:
    """A sample's files stand one after the other."""
    key, files, readable = None, {}, suffixes()
    for member in tar:
        folder, _, name = member.name.rpartition("/")
        stem, _, ending = name.partition(".")
        if not member.isfile() or not stem:  # a link, a folder, a hidden file
            continue
        here = f"{folder}/{stem}".strip("/")
        if here != key and key is not None:
            yield from _entries(tar, place, key, files, readable)
            files = {}
        key = here
        files[ending] = member
    if key is not None:
        yield from _entries(tar, place, key, files, readable)


def _entries(
    tar: tarfile.TarFile, place: str, key: str, files: dict[str, tarfile.TarInfo], readable: Collection[str]
) -> Iterator[Entry]:
    pictures = [ending for ending in files if f".{ending.lower().rpartition('.')[2]}" in readable]
    if not pictures:
        return
    cells = _cells(tar, files)
    for ending in pictures:
        member = files[ending]
        blob = Member(place, member.offset_data, member.size)
        yield Entry(f"{key}.{ending}", place, blob, cells)


def _cells(tar: tarfile.TarFile, files: dict[str, tarfile.TarInfo]) -> dict[str, str]:
    """What stands beside a picture: its class (.cls), what a record says (.json), words (.txt)."""
    cells: dict[str, str] = {}
    for ending, member in files.items():
        if member.size > min(LARGEST_WORDS_BYTES, LARGEST_FILE_BYTES):
            continue
        if ending in RECORD:
            cells |= _record(_words(tar, member))
        elif ending in CLASS:
            cells[LABEL] = _words(tar, member)
        elif ending in TEXT:
            cells.setdefault("text", _words(tar, member))
    if LABEL not in cells and set(cells) == {"text"}:
        cells = {LABEL: cells["text"]}
    return cells


def _record(words: str) -> dict[str, str]:
    try:
        found = json.loads(words)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {LABEL: text(found)}
    known = {str(key).strip().lower(): text(value) for key, value in found.items()}
    return {key: value for key, value in known.items() if key and key != "path"}


def _words(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    return file.read().decode("utf-8", "replace").strip() if file else ""
