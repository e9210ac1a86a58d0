"""The arrays of a shard: a safetensors file whose larger arrays are deflated, an image by itself.

What is deflated stands in the file as bytes, and the file's metadata say how it is read back: dtype,
shape, and where every image's bytes end. Maps of many places are kept in levels where the writer says how
fine (`reportgen/evidence/levels.py`); everything else is read back bit by bit.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save
from typing_extensions import Self

from reportgen.evidence import levels
from reportgen.evidence.levels import Steps
from reportgen.findings import Array

CODED = "coded"  # the key of the metadata
FEW_BYTES = 4096  # arrays up to this size stay as they are
SAVED = 0.9  # so do those that deflating makes no smaller than this part
EXACT, LEVELS = b"\0", b"\1"  # the first byte of an image's
EFFORT = 4  # of zlib's nine: two more would save a fiftieth and take half as long again


@dataclass(frozen=True)
class _Packed:
    """An array as it stands in the file, and how it is read back; None where it stands as it is."""

    stored: Array
    how: dict[str, Any] | None = None


def packed(
    tensors: Mapping[str, Array], by_image: Collection[str] = (), steps: Mapping[str, Steps] | None = None
) -> bytes:
    """A shard's file. Arrays named in `by_image` are read image by image; those in `steps` may be kept in
    levels, the others are exact. Equal arrays give equal bytes."""
    fine = steps or {}

    def one(key: str) -> _Packed:
        return _packed(np.asarray(tensors[key]), key in by_image, fine.get(key))

    names = sorted(tensors)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # zlib lets other threads run
        done = dict(zip(names, pool.map(one, names), strict=True))
    how = {key: each.how for key, each in done.items() if each.how}
    told = {CODED: json.dumps(how, sort_keys=True)} if how else None
    return save({key: each.stored for key, each in done.items()}, told)


class Stored:
    """A shard's arrays, read one at a time. A context manager."""

    def __init__(self, path: Path) -> None:
        self._file: Any = safe_open(path, framework="numpy")
        told: dict[str, str] | None = self._file.metadata()  # type: ignore[no-untyped-call]
        self._how: dict[str, Any] = json.loads((told or {}).get(CODED, "{}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__(None, None, None)

    def names(self) -> list[str]:
        """The names of its arrays."""
        return list(self._file.keys())

    def whole(self, key: str) -> Array:
        """An array. Raises SafetensorError where there is none of that name."""
        how = self._how.get(key)
        if how is None:
            return np.asarray(self._file.get_tensor(key))
        data = self._file.get_tensor(key).tobytes()
        starts = [0, *how["ends"][:-1]]
        parts = [_unpacked(data[a:b], how) for a, b in zip(starts, how["ends"], strict=True)]
        return np.stack(parts) if how["by_image"] else parts[0]

    def of_image(self, key: str, row: int) -> Array:
        """One image's part of an array whose leading axis is images."""
        how = self._how.get(key)
        if how is None or not how["by_image"]:
            return np.asarray(self._file.get_slice(key)[row] if how is None else self.whole(key)[row])
        return _unpacked(self._packed_of(key, how, row), how)

    def ends_of_image(self, key: str, row: int) -> Array:
        """`of_image`, of maps in levels only the few numbers that are exact, without inflating a place: the
        lowest and the highest are among them, and none of such a map is not finite."""
        how = self._how.get(key)
        if how is None or not how["by_image"]:
            return self.of_image(key, row)
        data = self._packed_of(key, how, row)
        return levels.ends(data[1:], _groups(how)) if data[:1] == LEVELS else _unpacked(data, how)

    def _packed_of(self, key: str, how: Mapping[str, Any], row: int) -> bytes:
        first, last = [0, *how["ends"]][row : row + 2]
        return bytes(self._file.get_slice(key)[first:last].tobytes())

    def bytes_of(self, key: str, first: int, last: int) -> bytes:
        """Some bytes of an array of bytes."""
        if key in self._how:
            return self.whole(key)[first:last].tobytes()
        return bytes(self._file.get_slice(key)[first:last].tobytes())


def _packed(values: Array, by_image: bool, steps: Steps | None) -> _Packed:
    if values.nbytes <= FEW_BYTES or (by_image and values.ndim < 2):
        return _Packed(values)
    rows = values if by_image else values[None]
    parts = [_row(np.ascontiguousarray(row), steps) for row in rows]
    data = b"".join(parts)
    if len(data) > SAVED * values.nbytes:
        return _Packed(values)
    ends = np.cumsum([len(part) for part in parts]).tolist()
    how = {
        "dtype": values.dtype.str,
        "shape": list(rows.shape[1:]),
        "ends": ends,
        "by_image": by_image,
        "axes": steps.axes if steps else None,
    }
    return _Packed(np.frombuffer(data, np.uint8), how)


def _row(row: Array, steps: Steps | None) -> bytes:
    if steps is not None and row.size:
        groups = steps.groups(row)
        if levels.applies(groups):
            head, codes = levels.coded(groups, steps)
            return LEVELS + head + _deflated(codes)
    return EXACT + _deflated(row)


def _unpacked(data: bytes, how: Mapping[str, Any]) -> Array:
    shape, dtype = tuple(how["shape"]), np.dtype(how["dtype"])
    if data[:1] == EXACT:
        return _inflated(data[1:], dtype).reshape(shape)
    groups = _groups(how)
    tables, read = levels.decoded(data[1:], groups)
    codes = _inflated(data[1 + read :], np.dtype(np.uint16)).reshape(groups, -1)
    values = np.empty(codes.shape, np.float32)
    for table, of_map, into in zip(tables, codes, values, strict=True):
        np.take(table, of_map, out=into, mode="clip")  # no level lies beyond its table
    return values.reshape(shape)


def _groups(how: Mapping[str, Any]) -> int:
    """How many maps an image's part is."""
    return len(Steps(0, how["axes"]).groups(np.empty(tuple(how["shape"]), np.bool_)))


def _deflated(values: Array) -> bytes:
    """First bytes of all numbers together, then all second ones, …: like by like deflates better."""
    planes = np.ascontiguousarray(values).reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T
    return zlib.compress(planes.tobytes(), EFFORT)


def _inflated(data: bytes, dtype: np.dtype[Any]) -> Array:
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(dtype.itemsize, -1)
    if dtype.itemsize == 1:
        return planes.reshape(-1).view(dtype)
    if dtype == np.uint16:  # levels, of which there are most: several times as fast as transposing
        return np.asarray(planes[0] | planes[1].astype("<u2") << 8)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(-1)
