"""Keeps glibc from handing the memory of every activation back to the system, and asking for it anew.

What is larger than 32 MiB is mapped for itself by default: the system fills it with zeros page by page at the
first touch, and takes it back as soon as it is freed. Of a small network's forward that is more than
half of the time. From the heap the same pages serve layer after layer, and batch after batch.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# the parameters' numbers in glibc's malloc.h, and what they come to by themselves (mallopt(3)): the
# thresholds grow to these with what is freed, but no further once one of them has been set
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
USUAL = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 64 << 20}
KEPT = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: -1}  # nothing is mapped for itself, nothing handed back


@contextmanager
def memory_kept(device: torch.device) -> Iterator[None]:
    """While it is entered, this process keeps what it has freed, for its next tensors; all goes back after.

    Only where the tensors are on the CPU and the C library is glibc: elsewhere nothing is changed.
    """
    libc = _glibc() if device.type == "cpu" else None
    if libc is None:
        yield
        return
    try:
        _set(libc, KEPT)
        yield
    finally:
        _set(libc, USUAL)
        libc.malloc_trim(0)


def _set(libc: Any, parameters: dict[int, int]) -> None:
    for parameter, value in parameters.items():
        libc.mallopt(parameter, value)


def _glibc() -> Any | None:
    """The C library where it is glibc with both functions, else None (musl, macOS, Windows)."""
    if platform.libc_ver()[0] != "glibc":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
