"""Which source an image set is, if it is one: by its address, its folder's files, or its suffix."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from reportgen import files
from reportgen.errors import InputError
from reportgen.inputs.images.listing import suffixes
from reportgen.inputs.images.sources import arrow, tars
from reportgen.inputs.images.sources.packed import Entry, Packed, packed
from reportgen.inputs.images.sources.places import Remote, address_of, below, listed

TABLES, ARROW, TARS = (".parquet",), (".arrow",), (".tar",)
KINDS = (*TABLES, *ARROW, *TARS)
COMPRESSED = (".tgz", ".tar.gz", ".tar.zst", ".tar.bz2", ".tar.xz")
# shards of one split: train-00000-of-00004.parquet, train-000123.tar, data-00000-of-00001.arrow
SHARD = re.compile(r"(?P<split>.*?)[-_.]?(\d+)?([-_]of[-_]\d+)?(\.\w+)")
SAVED = ("state.json", "dataset_info.json")  # of a folder that `datasets` saved
SPLITS = "dataset_dict.json"
LARGEST_STATE_BYTES = 50_000_000


def packed_at(images: Path) -> Packed | None:
    """The source that a path or an address is; None of plain pictures, folders of such, and lists.

    A name with * stands for every file that it fits. Raises InputError and RecipeError.
    """
    arrow.forget()  # the files of the same names may be others by now
    address = address_of(images)
    if address is not None:
        return _at_address(address, images)
    if os.path.isdir(images):
        places = _in_folder(images)
        return _of_files(images, images, places) if places else None
    if "*" in images.name and not images.exists():
        places = sorted(str(path) for path in images.parent.glob(images.name) if path.suffix.lower() in KINDS)
        return _of_files(images, images.parent, places) if places else None
    if images.name.lower().endswith(COMPRESSED) and images.is_file():
        raise InputError(
            f"{images} is a compressed tar, which has no places to read from", "unpack it (gunzip)"
        )
    if images.suffix.lower() in KINDS and images.is_file():
        return _of_files(images, images.parent, [str(images)])
    return None


def _in_folder(folder: Path) -> list[str]:
    """The files of a folder that is one source: one that `datasets` saved, or nothing but shards."""
    if (folder / SPLITS).is_file():
        names = sorted(path.name for path in folder.iterdir() if (path / SAVED[0]).is_file())
        raise (
            InputError(
                f"{folder} holds the splits {', '.join(names)[:80]} of a data set",
                f"name one: {folder / names[0]}",
            )
            if names
            else InputError(f"{folder} has {SPLITS} and no split", "copy it again")
        )
    if all((folder / name).is_file() for name in SAVED):
        return _data_files(folder)
    readable, shards = suffixes(), []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in (name for name in names if not name.startswith(".")):
            if name.lower().endswith(readable):  # a set of pictures is known by its first one
                return []
            if name.lower().endswith(KINDS):
                shards.append(os.path.join(here, name))
    return sorted(shards)


def _data_files(folder: Path) -> list[str]:
    """The files that a folder of `datasets` says it has: what `map` computed may lie beside them."""
    state = folder / SAVED[0]
    try:
        content = json.loads(files.read(state, LARGEST_STATE_BYTES))
        names = [str(one["filename"]) for one in content["_data_files"]]
    except OSError as error:
        raise InputError(f"{state} cannot be read: {error.strerror}", "copy the folder again") from error
    except (ValueError, LookupError, TypeError, RecursionError):
        names = []
    if not names or any(Path(name).name != name for name in names):
        raise InputError(f"{state} names no files of its folder", "save the data set again (save_to_disk)")
    return [str(folder / name) for name in names]


def _at_address(address: str, images: Path) -> Packed:
    found = listed(address)
    sizes = dict(found)
    shards = [place for place, _ in found if place.lower().endswith(KINDS)]
    if shards:
        return _of_files(images, images, shards)
    readable = suffixes()
    pictures = [place for place, _ in found if place.lower().endswith(readable)]
    entries = [Entry(below(address, place), place, Remote(place, sizes[place]), {}) for place in pictures]
    left = len(found) - len(pictures)
    notes = [f"Files without an image's suffix were ignored: {left}."] if left else []
    return packed(images, images, entries, notes)


def _of_files(images: Path, root: Path, places: Sequence[str]) -> Packed:
    kinds = {place.lower().rpartition(".")[2] for place in places}
    splits = sorted({_split(place) for place in places})
    if len(kinds) > 1 or len(splits) > 1:
        what = ", ".join(splits if len(splits) > 1 else sorted(kinds))
        example = f"{Path(places[0]).parent / splits[0]}*{Path(places[0]).suffix}"
        raise InputError(f"{images} holds several sets: {what[:120]}", f"name one, such as '{example}'")
    entries: Iterable[Entry] = tars.entries(places) if kinds == {"tar"} else arrow.entries(places, root)
    shards = f"The {len(places)} files of {images.name} are one set." if len(places) > 1 else ""
    return packed(images, root, entries, [shards] if shards else [])


def _split(place: str) -> str:
    """What a shard's name begins with, before its number."""
    name = place.rpartition("/")[2]
    found = SHARD.fullmatch(name)
    return found["split"] if found else name
