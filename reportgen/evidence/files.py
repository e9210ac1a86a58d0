"""Whole files and their hashes: a file is written under another name, flushed, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any


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
    """UTF-8 JSON with sorted keys: equal values give equal bytes. NaN is refused (ValueError)."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Writes a file so that it is never seen half written, by way of a new name that nobody has taken.
    What is large may come in parts."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def is_whole(shard: Path) -> bool:
    """Whether a shard's record file is readable and its arrays are those it was written with."""
    arrays = shard.with_suffix(".safetensors")
    try:
        expected = json.loads(shard.read_bytes())["arrays_sha256"]
        return bool(sha256_of(arrays) == expected)
    except (OSError, ValueError, KeyError):
        return False
