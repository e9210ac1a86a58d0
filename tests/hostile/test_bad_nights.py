"""Promise 6: old report or new report, never half, and never anything else's, whatever the night brings.

`make faults` runs those of this file that take minutes.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hostile.forked import RUN, forked, is_told, material
from reportgen.audit.seal import added, verify
from reportgen.evidence import sha256_of

CHANGES = {  # what Python tells an audit hook of: each may change a disk
    *("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("shutil.rmtree", "shutil.copyfile"),
}
POINTS = int(os.environ.get("POINTS", "200"))


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Material, and an old report of another title in `out`. The date is fixed: equal inputs, equal bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of files
    material(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    whole = recipe.read_text()
    recipe.write_text(whole.replace("title: small", "title: old"))
    assert forked((*RUN, "out"), tmp_path).code == 0
    recipe.write_text(whole)
    (tmp_path / "out" / "notes.md").write_text("mine")
    shutil.copytree(tmp_path / "out", tmp_path / "old")
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    """The hashes of a report's files by name, but of those that a clock was asked for, and without what is
    being built."""
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    timed = ("results.json", "SHA256SUMS", "statement.intoto.json", "evidence/timing.json")
    return {n: sha256_of(p) for n, p in found.items() if n not in timed and n[:10] != ".reportgen"}


def changes(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether Python is about to change a disk."""
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
    return bool(writes) or event in CHANGES


def killed_at(point: int) -> Callable[[], None]:
    """Ends the process, as a lack of power would, before the disk is changed for the `point`th time. What a
    child of it does (it reads a checkpoint first, and changes nothing) is not counted."""

    def arm() -> None:
        left, armed = point, os.getpid()

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if os.getpid() == armed and changes(event, arguments):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)

    return arm


def counted(room: Path, arguments: Sequence[str]) -> int:
    """How often a command changes the disk; the old report is in its place before and after."""
    shutil.rmtree(room / "out")
    shutil.copytree(room / "old", room / "out")
    told, tell = os.pipe()

    def arm() -> None:
        armed = os.getpid()

        def hook(event: str, given: tuple[object, ...]) -> None:
            if os.getpid() == armed and changes(event, given):
                os.write(tell, b".")

        sys.addaudithook(hook)

    assert forked(arguments, room, arm).code == 0
    os.close(tell)
    with os.fdopen(told, "rb") as heard:
        return len(heard.read())


def spread(there: int) -> list[int]:
    """Points from the first to the last, POINTS at most."""
    return sorted({n * there // min(POINTS, there) for n in range(min(POINTS, there))})


def is_whole(room: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """The folder holds one of the two reports, or is on its way from one to the other by its journal."""
    out = room / "out"
    assert (out / "notes.md").read_text() == "mine"
    rooms = (out / ".reportgen-work", out / ".reportgen-work" / "again")
    if not any((place / "publishing.json").exists() for place in rooms):
        assert files(out) in (old, new)
        assert (verify(out), added(out)) == ([], ["notes.md"])


@pytest.mark.faults
@pytest.mark.timeout(0)
def test_a_run_that_is_killed_anywhere_leaves_the_old_report_and_goes_on_to_equal_bytes(room: Path) -> None:
    old = files(room / "old")
    assert forked((*RUN, "out"), room).code == 0
    new = files(room / "out")
    assert old["report.html"] != new["report.html"]
    points = spread(counted(room, (*RUN, "out")))
    for point in points:
        shutil.rmtree(room / "out")
        shutil.copytree(room / "old", room / "out")
        ended = forked((*RUN, "out"), room, killed_at(point)).code
        assert ended == -signal.SIGKILL
        is_whole(room, old, new)
        if point % 2:  # kill the next one, too, a little further on
            forked((*RUN, "out"), room, killed_at(point // 2))
            is_whole(room, old, new)
        done = forked((*RUN, "out"), room)
        assert done.code == 0, (point, done)
        assert files(room / "out") == new, point
        assert not (room / "out" / ".reportgen-work").exists()
    print(f"\nkilled at {len(points)} points, each time resumed to equal bytes")


@pytest.mark.faults
@pytest.mark.timeout(0)
def test_a_rendering_that_is_killed_anywhere_leaves_a_whole_report(room: Path) -> None:
    assert forked(("render", "out", "--theme", "print"), room).code == 0
    new, old = files(room / "out"), files(room / "old")
    points = spread(counted(room, ("render", "out", "--theme", "print")))
    for point in points:
        shutil.rmtree(room / "out")
        shutil.copytree(room / "old", room / "out")
        ended = forked(("render", "out", "--theme", "print"), room, killed_at(point)).code
        assert ended == -signal.SIGKILL
        is_whole(room, old, new)
        assert forked(("render", "out", "--theme", "print"), room).code == 0
        assert files(room / "out") == new, point
    print(f"\na rendering was killed at {len(points)} points")


def one_of_two(room: Path) -> int:
    """The exit code of a run in a process of a process of its own."""
    pid = os.fork()
    if not pid:
        os._exit(forked((*RUN, "out"), room).code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def limited(size: int) -> Callable[[], None]:
    """No file of the process grows past so many bytes: what a full disk is to its files."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def sizes(folder: Path) -> list[int]:
    """The sizes at which a file of a report no longer fits, each less by one, and half of each."""
    whole = {path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sorted({0, 1, *(size - 1 for size in whole), *(size // 2 for size in whole)})


@pytest.mark.faults
@pytest.mark.timeout(0)
def test_no_size_of_a_disk_costs_a_report(room: Path) -> None:
    old = files(room / "old")
    assert forked((*RUN, "out"), room).code == 0
    new = files(room / "out")
    quiet = os.open(os.devnull, os.O_WRONLY)
    for size in sizes(room / "out"):
        shutil.rmtree(room / "out")
        shutil.copytree(room / "old", room / "out")
        ended = forked((*RUN, "out"), room, limited(size), quiet, quiet).code
        assert ended in (0, 4), size
        assert files(room / "out") == (old if ended else new)
        done = forked((*RUN, "out"), room)
        assert (done.code, files(room / "out")) == (0, new), size


@pytest.mark.faults
def test_of_two_that_race_one_is_refused_and_the_other_whole(room: Path) -> None:
    pairs = []
    for _ in range(10):
        with ThreadPoolExecutor(2) as both:
            pairs.append(sorted(both.map(lambda n: one_of_two(room), range(2))))
        assert verify(room / "out") == []
    assert all(pair in ([0, 0], [0, 2]) for pair in pairs), pairs


def test_a_write_that_is_refused_anywhere_is_told_and_costs_nothing(room: Path) -> None:
    """One run through the real command each at the beginning, amid measuring and amid rendering."""
    old = files(room / "old")
    for size in (100, 3_000, 200_000):
        read, write = os.pipe()
        assert forked((*RUN, "out"), room, limited(size), err=write).code == 4
        os.close(write)
        with os.fdopen(read) as said:
            cause, remedy = said.read().splitlines()[-2:]
        assert cause == "error: cannot write to out: File too large" and "goes on where" in remedy
        assert files(room / "out") == old
    assert forked((*RUN, "out"), room).code == 0
    assert files(room / "out") != old


def test_a_results_stream_that_takes_no_more_is_told(room: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    done = forked(("methods",), room, out=full)
    is_told(done, 4)
    assert os.strerror(errno.ENOSPC) in done.err
    closed, nobody = os.pipe()
    os.close(closed)
    assert forked(("run", "none.pt", "images", "--out", "x"), room, err=nobody).code in (2, 3)
    assert forked(("methods",), room, err=full).code == 0
