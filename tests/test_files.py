"""How a file that somebody else named is read: what it costs, and where it lies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from reportgen import files

LITTLE = """
import resource, sys
from pathlib import Path
from reportgen import files
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20),) * 2)
sys.stdout.write(files.read(Path(sys.argv[1]), 1 << 40).decode())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_a_small_file_takes_little_memory_however_large_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_bytes(b"small")
    done = subprocess.run([sys.executable, "-c", LITTLE, str(file)], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"small"), done.stderr.decode()


@pytest.mark.parametrize("told", [0, 1, 4, 5, 6, 100])
def test_what_comes_counts_and_not_the_size_that_the_system_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: int
) -> None:
    file = tmp_path / "grows.txt"
    file.write_bytes(b"grown")
    monkeypatch.setattr(files, "BLOCK", 2)
    sized = os.stat_result((*os.stat(file)[:6], told, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _descriptor: sized)
    for at_most in (100, 200):
        assert files.read(file, at_most) == b"grown"
    if told <= 5:
        assert files.read(file, 5) == b"grown"
    if told <= 4:
        monkeypatch.setattr(files, "_check", lambda *_: None)  # it was small enough when it was opened
        for at_most in (0, 1, 3, 4):
            with pytest.raises(files.TooLarge):
                files.read(file, at_most)


def test_what_lies_on_another_drive_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.is_below("/a/b", "/a") and files.is_below("/a", "/a") and files.is_below("/a", "/")
    assert not files.is_below("/ab", "/a") and not files.is_below("/a", "/a/b")
    monkeypatch.setattr(files, "PurePath", PureWindowsPath)
    assert files.is_below("C:\\models\\net.py", "c:\\Models")
    assert not files.is_below("D:\\models\\net.py", "C:\\models")
