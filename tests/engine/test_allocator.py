"""Memory that is freed serves the next tensor: none is mapped for itself while a model is measured."""

from __future__ import annotations

import ctypes
import platform

import pytest
import torch

from reportgen.engine.allocator import memory_kept

LARGE = 48 << 18  # float32, 48 MiB: more than glibc ever keeps by itself
HUGE = 1 << 30  # 4 GiB, never touched: no test before leaves so large a block free, as it may one of 48 MiB


class Counts(ctypes.Structure):
    """mallinfo2(3): `hblks` blocks are mapped for themselves."""

    names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks")
    _fields_ = [(name, ctypes.c_size_t) for name in (*names, "fordblks", "keepcost")]


def mapped(numbers: int) -> bool:
    """Whether a tensor of so many numbers gets a block that the system maps for it."""
    count = ctypes.CDLL(None).mallinfo2
    count.restype = Counts
    before = count().hblks
    tensor = torch.empty(numbers)
    after = count().hblks
    assert len(tensor) == numbers
    return bool(after > before)


glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="the C library is not glibc 2.33 or later",
)


@glibc
def test_what_is_freed_is_kept_and_handed_back_in_the_end():
    with memory_kept(torch.device("cpu")):
        assert not mapped(LARGE)
    assert mapped(HUGE), "it goes on as before"


@glibc
def test_it_is_handed_back_however_the_run_ends():
    with pytest.raises(RuntimeError), memory_kept(torch.device("cpu")):
        raise RuntimeError
    assert mapped(HUGE)


def test_another_device_leaves_the_allocator_alone(monkeypatch):
    monkeypatch.setattr("reportgen.engine.allocator._glibc", lambda: pytest.fail("asked for the C library"))
    with memory_kept(torch.device("meta")):
        pass
