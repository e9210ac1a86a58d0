"""What is kept of a network's tensors: enough to say later which of them, and which filters, are others.

A count sketch is a short vector that is linear in the tensor: the distance of two sketches estimates that of
the tensors, which need not be there any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reportgen.evidence import shards
from reportgen.findings import Array
from reportgen.measure.measurement import Measurement
from reportgen.stats import finite

BUCKETS = 256  # of a sketch: a distance is off by about 1 / sqrt(2 · 256) = 4 % (one standard deviation)
ROWS = 256  # whose norms are worked out at a time
AT_ONCE = 1 << 19  # values that are sketched at a time


def keep(m: Measurement) -> None:
    """The shard of the network's tensors."""
    if shards.TENSORS not in m.writer.finished:
        records, arrays = described(m.engine.network.state_dict())
        m.writer.write(shards.TENSORS, {}, records, arrays)


def described(state: Mapping[str, Tensor]) -> tuple[list[dict[str, Any]], dict[str, Array]]:
    """Of tensors by name a record each, and arrays of all of them together.

    A record has the shape, the SHA-256 of the values and their norm, the row of `sketch` (T, BUCKETS), and
    the first and the last row of `row_norm` (R,) and `row_hash` (R,), which have one for each part along the
    first axis (a filter) of tensors with at least two axes.
    """
    records: list[dict[str, Any]] = []
    sketches, norms, hashes = [], [], []
    rows = 0
    for name, tensor in state.items():
        values = _values(tensor)
        flat = values.reshape(-1)
        own = len(values) if values.ndim > 1 else 0
        sketches.append(sketch(flat))
        norms += _row_norms(values) if own else []
        hashes += _row_hashes(values) if own else []
        records.append(
            {
                "name": name,
                "shape": list(values.shape),
                "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
                "norm": finite(_norm(flat)),  # null where a value is not finite
                "row": len(records),
                "rows": [rows, rows + own],
            }
        )
        rows += own
    arrays = {
        "sketch": np.array(sketches, np.float64).reshape(-1, BUCKETS),
        "row_norm": np.array(norms, np.float64),
        "row_hash": np.array(hashes, np.uint64),
    }
    return records, arrays


def sketch(flat: Array) -> Array:
    """The count sketch (BUCKETS,) of values (n,): each is added to, or taken from, one of the buckets, by a
    hash of its place.

    Charikar, Chen & Farach-Colton 2002, Finding Frequent Items in Data Streams; the hash is SplitMix64.
    """
    total = np.zeros(BUCKETS)
    for first in range(0, len(flat), AT_ONCE):
        part = flat[first : first + AT_ONCE]
        if not np.isfinite(part).all():
            part = np.nan_to_num(part, posinf=0.0, neginf=0.0)
        buckets, signs = (table[: len(part)] for table in _hashed(first))
        total += np.bincount(buckets, part * signs, BUCKETS)
    return total


@lru_cache(maxsize=32)  # a MiB each; nearly every tensor ends within the first places
def _hashed(first: int) -> tuple[Array, Array]:
    """The buckets and the signs of AT_ONCE places from `first` on."""
    mixed = _mixed(np.arange(first, first + AT_ONCE, dtype=np.uint64))
    signs = np.where(mixed >> np.uint64(63), 1, -1).astype(np.int8)
    return (mixed % np.uint64(BUCKETS)).astype(np.uint8), signs


def _mixed(places: Array) -> Array:
    """SplitMix64's output function (Steele, Lea & Flood 2014), place by place."""
    z = (places + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _row_norms(values: Array) -> list[float]:
    """The norm of every part along the first axis; infinite where a value of it is not finite."""
    rows = values.reshape(len(values), -1)
    norms = [np.linalg.norm(rows[n : n + ROWS].astype(np.float64), axis=1) for n in range(0, len(rows), ROWS)]
    together = np.concatenate(norms)
    known: list[float] = np.where(np.isfinite(together), together, np.inf).tolist()
    return known


def _row_hashes(values: Array) -> list[int]:
    """A hash of 64 bits of every part along the first axis."""
    digests = (hashlib.blake2b(part.tobytes(), digest_size=8).digest() for part in values)
    return [int.from_bytes(digest, "little") for digest in digests]


def _norm(flat: Array) -> float:
    """The Euclidean norm; infinite where a value is not finite."""
    norm = float(np.sqrt(np.square(flat, dtype=np.float64).sum()))
    return norm if np.isfinite(norm) else float("inf")


def _values(tensor: Tensor) -> Array:
    """A tensor as a contiguous array; what numpy has no type for (bfloat16) in single precision."""
    on_cpu = tensor.detach().cpu()
    if on_cpu.is_complex():  # pairs of its real and its imaginary part
        on_cpu = torch.view_as_real(on_cpu.resolve_conj())
    on_cpu = on_cpu.float() if on_cpu.is_floating_point() and on_cpu.element_size() < 4 else on_cpu
    return np.ascontiguousarray(on_cpu.numpy())
