"""Numbers and hashes the image files, gives each its class, and refuses what cannot be an image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from reportgen import files as regular
from reportgen.engine.network.head import SOFTMAX, Head
from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.classes.counting import counted
from reportgen.inputs.classes.known import Known
from reportgen.inputs.classes.labels import Folders, by_folders, by_numbers, folder_names, no_label
from reportgen.inputs.classes.orders import Reading
from reportgen.inputs.classes.several import labelled
from reportgen.inputs.classes.truths import of_two, one_hot
from reportgen.inputs.images.label_rows import LISTS, Listed, labels_in, of_table, read_listed, unread_lists
from reportgen.inputs.images.listing import ABSENT, SUFFIXES, ImageFile, hashed, numbered, suffixes, walk
from reportgen.inputs.images.masks import MaskFolder, with_masks
from reportgen.inputs.images.part_boxes import PartsList, with_parts
from reportgen.inputs.images.sources.packed import Blob
from reportgen.inputs.images.sources.places import address_of
from reportgen.inputs.images.sources.places import shown as set_shown
from reportgen.inputs.images.sources.reading import packed_at

HOW = f"name a folder, a list or a CSV of images ({', '.join(sorted(SUFFIXES))})"
PACKED = "what is packed in a file of another kind is saved as pictures first"


class Surveyed(NamedTuple):
    """The files of the set, notes for the reader, and how else its folders could be read as labels."""

    files: list[ImageFile]
    notes: tuple[str, ...]
    readings: tuple[Reading, ...] = ()
    head: Head = SOFTMAX


def surveyed(
    images: Path,
    labels: str,
    classes: tuple[str, ...],
    base: Path,
    limit: int | None = None,
    parts: PartsList | None = None,
    ids: tuple[str, ...] = (),
    head: Head = SOFTMAX,
    first_index: int | None = None,
    masks: MaskFolder | None = None,
) -> Surveyed:
    """The set's files in sorted order, each hashed and labelled, with its parts, and notes for the reader.

    `images` is a folder, a file list (.txt), a CSV with `path` and perhaps `label`, annotations in COCO's
    form (.json), or one image. `labels` is auto, none, folder, imagefolder, or such a list with labels,
    relative to `base`; `ids` are the classes' WordNet ids, where they are known. `head` says what a label is:
    a class, several labels, or values; it comes back as the labels were read (see `several.labelled`).
    `masks` says where the images' masks are. `first_index` is the number of the first class in labels that
    are numbers, where somebody says.
    Raises InputError where there is no image, none can be opened, or a label is not a class.
    """
    paths, root, own, notes, blobs = _listed(images)
    if not paths:
        passed = next((note for note in notes if note.startswith("Pictures of kinds")), None)
        if passed:
            raise InputError(f"{images} holds no image that can be read: {passed}", HOW)
        raise InputError(f"{images} holds no image", f"{HOW}; {PACKED}")
    files = [replace(file, blob=blobs.get(file.path)) for file in numbered(paths, root)]
    known = Known(classes, ids)
    if head.kind == "values" and own is None and labels in ("auto", "folder"):
        folders = by_numbers(files)
    else:
        folders = _labelling(labels, files, own, known, base, images, head, first_index)
    read = labelled(files, folders.labelling, known, head)
    files = read.files
    notes += [*folders.notes, *read.notes, *known.notes()]
    if parts:
        files, part_notes = with_parts(files, parts, images)
        notes += part_notes
    if limit is not None and limit < len(files):
        notes.append(f"The first {limit} of {len(files)} images are used (--limit).")
        files = files[:limit]
    files = _hashed(files, blobs)
    files = with_masks(files, root, masks) if masks else files
    notes += _contradicted(files)
    if all(file.reason for file in files):
        raise none_readable(images, [(file.shown, file.reason or "") for file in files])
    return Surveyed(files, tuple(notes), folders.readings, read.head)


def _hashed(files: Sequence[ImageFile], blobs: Mapping[Path, Blob]) -> list[ImageFile]:
    """The files with their hashes, in their order; what is packed is read in the order that it lies in."""
    stored = {path: place for place, path in enumerate(blobs)}
    in_turn = sorted(files, key=lambda file: stored.get(file.path, file.number))
    done = {file.number: hashed(file) for file in in_turn}
    return [done[file.number] for file in files]


def survey(
    images: Path,
    labels: str,
    classes: tuple[str, ...],
    base: Path,
    limit: int | None = None,
    parts: PartsList | None = None,
) -> tuple[list[ImageFile], tuple[str, ...]]:
    """The files of `surveyed` and its notes."""
    found = surveyed(images, labels, classes, base, limit, parts)
    return found.files, found.notes


def class_folders(images: Path) -> list[str]:
    """The names of a set's folders of classes, in the order of their names as text."""
    paths, root, *_ = _listed(images)
    return folder_names(list(numbered(paths, root)))


def none_readable(images: Path, reasons: Sequence[tuple[str, str]]) -> InputError:
    """The error for a set whose every image (path, reason) was rejected."""
    shown, reason = reasons[0]
    remedy = "check the path and the files; damaged ones must be copied again"
    if images.is_file() and images.suffix.lower() not in (*LISTS, *suffixes()):
        remedy = f"{HOW}; {PACKED}"
    if images.suffix.lower() in LISTS and all(why == ABSENT for _, why in reasons):
        remedy = (
            f"give the images' folder as IMAGES, and the list by --labels {images.name} where it has labels; "
            "or write paths relative to the list's folder"
        )
    of = set_shown(images)
    return InputError(
        f"none of the {len(reasons)} images of {of} can be read (the first, {shown}: {reason})", remedy
    )


class _Set(NamedTuple):
    """The set's paths, its root, the list if it is one, notes, and where the bytes of packed images are."""

    paths: list[Path]
    root: Path
    own: Listed | None
    notes: list[str]
    blobs: Mapping[Path, Blob] = {}


def _listed(images: Path) -> _Set:
    if source := packed_at(images):
        own = of_table(source.table)
        paths = [row.path for row in own.rows]
        names = (cells["path"] for _, cells in source.table.rows)
        blobs = {path: source.blobs[name] for path, name in zip(paths, names, strict=True)}
        return _Set(paths, source.root, own if source.label_is_said else None, list(own.notes), blobs)
    if os.path.isdir(images):
        found, notes = walk(images)
        return _Set(found, images, None, notes)
    if not os.path.isfile(images):
        if kind := regular.what_else(images):
            raise InputError(f"{images} cannot be read: {kind}", "name a folder, a list or an image")
        beside = [p.name for p in images.parent.glob("*")] if images.parent.is_dir() else []
        raise InputError(
            f"there are no images at {images}{did_you_mean(nearest(images.name, beside))}",
            "name a folder, a file list, a CSV or an image",
        )
    if images.suffix.lower() not in LISTS:
        return _Set([images], images.parent, None, [])
    listed = read_listed(images).on_disk()
    paths = list(dict.fromkeys(row.path for row in listed.rows))
    repeated = len(listed.rows) - len(paths)
    notes = [f"{repeated} repeated lines of {images.name} are used once."] if repeated else []
    return _Set(paths, images.parent, listed, [*notes, *listed.notes])


def _labelling(
    labels: str,
    files: list[ImageFile],
    own: Listed | None,
    known: Known,
    base: Path,
    images: Path,
    head: Head,
    first_index: int | None,
) -> Folders:
    """How a file gets its label, by the recipe's `images.labels`, with notes and other readings."""
    if labels == "none":
        return Folders(no_label, [], ())
    if labels in ("folder", "imagefolder"):
        return by_folders(files, known, labels, first_index)
    if labels == "auto" and own is None:
        found = (
            by_folders(files, known, "auto", first_index)
            if images.is_dir() or address_of(images)
            else Folders(no_label, [], ())
        )
        return found._replace(notes=[*found.notes, *unread_lists(images, known, files)])
    listed = own if labels == "auto" else read_listed(base / labels, labels=True)
    if listed is None:  # auto without a list has returned
        return Folders(no_label, [], ())
    said = labels_in(listed, files, known, head, images, required=labels != "auto")
    notes = [*(listed.notes if listed is not own else ()), *said.notes]
    if said.labelling is None:
        return _of_listed_folders(files, known, head, first_index, notes)
    if head.kind == "values":
        return Folders(said.labelling, notes, ())
    if hot := one_hot(files, said.labelling, known, head) or of_two(files, said.labelling, known):
        return Folders(hot.labelling, [*notes, *hot.notes], ())
    numbers = counted(files, said.labelling, known, first_index)
    return Folders(numbers.labelling, [*notes, *numbers.notes], numbers.readings)


def _of_listed_folders(
    files: list[ImageFile], known: Known, head: Head, first_index: int | None, notes: list[str]
) -> Folders:
    """The labels of a list that has none: the folders that its paths name, where those are classes."""
    if head.kind == "values":
        return Folders(no_label, notes, ())
    found = by_folders(files, known, "auto", first_index)
    labelled_so = any(found.labelling(file)[0] is not None for file in files)
    several = len({file.shown.rpartition("/")[0] for file in files}) > 1
    if not labelled_so and not several:
        return Folders(no_label, notes, ())
    return found._replace(notes=[*notes, *found.notes])


def _contradicted(files: Sequence[ImageFile]) -> list[str]:
    """A note where one picture is in the set several times, under labels that differ."""
    by_content: dict[str, list[ImageFile]] = {}
    for file in files:
        if file.sha256 and file.reason is None and file.label is not None:
            by_content.setdefault(file.sha256, []).append(file)
    odd = [same for same in by_content.values() if len({file.label for file in same}) > 1]
    if not odd:
        return []
    shown = ", ".join(f"{file.shown} ({file.label})" for file in odd[0][:3])
    note = f"Identical pictures have labels that differ, at most one of them right: {shown}."
    return [f"{note} Such pictures: {len(odd)}."]
