"""The output folder: a report is built in a work folder inside it, and takes its place when it is whole.

The folder is the user's: only files that reportgen wrote (`ownership.owned`) are replaced, file by file;
whatever else lies in it stays where it is. The work folder is hidden, and known as ours by the marker in it,
never by its name. Inside the output folder it shares its file system, needs no right to write beside it, and
is found again wherever the folder is moved or linked to.

To publish, the names of the old report's files and of the new one's are written to a journal in the work
folder. Then the old files are moved into the work folder, the new ones out of it, and the journal and the
rest go. Each step is a rename, and none overwrites anything: a process that ends in between has lost neither
report, and the next run into the folder, or rendering of it, goes on by the journal. A lock on the marker
keeps two runs apart; it ends with its process.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import secrets
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from reportgen.errors import RecipeError
from reportgen.evidence import canonical_json, write_whole
from reportgen.evidence.files import at_second_place
from reportgen.ownership import (
    EVIDENCE,
    MARK,
    MARKER,
    claim,
    foreign,
    is_report,
    is_work,
    owned,
    present,
    refuse_foreign,
    remove_empty,
    will_write,
)
from reportgen.writing import kept_whole, writable

WORK = ".reportgen-work"
ALL = will_write()
JOURNAL = "publishing.json"
HOLDER = "run.json"  # who builds there: a process, a machine, since when
PART = "part.json"  # what a part of a set was asked, once it is measured
AGAIN = "again"  # where a report is rendered again, from links to its evidence
OLD = "old"  # the old report's files while the new ones are moved in


def target(out: Path) -> Path:
    """The folder that `out` means: where it is a link, what the link points to. It need not be there yet.

    Raises RecipeError where it is a file, or a link that never ends, and Unwritable where no system would
    have a folder of that name.
    """
    with writable(out):
        real = Path(os.path.realpath(out))
        kind = _kind(real)
    if stat.S_ISLNK(kind):
        raise RecipeError(f"--out {out} is a link that leads back to itself", "name a folder")
    if kind and not stat.S_ISDIR(kind):
        raise RecipeError(f"--out {out} is a file", "name a folder")
    return real


def _kind(path: Path) -> int:
    """What stands at a path, as stat has it; 0 where nothing does, or a file stands above."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


def check(out: Path, written: Callable[[str], bool] = ALL) -> None:
    """Finishes what an earlier run was publishing when it was stopped, and looks whether a report can be
    written to `out` without a loss. `written` says which files it will have.

    Raises RecipeError where `out` is a folder of other things, where a file of somebody else's stands in the
    way of one of the report's, and where another run is writing there; Unwritable where nothing may be
    written.
    """
    folder = target(out)
    recover(out)
    with writable(out):
        if not folder.exists():
            _try(folder)
            return
        _refuse_busy(folder, out)
        unfinished = is_work(_work(folder))
        if not is_report(folder) and not unfinished and any(folder.iterdir()):
            raise RecipeError(
                f"--out {out} is a folder with other things in it, and no report of reportgen's",
                "name a new or an empty folder, or an earlier report",
            )
        refuse_foreign(folder, out, written)
        _try(folder)


def _try(folder: Path) -> None:
    """Raises OSError where nothing can be made in the folder, or in the nearest one above it that is there:
    hours before it would be. What is asked is the system, for what it says of rights is not all."""
    absent = []
    while not _kind(folder) and folder != folder.parent:
        absent.append(folder.name)
        folder = folder.parent
    for name in absent:
        _kind(folder / name)  # it may be too long
    trial = folder / f"{WORK}.{secrets.token_hex(8)}"
    trial.mkdir()
    trial.rmdir()


def _refuse_busy(folder: Path, out: Path) -> None:
    """Raises RecipeError where another run is building there, before anything is read for this one."""
    work = _work(folder)
    if not (work / MARKER).exists():
        return
    lock = os.open(work / MARKER, os.O_RDWR)
    try:
        if not _locked(lock):
            raise _busy(work, out)
    finally:
        os.close(lock)


def _busy(work: Path, out: Path) -> RecipeError:
    """The error for a folder that another run builds in, naming that run where it says who it is."""
    try:
        held = json.loads((work / HOLDER).read_bytes())
        who = f"process {held['process']} on {held['machine']}, since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "it does not say which"
    return RecipeError(f"another run is writing {out} ({who})", "wait for it, or name another --out")


def recover(out: Path) -> None:
    """Ends the publishing of a report that was stopped in between. Raises RecipeError as `workspace` does."""
    folder = target(out)
    with writable(out):
        if _publishing(_work(folder)):
            work, lock = _acquired(folder, out)
            try:
                for room in _publishing(work):
                    _swap(room, folder)
            finally:
                os.close(lock)


def _publishing(work: Path) -> list[Path]:
    """Where a new report stands, of which some files may be in their place already."""
    return [room for room in (work, work / AGAIN) if (room / JOURNAL).exists()]


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """A folder inside `out` to build in. What an interrupted run left in it is still there.

    Raises RecipeError where another run is building the same report, or nothing can be written.
    """
    folder = target(out)
    is_new = not folder.exists()
    with writable(out):
        folder.mkdir(parents=True, exist_ok=True)
        work, lock = _acquired(folder, out)
    try:
        shutil.rmtree(work / OLD, ignore_errors=True)
        yield out / work.name
    finally:
        try:
            with suppress(OSError):
                if _holds(lock, work) and not _is_begun(work):
                    _remove(work)
                if is_new and not any(folder.iterdir()):
                    folder.rmdir()
        finally:
            os.close(lock)


def unfinished(out: Path) -> Path | None:
    """The work folder inside `out`, where there is one."""
    work = _work(target(out))
    return work if is_work(work) and (work / MARKER).exists() else None


@contextmanager
def rendering(out: Path) -> Iterator[Path]:
    """A folder inside `out` with the evidence of the report there, to render it again; `publish` puts what
    was rendered in the place of the old one. It takes no room: the evidence's files are linked.

    Raises RecipeError as `workspace` does: an interrupted run's evidence stays beside it.
    """
    folder = target(out)
    with workspace(out) as work:
        again = work / AGAIN
        try:
            with writable(out):
                shutil.rmtree(again, ignore_errors=True)
                for name in sorted(owned(folder)):
                    if name.startswith(f"{EVIDENCE}/") and (folder / name).is_file():
                        (again / name).parent.mkdir(parents=True, exist_ok=True)
                        at_second_place(folder / name, again / name)
            with kept_whole(out, again):
                yield again
        finally:
            if not (again / JOURNAL).exists():  # else the old report's files are on their way
                shutil.rmtree(again, ignore_errors=True)


def publish(work: Path, out: Path) -> None:
    """Puts the finished report in `work` in the place of the one in `out`, whose other files stay.

    Raises RecipeError where a file of somebody else's has come to stand in the way.
    """
    folder = target(out)
    claim(work, ())
    old, new = owned(folder), owned(work)
    rooms = {name.rpartition("/")[0] for name in new}
    blocked = sorted(rooms.intersection(present(folder)))
    if stands := blocked + sorted(name for name in new - old if os.path.lexists(folder / name)):
        raise foreign(out, stands[0])
    with writable(out):
        write_whole(work / JOURNAL, canonical_json({"old": sorted(old), "new": sorted(new)}))
        _swap(work, folder)


def _swap(work: Path, folder: Path) -> None:
    """Moves the old files out and the new ones in, from wherever an earlier call was stopped."""
    names = json.loads((work / JOURNAL).read_bytes())
    new = set(names["new"])
    for name in names["old"]:
        # once the new file is in its place, it is no more in `work`
        if (name not in new or (work / name).exists()) and (folder / name).exists():
            _move(folder / name, work / OLD / name)
    for name in names["new"]:
        if (work / name).exists():
            _move(work / name, folder / name)
    remove_empty(folder, names["old"])
    (work / JOURNAL).unlink()
    _remove(work)


def _move(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    file.rename(place)


def _work(folder: Path) -> Path:
    """The work folder inside an output folder, or where it is to be: past folders of the name that are not
    ours. An empty one may be taken, for nothing is lost with it."""
    for number in itertools.count(1):
        work = folder / (WORK if number == 1 else f"{WORK}-{number}")
        if not os.path.lexists(work) or is_work(work):
            return work
    raise AssertionError("there is always another number")


def _acquired(folder: Path, out: Path) -> tuple[Path, int]:
    """The work folder, locked for this process, and the lock. Raises RecipeError where another holds it."""
    while True:
        work = _work(folder)
        try:
            work.mkdir(parents=True, exist_ok=True)
            lock = os.open(work / MARKER, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # a run that ends removes it just now
            continue
        if not _locked(lock):
            os.close(lock)
            raise _busy(work, out)
        if _holds(lock, work):
            try:
                _sign(work, lock)
            except OSError:
                with suppress(OSError):
                    if not _is_begun(work):
                        _remove(work)
                os.close(lock)
                raise
            return work, lock
        os.close(lock)  # that was the lock of a run that has ended


def _sign(work: Path, lock: int) -> None:
    """Writes the marker, where it is not whole yet, and who holds the lock. Raises OSError."""
    if os.fstat(lock).st_size != len(MARK):
        os.ftruncate(lock, 0)
        os.lseek(lock, 0, os.SEEK_SET)  # pwrite is not on every system
        if os.write(lock, MARK) != len(MARK):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write_whole(work / HOLDER, canonical_json(_holder()))


def _holder() -> dict[str, object]:
    """Who this process is, for another that finds the folder taken."""
    since = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {"process": os.getpid(), "machine": socket.gethostname(), "since": since}


def _holds(lock: int, work: Path) -> bool:
    """Whether a lock is that of the work folder as it is now, not of an earlier one of its name."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(work / MARKER))
    except FileNotFoundError:
        return False


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


def _is_begun(work: Path) -> bool:
    """Whether a work folder holds anything to go on with."""
    begun = bool(_publishing(work)) or (work / PART).exists()
    return begun or any((work / EVIDENCE).glob("*.json"))


def _remove(work: Path) -> None:
    """Removes a work folder, its marker last: until then it is known as ours."""
    for path in work.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    (work / MARKER).unlink(missing_ok=True)
    with suppress(OSError):  # another run may have come already
        work.rmdir()
