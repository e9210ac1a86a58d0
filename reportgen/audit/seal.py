"""The seal: whether a report's folder is as it was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reportgen.errors import InputError
from reportgen.evidence import Evidence, sha256_of
from reportgen.formats import MAPS
from reportgen.ownership import BEFORE, DOCUMENTS, EVIDENCE, PAGE_FILES, SUMS, owned, write_sums


def seal(folder: Path) -> None:
    """Writes the hash of every file of the report, and of the evidence's manifest, beside them; of no file
    of the folder that reportgen did not write.

    The manifest holds the hashes of the evidence's shards, so the whole folder hangs on this file.
    """
    ours = owned(folder)
    write_sums(folder, {name: sha256_of(folder / name) for name in _sealed(folder) if name in ours})


def _sealed(folder: Path) -> list[str]:
    """The names of the files that the seal covers, that are there, relative to the folder."""
    named = (*DOCUMENTS, *(f"{EVIDENCE}/{name}" for name in ("manifest.json", *BEFORE)))
    files = (*folder.glob(f"{MAPS}/**/*.npz"), *folder.glob(f"{PAGE_FILES}/*"))
    more = sorted(path.relative_to(folder).as_posix() for path in files)
    return [name for name in (*named, *more) if (folder / name).is_file()]


def verify(
    folder: Path, checkpoint: Path | None = None, hash_at: Callable[[Path], str | None] | None = None
) -> list[str]:
    """The names of files that were changed, removed or added since the report was written.

    With `checkpoint`, also whether that file is the one that was audited; `hash_at` hashes one that is of
    several files. Raises InputError where
    the folder holds no complete evidence or no seal.
    """
    evidence = Evidence(folder / "evidence")
    altered = [f"evidence/{name}" for name in evidence.altered()]
    written = sums(folder)
    altered += [name for name, digest in written.items() if _digest(folder / name) != digest]
    altered += [name for name in _sealed(folder) if name not in written]
    audited = evidence.manifest["checkpoint"]["sha256"]
    if checkpoint is not None and (hash_at or _digest)(checkpoint) != audited:
        altered.append(str(checkpoint))
    return altered


def _digest(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def sums(folder: Path) -> dict[str, str]:
    """The sealed names with their hashes. Raises InputError where there is no seal."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} has no readable {SUMS}: what the report was like is not known",
            f"write the report again from its evidence: reportgen render {folder}",
        ) from error
