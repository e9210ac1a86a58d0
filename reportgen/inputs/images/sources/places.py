"""Files on this machine and at addresses (`s3://…`), opened and listed alike.

An address is looked at only where the command or the recipe names one; fsspec and, for its kind of store, the
package that fsspec names do it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from reportgen import files
from reportgen.errors import InputError, RecipeError
from reportgen.inputs.images.listing import LARGEST_FILE_BYTES
from reportgen.version import with_extra

# as a path writes one: two strokes have become one
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
OF_THIS_MACHINE = ("file", "local")  # no server is named: what comes behind is a path from the root on


def address_of(path: Path) -> str | None:
    """The address that a path was made from, or None of a path of this machine."""
    found = ADDRESS.fullmatch(str(path))
    if not found or path.exists():
        return None
    root = "/" if found[1].lower() in OF_THIS_MACHINE else ""
    return f"{found[1]}://{root}{found[2]}"


def shown(path: Path) -> str:
    """A path, or the address that it was made from, for a reader."""
    return address_of(path) or str(path)


def opened(place: str) -> BinaryIO:
    """A file on this machine, or at an address, to be read from any place in it. Raises OSError, now and
    while it is read."""
    if "://" not in place:
        regular(place)
        return open(place, "rb")
    system, inside = _system(place)
    with _as_os_error():
        return cast(BinaryIO, _Distant(system.open(inside, "rb")))


def regular(place: str) -> None:
    """Raises OSError where a path of this machine is a pipe or a device, which may have no end."""
    if kind := files.what_else(Path(place)):
        raise files.Unreadable(kind)


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Each kind of store has its own errors, many of them no OSError: here they become one."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise OSError(0, line(error)) from error


class _Distant(io.RawIOBase):
    """A file at an address, whose every error is an OSError: it is read long after it was opened."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self.file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _as_os_error():
            return self.file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        with _as_os_error():
            return self.file.read(size)

    def readall(self) -> bytes:
        return self.read()

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()


def part_of(place: str, begin: int, length: int) -> bytes:
    """So many bytes of a file from a place in it; at an address in one request. Raises OSError."""
    if "://" not in place:
        with opened(place) as file:
            file.seek(begin)
            return file.read(length)
    system, inside = _system(place)
    with _as_os_error():
        data: bytes = system.cat_file(inside, start=begin, end=begin + length)
    # a server that knows no ranges sends all of the file
    return data if len(data) <= length else data[begin : begin + length]


@dataclass(frozen=True)
class Remote:
    """A whole file at an address."""

    place: str
    bytes_there: int | None

    def size(self) -> int | None:
        return self.bytes_there

    def read(self) -> bytes:
        with opened(self.place) as file:  # one byte more than any picture has: it is refused by its size
            return file.read(LARGEST_FILE_BYTES + 1)


def listed(address: str) -> list[tuple[str, int | None]]:
    """The files at an address, or below it, with their sizes; sorted. Raises InputError."""
    system, inside = _system(address)
    try:
        if system.isfile(inside):
            return [(address, system.size(inside))]
        found = system.find(inside, detail=True)
    except Exception as error:
        raise InputError(
            f"{address}: {line(error)}", "check the address, and how its store lets you in"
        ) from error
    if not found:
        raise InputError(f"there are no files at {address}", "check the address")
    return [(str(system.unstrip_protocol(name)), facts.get("size")) for name, facts in sorted(found.items())]


def below(address: str, place: str) -> str:
    """A file's name relative to the address that it was found below."""
    start = address.partition("://")[2].strip("/")
    name = place.partition("://")[2].strip("/")
    return name.removeprefix(start).strip("/") or PurePosixPath(name).name


@cache
def _system(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise RecipeError(
            f"{address} is an address, which fsspec reads: it is not installed", with_extra("sources")
        ) from error
    try:
        system, inside = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise RecipeError(f"{address}: {line(error)}", "install the package that is named") from error
    except ValueError as error:
        raise RecipeError(f"{address}: {line(error)}", "name a kind of address that fsspec knows") from error
    return system, inside


def line(error: BaseException) -> str:
    """What an error says, in one line."""
    said = getattr(error, "strerror", None) or str(error)
    return (" ".join(said.split()) or type(error).__name__)[:200]
