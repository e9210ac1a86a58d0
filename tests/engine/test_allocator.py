"""Memory that is freed serves the next tensor, counted in pages that the system had to give."""

from __future__ import annotations

import platform

import pytest
import torch

from reportgen.engine.allocator import memory_kept

resource = pytest.importorskip("resource")
LARGE = 48 << 18  # float32, 48 MiB: more than glibc ever keeps by itself
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def pages_of(times: int) -> int:
    """The pages that the system gives for a large tensor that is filled and freed so many times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(LARGE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@glibc
def test_what_is_freed_is_kept_and_handed_back_in_the_end():
    pages_of(1)
    usual = pages_of(8)
    with memory_kept(torch.device("cpu")):
        pages_of(1)
        kept = pages_of(8)
    assert kept < usual / 4
    pages_of(1)
    assert pages_of(8) > usual / 4, "it goes on as before"


@glibc
def test_it_is_handed_back_however_the_run_ends():
    with pytest.raises(RuntimeError), memory_kept(torch.device("cpu")):
        raise RuntimeError
    pages_of(1)
    assert pages_of(8) > 8


def test_another_device_leaves_the_allocator_alone(monkeypatch):
    monkeypatch.setattr("reportgen.engine.allocator._glibc", lambda: pytest.fail("asked for the C library"))
    with memory_kept(torch.device("meta")):
        pass
