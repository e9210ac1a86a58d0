"""What a program in a file is: a network, and what the file says of itself; the members of its archive."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.archive import COPY_AGAIN

LARGEST_TEXT_BYTES = 200_000_000  # of what is compressed in an archive, unpacked


@dataclass(frozen=True)
class Program:
    """A network read from a file. `shape` is (channels, height, width) of the images that it was made for,
    `images` the number of them that its graph is written for; None where the file does not say."""

    network: nn.Module
    format: str  # "torch.export", "TorchScript", "ONNX"
    producer: str
    shape: tuple[int, int, int] | None = None
    images: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Members:
    """The members of an archive, below its one folder. Its checksums and sizes were checked before."""

    file: str
    archive: zipfile.ZipFile = field(repr=False)
    names: frozenset[str]
    root: str

    def read(self, name: str) -> bytes:
        """Raises InputError for a member that is not there."""
        if name not in self.names:
            raise InputError(f"{self.file} is incomplete: it holds no {name[:80]!r}", COPY_AGAIN)
        return self.archive.read(self.root + name)

    def json(self, name: str, largest: int) -> Any:
        """A member's JSON. Raises InputError where it is none, or longer than `largest` bytes."""
        data = self.read(name)
        if len(data) > largest:
            raise InputError(f"{self.file}: {name} is larger than {largest // 1_000_000} MB", COPY_AGAIN)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.file}: {name} is not JSON", COPY_AGAIN) from error


def members_of(data: bytes, file: str) -> Members:
    """The members of a zip archive of torch, whose names all begin with one folder's.

    Raises InputError unless each is there once and whole, with its checksum, in no more bytes than its
    archive can hold: torch compresses text alone.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
        _check(members, len(data), file)
        damaged = archive.testzip()
    except InputError:
        raise
    except Exception as error:  # zipfile raises OverflowError, struct.error and more
        raise InputError(f"{file} is a damaged or truncated archive", COPY_AGAIN) from error
    if damaged:
        raise InputError(f"{file} is damaged: {damaged[:80]!r} fails its checksum", COPY_AGAIN)
    names = [member.filename for member in members]
    roots = {name.partition("/")[0] for name in names}
    root = f"{roots.pop()}/" if len(roots) == 1 else ""
    return Members(file, archive, frozenset(name.removeprefix(root) for name in names), root)


def _check(members: list[zipfile.ZipInfo], size: int, file: str) -> None:
    if len({member.filename for member in members}) < len(members):
        raise InputError(f"{file} holds two members of the same name", COPY_AGAIN)
    stored = [member for member in members if member.compress_type == zipfile.ZIP_STORED]
    packed = [member for member in members if member.compress_type != zipfile.ZIP_STORED]
    if any(member.compress_type != zipfile.ZIP_DEFLATED for member in packed):
        raise InputError(f"{file} is compressed in a way that torch does not use", COPY_AGAIN)
    if sum(member.file_size for member in stored) > size:
        raise InputError(f"{file} claims to hold more bytes than it has", COPY_AGAIN)
    if sum(member.file_size for member in packed) > LARGEST_TEXT_BYTES:
        raise InputError(
            f"{file} unpacks to more than {LARGEST_TEXT_BYTES // 1_000_000} MB of text", COPY_AGAIN
        )
