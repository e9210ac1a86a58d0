"""The seal: whether a report's folder is as it was written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError
from reportgen.evidence import BESIDE, Evidence, sha256_of
from reportgen.formats import MAPS
from reportgen.ownership import (
    BEFORE,
    DOCUMENTS,
    EVIDENCE,
    LARGEST_BYTES,
    NAMES,
    PAGE_FILES,
    SUMS,
    is_plain,
    is_work,
    listed,
    owned,
    text_of,
    write_sums,
)

UNHASHED = ("manifest.json", "timing.json", "key")  # of evidence: what no manifest has the hash of


def seal(folder: Path) -> None:
    """Writes the hash of every file of the report, and of what the evidence's manifest does not hash,
    beside them; of no file of the folder that reportgen did not write.

    The manifest holds the hashes of the evidence's shards, so the whole folder hangs on this file.
    """
    ours = owned(folder)
    write_sums(folder, {name: sha256_of(folder / name) for name in _sealed(folder) if name in ours})


def _sealed(folder: Path) -> list[str]:
    """The names of the files that the seal covers, that are there, relative to the folder."""
    rooms = (EVIDENCE, f"{EVIDENCE}/{BESIDE}")
    named = (*DOCUMENTS, *(f"{room}/{name}" for room in rooms for name in UNHASHED))
    named += tuple(f"{EVIDENCE}/{name}" for name in BEFORE)
    pages = (*folder.glob(f"{MAPS}/**/*.npz"), *folder.glob(f"{PAGE_FILES}/*"))
    more = sorted(path.relative_to(folder).as_posix() for path in pages)
    return [name for name in (*named, *more) if (folder / name).is_file()]


def verify(
    folder: Path, checkpoint: Path | None = None, hash_at: Callable[[Path], str | None] | None = None
) -> list[str]:
    """The names of files of the report that were changed, removed or added since it was written, each once;
    what else lies in the folder is `added`.

    With `checkpoint`, also whether that file is the one that was audited; `hash_at` hashes one that is of
    several files. Raises InputError where
    the folder holds no complete evidence or no seal.
    """
    evidence = Evidence(folder / EVIDENCE)
    altered = [f"{EVIDENCE}/{name}" for name in evidence.altered()]
    written = sums(folder)
    if files.read(folder / SUMS, LARGEST_BYTES) != text_of(written):
        # lines that say nothing, or one thing twice
        altered.append(SUMS)
    root = os.path.realpath(folder)  # a name that no report's file has, or a link, is not opened
    plain = {name for name in written if NAMES.fullmatch(name) and is_plain(root, name)}
    altered += [n for n, digest in written.items() if n not in plain or _digest(folder / n) != digest]
    altered += [name for name in _sealed(folder) if name not in written]
    audited = evidence.manifest["checkpoint"]["sha256"]
    if checkpoint is not None and (hash_at or _digest)(checkpoint) != audited:
        altered.append(str(checkpoint))
    return list(dict.fromkeys(altered))


def added(folder: Path) -> list[str]:
    """The names of what lies in a report's folder and is none of the report's files, links included, sorted;
    not of what a run that is under way, or was stopped, has built there."""
    ours = owned(folder)
    found: list[str] = []
    for here, folders, names in os.walk(folder):
        room = Path(here)
        links = [name for name in folders if (room / name).is_symlink()]
        folders[:] = [name for name in folders if name not in links and not is_work(room / name)]
        found += [(room / name).relative_to(folder).as_posix() for name in (*names, *links)]
    return sorted(name for name in found if name not in ours)


def _digest(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def sums(folder: Path) -> dict[str, str]:
    """The sealed names with their hashes. Raises InputError where there is no seal."""
    try:
        return listed(folder)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} has no readable {SUMS}: what the report was like is not known",
            f"write the report again from its evidence: reportgen render {folder}",
        ) from error
