"""One way to read a file that somebody else named: a regular file, of a bounded size, opened once.

A recipe, a list or a folder may name a pipe, which would wait for ever, a device or a file of the kernel's,
which may have no end, or a link to anywhere.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePath
from typing import BinaryIO

KERNEL = ("/proc", "/sys")
BLOCK = 1 << 20  # bytes
KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe, not a file"),
    (stat.S_ISCHR, "it is a device, not a file"),
    (stat.S_ISBLK, "it is a device, not a file"),
    (stat.S_ISSOCK, "it is a socket, not a file"),
)


class Unreadable(OSError):
    """Why a path is not read, in words: its `strerror`."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EINVAL, reason)


class TooLarge(Unreadable):
    """A file of more bytes than its kind has."""

    def __init__(self, at_most: int) -> None:
        super().__init__(f"it is larger than {at_most:,} bytes")


def read(path: Path, at_most: int) -> bytes:
    """The bytes of a regular file of at most so many bytes. Raises OSError, whose `strerror` says why not."""
    _check(os.stat(path), path, at_most)  # before it is opened: opening alone does something to some devices
    descriptor = os.open(path, os.O_RDONLY | _flag("O_NONBLOCK") | _flag("O_CLOEXEC") | _flag("O_BINARY"))
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        _check(status, path, at_most)  # another may lie there by now
        return _whole(stream, status.st_size, at_most)


def _whole(stream: BinaryIO, size: int, at_most: int) -> bytes:
    """All bytes of a stream that should have `size`. Memory is taken for these alone, not for `at_most`,
    which may be all that is free; a file that grows, or whose system tells no size, is read on by blocks."""
    blocks = [stream.read(min(at_most, size) + 1)]
    read = len(blocks[0])
    while read > size and read <= at_most:
        blocks.append(stream.read(BLOCK))
        if not blocks[-1]:
            break
        read += len(blocks[-1])
    if read > at_most:
        raise TooLarge(at_most)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def beginning(path: Path, size: int) -> bytes:
    """The first bytes of a regular file of any size. Raises OSError."""
    _check(os.stat(path), path, None)
    descriptor = os.open(path, os.O_RDONLY | _flag("O_NONBLOCK") | _flag("O_CLOEXEC") | _flag("O_BINARY"))
    with os.fdopen(descriptor, "rb") as stream:
        _check(os.fstat(descriptor), path, None)
        return stream.read(size)


def largest() -> int:
    """The most bytes that a file may have which is read as a whole: what memory is free. 8 GiB where the
    system does not tell that."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return 1 << 33


def is_kernel(path: Path) -> bool:
    """Whether a path leads to what the kernel makes up as it is read."""
    real = os.path.realpath(path)
    return any(real == place or real.startswith(f"{place}/") for place in KERNEL)


def leads_out(path: Path, root: Path) -> str | None:
    """Where a link leads that a path goes by, out of the folder that it is named in: `root`, where the path
    lies below that as it is written, else its own folder. None where none does."""
    written, top = os.path.abspath(path), os.path.abspath(root)
    if not is_below(written, top):
        top = os.path.dirname(written)
    real, real_top = os.path.realpath(written), os.path.realpath(top)
    return None if is_below(real, real_top) else real


def is_below(path: str, top: str) -> bool:
    """Whether an absolute path is a folder or lies below it, as both are written. On another drive it does
    not, which `os.path.commonpath` raises for."""
    return PurePath(path).is_relative_to(top)


def what_else(path: Path) -> str | None:
    """What a path is where it is neither a file nor a folder, in words; None of those and of nothing."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None
    return next((words for is_kind, words in KINDS[1:] if is_kind(mode)), None)


def _check(status: os.stat_result, path: Path, at_most: int | None) -> None:
    for is_kind, words in KINDS:
        if is_kind(status.st_mode):
            raise Unreadable(words)
    if is_kernel(path):
        raise Unreadable("it is made up by the kernel as it is read, no file of a disk")
    if at_most is not None and status.st_size > at_most:
        raise TooLarge(at_most)


def _flag(name: str) -> int:
    """A flag of os.open, 0 where the system has none such."""
    return int(getattr(os, name, 0))
