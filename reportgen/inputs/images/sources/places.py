"""Files on this machine and at addresses (`s3://…`), opened and listed alike.

An address is looked at only where the command or the recipe names one; fsspec and, for its kind of store, the
package that fsspec names do it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from reportgen.errors import InputError, RecipeError
from reportgen.version import with_extra

# as a path writes one: two strokes have become one
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)


def address_of(path: Path) -> str | None:
    """The address that a path was made from, or None of a path of this machine."""
    found = ADDRESS.fullmatch(str(path))
    return f"{found[1]}://{found[2]}" if found and not path.exists() else None


def shown(path: Path) -> str:
    """A path, or the address that it was made from, for a reader."""
    return address_of(path) or str(path)


def opened(place: str) -> BinaryIO:
    """A file on this machine, or at an address, to be read from any place in it. Raises OSError."""
    if "://" not in place:
        return open(place, "rb")
    system, inside = _system(place)
    try:
        return cast(BinaryIO, system.open(inside, "rb"))
    except Exception as error:  # each kind of store has its own errors
        raise OSError(0, _line(error)) from error


def part_of(place: str, begin: int, length: int) -> bytes:
    """So many bytes of a file from a place in it; at an address in one request. Raises OSError."""
    if "://" not in place:
        with open(place, "rb") as file:
            file.seek(begin)
            return file.read(length)
    system, inside = _system(place)
    try:
        data: bytes = system.cat_file(inside, start=begin, end=begin + length)
    except Exception as error:
        raise OSError(0, _line(error)) from error
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
        with opened(self.place) as file:
            try:
                return file.read()
            except Exception as error:
                raise OSError(0, _line(error)) from error


def listed(address: str) -> list[tuple[str, int | None]]:
    """The files at an address, or below it, with their sizes; sorted. Raises InputError."""
    system, inside = _system(address)
    try:
        if system.isfile(inside):
            return [(address, system.size(inside))]
        found = system.find(inside, detail=True)
    except Exception as error:
        raise InputError(
            f"{address}: {_line(error)}", "check the address, and how its store lets you in"
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
        raise RecipeError(f"{address}: {_line(error)}", "install the package that is named") from error
    except ValueError as error:
        raise RecipeError(f"{address}: {_line(error)}", "name a kind of address that fsspec knows") from error
    return system, inside


def _line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
