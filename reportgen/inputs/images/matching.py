"""Which image a listed path means: as it stands, or, where no file is called so, by the file's name."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

from reportgen.inputs.images.listing import SUFFIXES, ImageFile, absolute, printable

SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing", "eval", "dev", "holdout")


class Matched(NamedTuple):
    """By listed path the absolute one that it means, whether or not that is a file of the set; and notes."""

    paths: dict[Path, str]
    notes: list[str]


def meant(listed: Iterable[Path], files: Sequence[ImageFile], folder: Path, images: Path) -> dict[Path, str]:
    """The absolute path that each listed one means (see `matched`)."""
    return matched(listed, files, folder, images).paths


def matched(listed: Iterable[Path], files: Sequence[ImageFile], folder: Path, images: Path) -> Matched:
    """What each listed path means: below the list's `folder`, or below the image set where that names more
    of the files.

    What then names no file is looked for by its name, as ids without a suffix, other case, another form of
    the same letters, and paths of another machine have it. It is taken where one file alone can be meant.
    """
    known = {absolute(file.path) for file in files}
    root = images if images.is_dir() else images.parent
    paths = list(dict.fromkeys(listed))
    by_list = {path: absolute(path) for path in paths}
    by_set = {path: absolute(root / os.path.relpath(path, folder)) for path in paths}
    best = max(by_list, by_set, key=lambda by: len(known & set(by.values())))
    missing = [path for path in paths if best[path] not in known]
    if not missing:
        return Matched(best, [])
    names = _Names(files, os.path.abspath(root))
    found = {path: names.file(os.path.relpath(path, folder)) for path in missing}
    taken = {best[path] for path in paths} & known
    several = _claimed(found)
    by_name = {
        path: absolute(file.path)
        for path, file in found.items()
        if file is not None and file.number not in several and absolute(file.path) not in taken
    }
    return Matched({**best, **by_name}, _notes(by_name, found, folder))


def _claimed(found: Mapping[Path, ImageFile | None]) -> set[int]:
    """The numbers of files that more than one path would mean."""
    counts = Counter(file.number for file in found.values() if file is not None)
    return {number for number, count in counts.items() if count > 1}


def _notes(by_name: Mapping[Path, str], found: Mapping[Path, ImageFile | None], folder: Path) -> list[str]:
    """How many paths were matched by their file's name, with the first as an example."""
    if not by_name:
        return []
    first = next(iter(by_name))
    file = found[first]
    listed = printable(os.path.relpath(first, folder))
    count = "1 path" if len(by_name) == 1 else f"{len(by_name)} paths"
    of = "its file's name" if len(by_name) == 1 else "their files' names"
    return [f"{count} of the list could only be matched by {of}: {listed} is {file.shown if file else ''}."]


@dataclass
class _Names:
    """The set's files by their names, case and the form of letters aside."""

    files: Sequence[ImageFile]
    root: str

    def __post_init__(self) -> None:
        self.above = {_folded(part) for part in PurePosixPath(self.root).parts}
        self.by_name: dict[str, list[ImageFile]] = {}
        self.by_stem: dict[str, list[ImageFile]] = {}
        for file in self.files:
            name = _folded(file.path.name)
            self.by_name.setdefault(name, []).append(file)
            self.by_stem.setdefault(os.path.splitext(name)[0], []).append(file)

    def file(self, listed: str) -> ImageFile | None:
        """The one file that a path can mean, by its name and as many of the folders above as both have."""
        for text in dict.fromkeys((listed, unquote(listed.partition("?")[0]))):
            *folders, name = [_folded(part) for part in text.split("/") if part not in (".", "..")] or [""]
            found = self.by_name.get(name, [])
            if not found and not name.endswith(SUFFIXES):
                found = self.by_stem.get(name, [])
            if found := [file for file in found if self._fits(folders, file)]:
                return found[0] if len(found) == 1 else None
        return None

    def _fits(self, folders: Sequence[str], file: ImageFile) -> bool:
        """Whether the folders of both paths agree as far as both have any. What a list has above them may be
        another machine's, but another split is another image."""
        own = [_folded(part) for part in file.shown.split("/")[:-1]]
        both = min(len(own), len(folders))
        more = folders[: len(folders) - both]
        same = folders[len(folders) - both :] == own[len(own) - both :]
        return same and all(part in self.above for part in more if part in SPLITS)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class OnDisk:
    """The files that listed paths mean on this disk."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, tuple[str, ...]]] = {}  # by folder its names by their folded form

    def file(self, path: Path) -> Path:
        """The path, or, where there is none such, the one file of its folder that is called so but for case,
        the form of its letters or a suffix that the list leaves out."""
        if "\0" in str(path) or os.path.lexists(path):
            return path
        folder = path.parent if os.path.isdir(path.parent) else self._folder(path.parent)
        if folder is None:
            return path
        names, wanted = self._names(str(folder)), _folded(path.name)
        found = list(names.get(wanted, ()))
        if not found and not wanted.endswith(SUFFIXES):
            found = [name for suffix in SUFFIXES for name in names.get(wanted + suffix, ())]
        return folder / found[0] if len(found) == 1 else path

    def _folder(self, folder: Path) -> Path | None:
        """A folder whose last part may be written in another case or form of letters."""
        if not os.path.isdir(folder.parent):
            return None
        found = self._names(str(folder.parent)).get(_folded(folder.name), ())
        one = folder.parent / found[0] if len(found) == 1 else None
        return one if one is not None and os.path.isdir(one) else None

    def _names(self, folder: str) -> dict[str, tuple[str, ...]]:
        if folder not in self._seen:
            found: dict[str, tuple[str, ...]] = {}
            try:
                for name in sorted(os.listdir(folder)):
                    found[_folded(name)] = (*found.get(_folded(name), ()), name)
            except OSError:
                pass
            self._seen[folder] = found
        return self._seen[folder]
