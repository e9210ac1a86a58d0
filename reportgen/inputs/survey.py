"""The image set, surveyed before anything is decoded: files in order, hashes, labels, refusals."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from reportgen.engine.network.facts import index_of
from reportgen.errors import InputError, UnknownName, did_you_mean, nearest
from reportgen.inputs.listing import (
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
from reportgen.inputs.part_boxes import PartsList, with_parts

# a file's label as text ("" or None where it has none), and where that stands
Labelling: TypeAlias = Callable[[ImageFile], tuple[str | None, str]]


def survey(
    images: Path,
    labels: str,
    classes: tuple[str, ...],
    base: Path,
    limit: int | None = None,
    parts: PartsList | None = None,
) -> tuple[list[ImageFile], tuple[str, ...]]:
    """The set's files in sorted order, each hashed and labelled, with its parts, and notes for the reader.

    `images` is a folder, a file list (.txt), a CSV with `path` and perhaps `label`, or one image.
    `labels` is auto, none, folder, or a CSV with path and label, relative to `base`.
    Raises InputError where there is no image, none can be opened, or a label is not a class.
    """
    paths, root, own_rows, notes = _listed(images)
    if not paths:
        raise InputError(
            f"{images} holds no image",
            f"name a folder, a list or a CSV of images ({', '.join(sorted(SUFFIXES))})",
        )
    files = list(numbered(paths, root))
    labelling, label_notes = _labelling(labels, files, own_rows, classes, base, images)
    notes += label_notes
    files = [_labelled(file, labelling, classes) for file in files]
    if parts:
        files, part_notes = with_parts(files, parts, images)
        notes += part_notes
    if limit is not None and limit < len(files):
        notes.append(f"The first {limit} of {len(files)} images are used (--limit).")
        files = files[:limit]
    files = [hashed(file) for file in files]
    if all(file.reason for file in files):
        raise none_readable(images, [(file.shown, file.reason or "") for file in files])
    return files, tuple(notes)


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
    rows, labelled = (read_list(images), False) if suffix == ".txt" else read_csv(images)
    by_path = {row.path: row for row in reversed(rows)}  # the first of each path
    repeated = len(rows) - len(by_path)
    notes = [f"{repeated} repeated lines of {images.name} are used once."] if repeated else []
    return list(by_path), images.parent, rows if labelled else None, notes


def _labelling(
    labels: str,
    files: list[ImageFile],
    own_rows: list[Row] | None,
    classes: tuple[str, ...],
    base: Path,
    images: Path,
) -> tuple[Labelling, list[str]]:
    """How a file gets its label, by the recipe's `images.labels`, and notes."""
    if labels == "none":
        return _no_label, []
    if labels == "folder":
        return _by_folder, []
    if labels != "auto":
        path = base / labels
        rows, labelled = read_csv(path)
        if not labelled:
            raise InputError(f"{path}:1: no column is named 'label'", "add one")
        return _by_row(rows, files, path.parent, images)
    if own_rows is not None:
        return _by_row(own_rows, files, images.parent, images)
    if not images.is_dir():
        return _no_label, []
    folders = sorted({file.shown.split("/")[0] for file in files if "/" in file.shown})
    known = [folder for folder in folders if folder in classes]
    by_number = all(name == f"class {n}" for n, name in enumerate(classes))
    if by_number and folders and all(_is_class(folder, classes) for folder in folders):
        return _by_folder, ["Labels are the folders' names, read as class indices."]
    if folders and known == folders:
        return _by_folder, ["Labels are the folders' names."]
    if known:
        other = next(folder for folder in folders if folder not in classes)
        return _no_label, [f"No labels: the folder {other} is not a class, {known[0]} is."]
    return _no_label, []


def _is_class(name: str, classes: tuple[str, ...]) -> bool:
    try:
        index_of(name, classes)
    except UnknownName:
        return False
    return True


def _no_label(file: ImageFile) -> tuple[None, str]:
    return None, file.shown


def _by_folder(file: ImageFile) -> tuple[str | None, str]:
    folder, inside, _ = file.shown.partition("/")
    return (folder if inside else None), f"folder {folder}"


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


def _labelled(file: ImageFile, labelling: Labelling, classes: tuple[str, ...]) -> ImageFile:
    """The file with its label, or InputError saying where a label stands that is not a class."""
    label, place = labelling(file)
    if not label:
        return file
    try:
        index = index_of(label, classes)
    except UnknownName as error:
        named = ", ".join(classes[:3])
        raise InputError(
            f"{place}: {error}",
            f"labels are names or indices of the model's {len(classes)} classes ({named}, …); "
            "set model.classes, or images.labels to none",
        ) from error
    return replace(file, label=classes[index], label_index=index)
