"""Which files of a folder reportgen wrote: those that its evidence's manifest and its seal list.

A name alone proves nothing: a user's own report.pdf may lie in a report that was written without one. So a
name is entered in the seal before its file is written (`claim`), and a file that could be ours by its name
but stands in neither list is somebody else's: it is never replaced, moved or removed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from reportgen import files
from reportgen.errors import RecipeError
from reportgen.evidence import BESIDE, write_whole
from reportgen.evidence.writer import SHARD
from reportgen.formats import FORMATS, MAPS

SUMS = "SHA256SUMS"  # the seal, in the form that `sha256sum --check` reads
STATEMENT = "statement.intoto.json"  # of all other files: written when they are
DOCUMENTS = (*(name for name in FORMATS if name != MAPS), STATEMENT)
PAGE_FILES = "report-files"  # what lies beside report.html, where a recipe wants it so
EVIDENCE = "evidence"
# what came before, beside the evidence: ours where the seal lists it
BEFORE = ("baseline.json", "baseline.safetensors", "history.json")
FOLDERS = (EVIDENCE, f"{EVIDENCE}/{BESIDE}", MAPS, f"{MAPS}/{BESIDE}", PAGE_FILES)
OURS = "reportgen.evidence/"  # how the schema of a manifest of ours begins, whatever its version
LARGEST_BYTES = 1 << 28  # of a manifest or a seal: of a million images
UNKNOWN = "0" * 64  # the hash of a file that is claimed and not written yet
MARKER = "reportgen-work"
MARK = b"reportgen.work/1\nHere reportgen builds the report of the folder around; it goes when it is whole.\n"
# every name that a report's file may have, relative to the report: no other is touched, whoever lists it
NAMES = re.compile(
    rf"{'|'.join(map(re.escape, (*DOCUMENTS, SUMS)))}"
    rf"|{MAPS}/({BESIDE}/)?\d{{6,}}\.npz"
    rf"|{PAGE_FILES}/([0-9a-f]{{16}}\.\w+|report\.(css|js)|logo\.\w+|[^/]+\.woff2)"
    rf"|{EVIDENCE}/({BESIDE}/)?(key|{SHARD.pattern}\.(json|safetensors))"
)
# what new evidence may hold before it is known how many shards it has
SHARDS = re.compile(
    r".*/(key|(manifest|timing|model|set|tensors|changed|baseline|history|[a-z]+(-\d+)+)\.\w+)"
)


def is_report(folder: Path) -> bool:
    """Whether a folder holds a report of ours: complete evidence."""
    return _manifest(folder / EVIDENCE) is not None


def owned(folder: Path) -> frozenset[str]:
    """The names, relative to a report's folder, of the files in it that reportgen wrote.

    Where the seal is lost, all that could be ours by its name counts as ours. Links are nobody's.
    """
    if not is_report(folder):
        return frozenset()
    known = _listed(folder)
    names = {SUMS, *_evidence(folder / EVIDENCE), *(_documents(folder) if known is None else known)}
    root = os.path.realpath(folder)
    return frozenset(name for name in names if NAMES.fullmatch(name) and is_plain(root, name))


class Reports:
    """The reports met on a walk through folders."""

    def __init__(self) -> None:
        self.met: set[str] = set()  # real paths of the reports whose files were asked for
        self._owned: dict[str, frozenset[str]] = {}  # real path of a report -> the names of its files

    def written_in(self, folder: Path) -> set[str]:
        """The names of the files right in `folder` that belong to a report: one in it, or one that it is a
        folder of, whatever link led here."""
        real = Path(os.path.realpath(folder))
        written: set[str] = set()
        for above in (real, *real.parents[: 1 + max(room.count("/") for room in FOLDERS)]):
            root = str(above)
            if root not in self._owned and is_report(above):
                self._owned[root] = owned(above)
            paths = [above / name for name in self._owned.get(root, ())]
            if names := {path.name for path in paths if path.parent == real}:
                self.met.add(root)
                written |= names
        return written


def present(folder: Path) -> Iterator[str]:
    """The names of what stands in a folder where a report may have files of its own, whoever put it there;
    also of links and files that stand where a report has a folder."""
    for room in ("", *FOLDERS):
        path = folder / room
        if room and (path.is_symlink() or (path.exists() and not path.is_dir())):
            yield room
        elif path.is_dir():
            found = (f"{room}/{name}" if room else name for name in sorted(os.listdir(path)))
            yield from (name for name in found if NAMES.fullmatch(name) and _expected(name))


def refuse_foreign(folder: Path, shown: Path, written: Callable[[str], bool]) -> None:
    """Raises RecipeError where somebody else's file stands where a report will write one of its own.

    `written` says of a name whether it will be written; `shown` is the folder as the user named it.
    """
    ours = owned(folder)
    for name in present(folder):
        if name not in ours and written(name):
            raise foreign(shown, name)


def foreign(shown: Path, name: str) -> RecipeError:
    """The error for somebody else's file (or link, or folder) at `name` in the way of a report."""
    return RecipeError(
        f"{shown / name} was not written by reportgen, and the report would write there",
        "move it away, or name another --out",
    )


def will_write(pdf: bool = True, maps: bool = True, page_files: bool = True) -> Callable[[str], bool]:
    """Whether a report with these parts writes a name."""

    def written(name: str) -> bool:
        room = name.partition("/")[0]
        parts = {"report.pdf": pdf, MAPS: maps, PAGE_FILES: page_files}
        return parts.get(room, True)

    return written


def claim(folder: Path, names: Iterable[str]) -> None:
    """Enters names in the seal before their files are written, so that they are known as ours even if the
    process ends before the report is sealed."""
    sealed = _listed(folder)
    known = dict(sealed) if sealed is not None else dict.fromkeys(_documents(folder), UNKNOWN)
    added = dict.fromkeys(names, UNKNOWN)
    if sealed is None or added.keys() - known.keys():
        write_sums(folder, {**added, **known})


def write_sums(folder: Path, digests: dict[str, str]) -> None:
    """Writes the seal: the SHA-256 of files by their names."""
    write_whole(folder / SUMS, text_of(digests))


def text_of(digests: Mapping[str, str]) -> bytes:
    """The seal's text, a line a file."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def listed(folder: Path) -> dict[str, str]:
    """The seal's hashes by name. Raises OSError and ValueError where it cannot be read."""
    lines = files.read(folder / SUMS, LARGEST_BYTES).decode().split("\n")
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines if line)}


def discard(folder: Path, names: Collection[str]) -> None:
    """Removes those of the named files that are ours, and folders of ours that are empty then."""
    going = owned(folder).intersection(names)
    for name in going:
        (folder / name).unlink(missing_ok=True)
    remove_empty(folder, going)


def remove_empty(folder: Path, names: Collection[str]) -> None:
    """Removes the folders, below `folder`, that files of these names stood in, where nothing is left."""
    rooms = {name.rpartition("/")[0] for name in names} - {""}
    for room in sorted(rooms | {room.partition("/")[0] for room in rooms}, reverse=True):
        path = folder / room
        if path.is_dir() and not path.is_symlink() and not os.listdir(path):
            path.rmdir()


def is_work(work: Path) -> bool:
    """Whether a folder is a work folder of ours: it has the marker, or nothing yet but a part
    of it."""
    if work.is_symlink() or not work.is_dir():
        return False
    inside = os.listdir(work)
    marker = work / MARKER
    if not marker.is_file() or marker.is_symlink():
        return not inside
    mark = files.beginning(marker, len(MARK) + 1)
    return mark == MARK or (MARK.startswith(mark) and inside == [MARKER])


def _manifest(evidence: Path) -> dict[str, object] | None:
    """The manifest of evidence of ours, of any version; None where there is none."""
    try:
        found = json.loads(files.read(evidence / "manifest.json", LARGEST_BYTES))
        return dict(found) if str(found["schema"]).startswith(OURS) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # a folder that only looks like ours
        return None


def _evidence(evidence: Path, room: str = EVIDENCE) -> Iterator[str]:
    """The names of the evidence's files, and of a second model's."""
    manifest = _manifest(evidence)
    if manifest is None:
        return
    yield from (f"{room}/{name}" for name in ("manifest.json", "timing.json", "key"))
    shards = manifest.get("shards")
    known = [shard for shard in shards if isinstance(shard, dict)] if isinstance(shards, list) else []
    for shard in known:
        yield from (f"{room}/{shard.get('name')}.{ending}" for ending in ("json", "safetensors"))
    if room == EVIDENCE:
        yield from _evidence(evidence / BESIDE, f"{room}/{BESIDE}")


def _listed(folder: Path) -> dict[str, str] | None:
    """The seal's hashes by name; None where it cannot be read."""
    try:
        return listed(folder)
    except (OSError, ValueError):
        return None


def _documents(folder: Path) -> list[str]:
    """The names of ours that a seal lists, where there is no seal yet."""
    before = {f"{EVIDENCE}/{name}" for name in BEFORE}
    return [
        name for name in present(folder) if name != SUMS and (name in before or not name.startswith(EVIDENCE))
    ]


def _expected(name: str) -> bool:
    return not name.startswith(EVIDENCE) or SHARDS.fullmatch(name) is not None


def is_plain(root: str, name: str) -> bool:
    """Whether a name is free, or a regular file's that is reached through no link."""
    path = os.path.join(root, name)
    if not os.path.lexists(path):
        return True
    return os.path.isfile(path) and os.path.realpath(path) == path
