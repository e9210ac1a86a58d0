"""The output folder: a report is built beside it and takes its place only when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reportgen.errors import RecipeError


def is_report(out: Path) -> bool:
    """Whether `out` holds a report of ours: complete evidence."""
    return (out / "evidence" / "manifest.json").exists()


def check(out: Path) -> None:
    """Raises RecipeError where `out` holds something that is not a report of ours."""
    if not out.exists():
        return
    if not out.is_dir():
        raise RecipeError(f"--out {out} is a file", "name a folder")
    if any(out.iterdir()) and not is_report(out):
        raise RecipeError(
            f"--out {out} is a folder with other things in it, which would be lost",
            "name a new or an empty folder, or an earlier report",
        )


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """A folder beside `out` to build in. What an interrupted run left in it is still there.

    Raises RecipeError where another run is building the same report, or nothing can be written.
    """
    check(out)
    folder = out.with_name(out.name + ".partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise RecipeError(
            f"cannot write beside {out}: {error.strerror}", "name another --out"
        ) from error
    try:
        if not _locked(lock):
            raise RecipeError(f"another run is writing {out}", "wait for it, or name another --out")
        yield folder
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    """Takes the lock for this process if no other holds it. It ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows has no flock; there runs are trusted not to meet
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def publish(folder: Path, out: Path) -> None:
    """Puts the finished `folder` in the place of `out`; the old report goes when it is there."""
    (folder / ".lock").unlink(missing_ok=True)
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)
