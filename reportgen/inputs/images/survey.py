"""Numbers and hashes the image files, gives each its class, and refuses what cannot be an image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from reportgen.engine.network.head import SOFTMAX, Head
from reportgen.errors import InputError, did_you_mean, nearest
from reportgen.inputs.classes.labels import (
    Folders,
    Known,
    Labelling,
    Reading,
    by_folders,
    by_numbers,
    folder_names,
    no_label,
)
from reportgen.inputs.classes.several import labelled
from reportgen.inputs.images.listing import (
    NAMED,
    SUFFIXES,
    ImageFile,
    Row,
    absolute,
    hashed,
    meant,
    numbered,
    printable,
    read_csv,
    read_list,
    walk,
)
from reportgen.inputs.images.part_boxes import PartsList, with_parts

HOW = f"name a folder, a list or a CSV of images ({', '.join(sorted(SUFFIXES))})"


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
) -> Surveyed:
    """The set's files in sorted order, each hashed and labelled, with its parts, and notes for the reader.

    `images` is a folder, a file list (.txt), a CSV with `path` and perhaps `label`, or one image.
    `labels` is auto, none, folder, imagefolder, or a CSV with path and label, relative to `base`; `ids`
    are the classes' WordNet ids, where they are known. `head` says what a label is: a class, several
    labels, or values; it comes back as the labels were read (see `several.labelled`).
    Raises InputError where there is no image, none can be opened, or a label is not a class.
    """
    paths, root, own_rows, notes = _listed(images)
    if not paths:
        passed = next((note for note in notes if note.startswith("Pictures of kinds")), None)
        if passed:
            raise InputError(f"{images} holds no image that can be read: {passed}", HOW)
        raise InputError(f"{images} holds no image", HOW)
    files = list(numbered(paths, root))
    known = Known(classes, ids)
    if head.kind == "values" and own_rows is None and labels in ("auto", "folder"):
        folders = by_numbers(files)
    else:
        folders = _labelling(labels, files, own_rows, known, base, images)
    read = labelled(files, folders.labelling, known, head)
    files = read.files
    notes += [*folders.notes, *read.notes, *known.notes()]
    if parts:
        files, part_notes = with_parts(files, parts, images)
        notes += part_notes
    if limit is not None and limit < len(files):
        notes.append(f"The first {limit} of {len(files)} images are used (--limit).")
        files = files[:limit]
    files = [hashed(file) for file in files]
    notes += _contradicted(files)
    if all(file.reason for file in files):
        raise none_readable(images, [(file.shown, file.reason or "") for file in files])
    return Surveyed(files, tuple(notes), folders.readings, read.head)


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
    paths, root, _, _ = _listed(images)
    return folder_names(list(numbered(paths, root)))


def none_readable(images: Path, reasons: Sequence[tuple[str, str]]) -> InputError:
    """The error for a set whose every image (path, reason) was rejected."""
    shown, reason = reasons[0]
    return InputError(
        f"none of the {len(reasons)} images of {images} can be read (the first, {shown}: {reason})",
        "check the path and the files; damaged ones must be copied again",
    )


def _listed(images: Path) -> tuple[list[Path], Path, list[Row] | None, list[str]]:
    """The set's paths, its root, the labelled rows if it is a CSV, and notes."""
    if os.path.isdir(images):
        found, notes = walk(images)
        return found, images, None, notes
    if not os.path.isfile(images):
        beside = [p.name for p in images.parent.glob("*")] if images.parent.is_dir() else []
        raise InputError(
            f"there are no images at {images}{did_you_mean(nearest(images.name, beside))}",
            "name a folder, a file list, a CSV or an image",
        )
    suffix = images.suffix.lower()
    if suffix not in (".txt", ".csv", ".tsv"):
        return [images], images.parent, None, []
    rows, labelled, others = (*read_list(images), []) if suffix == ".txt" else read_csv(images)
    by_path = {row.path: row for row in reversed(rows)}  # the first of each path
    repeated = len(rows) - len(by_path)
    notes = [f"{repeated} repeated lines of {images.name} are used once."] if repeated else []
    if labelled and suffix == ".txt":
        notes.append(f"The last word of each line of {images.name} is read as the image's label.")
    if others and not labelled:
        notes.append(_no_label_column(images, others))
    return list(by_path), images.parent, rows if labelled else None, notes


def _no_label_column(table: Path, others: Sequence[str]) -> str:
    """The note on a CSV whose columns, among them perhaps that of the labels, have other names."""
    named = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
    words = f"No labels: {table.name} has no column `label`, but {named}"
    return f"{words}; name the one that holds the labels so."


def _labelling(
    labels: str,
    files: list[ImageFile],
    own_rows: list[Row] | None,
    known: Known,
    base: Path,
    images: Path,
) -> Folders:
    """How a file gets its label, by the recipe's `images.labels`, with notes and other readings."""
    if labels == "none":
        return Folders(no_label, [], ())
    if labels in ("folder", "imagefolder"):
        return by_folders(files, known, labels)
    if labels != "auto":
        path = base / labels
        rows, labelled, others = read_csv(path)
        if not labelled:
            named = f" (columns: {', '.join(['path', *others])[:80]})"
            raise InputError(f"{path}:1: no column is named 'label'{named}", "name the one of labels so")
        return Folders(*_by_row(rows, files, path.parent, images), ())
    if own_rows is not None:
        return Folders(*_by_row(own_rows, files, images.parent, images), ())
    return by_folders(files, known, "auto") if images.is_dir() else Folders(no_label, [], ())


def _by_row(
    rows: list[Row], files: list[ImageFile], beside: Path, images: Path
) -> tuple[Labelling, list[str]]:
    """Labels by path: relative to the CSV's folder, or to the image set's where that fits more."""
    known = {absolute(file.path) for file in files}
    full = meant([row.path for row in rows], files, beside, images)
    by_path = {full[row.path]: row for row in rows}
    _refuse_contradictions(rows)
    notes = []
    if unused := len(by_path.keys() - known):
        notes.append(f"{unused} rows of the label CSV name no image of this set.")
    if rows and unused == len(by_path):
        raise InputError(
            f"{rows[0].place}: no row names an image of this set ({printable(str(rows[0].path))})",
            "give paths relative to the CSV's folder or to the image folder",
        )
    return _Rows(by_path), notes


def _refuse_contradictions(rows: list[Row]) -> None:
    first: dict[Path, Row] = {}
    for row in rows:
        if first.setdefault(row.path, row).label != row.label:
            raise InputError(
                f"{row.place}: label '{row.label}', but '{first[row.path].label}' for the same "
                f"image at {first[row.path].place}",
                "keep one of the two lines",
            )


class _Rows:
    """The labelling that a CSV's rows say."""

    def __init__(self, by_path: Mapping[str, Row]) -> None:
        self.by_path = by_path

    def __call__(self, file: ImageFile) -> tuple[str | None, str]:
        row = self.by_path.get(absolute(file.path))
        return (row.label, row.place) if row else (None, file.shown)


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
