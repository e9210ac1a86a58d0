"""Whole files and their hashes: a file is written under another name, flushed, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from reportgen.shown import visible_json


class NotWritten(OSError):
    """The system refused a write: a full disk, a limit, a folder that is gone or may not be written."""


def sha256_of(data: bytes | Path) -> str:
    """The hex digest of bytes or of a file's content."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    with data.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys: equal values give equal bytes; what cannot be seen of a text is an escape
    in it (`reportgen.shown`). NaN is refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return visible_json(text).encode() + b"\n"


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Writes a file so that it is never seen half written, by way of a new name that nobody has taken.
    What is large may come in parts. Raises NotWritten; a file that was there before is then as it was."""
    write_together({path: data})


def write_together(files: Mapping[Path, bytes | Iterable[bytes]]) -> None:
    """Writes files that belong together: none takes its place before all are on the disk. Raises NotWritten;
    files that were there before are then as they were."""
    written: list[tuple[Path, Path]] = []
    try:
        for path, data in files.items():
            written.append((path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp"), path))
            _write(written[-1][0], data)
        for partial, path in written:
            partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            for partial, _ in written:
                partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise NotWritten(error.errno, error.strerror, str(written[-1][1])) from error
        raise


def _write(partial: Path, data: bytes | Iterable[bytes]) -> None:
    with partial.open("xb") as file:
        file.writelines((data,) if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())


def at_second_place(file: Path, place: Path) -> None:
    """A file at a second place too, never half: a link where the file system has them, else a copy."""
    half = place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            os.link(file, half)
        except OSError:
            shutil.copy2(file, half)
        half.replace(place)
    finally:
        half.unlink(missing_ok=True)


def is_whole(shard: Path) -> bool:
    """Whether a shard's record file is readable and its arrays are those it was written with."""
    arrays = shard.with_suffix(".safetensors")
    try:
        expected = json.loads(shard.read_bytes())["arrays_sha256"]
        return bool(sha256_of(arrays) == expected)
    except (OSError, ValueError, KeyError):
        return False
