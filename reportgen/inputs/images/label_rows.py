"""Labels that stand in a list of the images: a CSV, lines of paths and labels, or annotations."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from reportgen.engine.network.head import Head
from reportgen.errors import InputError
from reportgen.inputs.classes.known import Known, quoted
from reportgen.inputs.classes.labels import Labelling
from reportgen.inputs.images.coco import read_coco, read_json
from reportgen.inputs.images.label_columns import Labels, labels_of
from reportgen.inputs.images.listing import ImageFile, Row, absolute, beside, printable
from reportgen.inputs.images.matching import OnDisk, matched
from reportgen.inputs.images.records import LINES, read_rows, records_in
from reportgen.inputs.images.tables import Table, is_table, read_list

LISTS = (".txt", ".csv", ".tsv", ".json", *LINES)
NAMES_SHOWN = 8
BEGINNING = re.compile(r"(.*?[^\W\d_])[\s._-]*\d*\.\w+$")


@dataclass(frozen=True)
class Listed:
    """A list of images: its rows, whose labels may yet have to be found in the table's columns, or are the
    categories that annotations name."""

    file: Path
    rows: tuple[Row, ...]
    labelled: bool = False  # whether the rows have their labels
    table: Table | None = None
    names: tuple[tuple[str, ...], ...] | None = None  # by row, of annotations
    categories: tuple[str, ...] = ()  # in the order of their ids
    notes: tuple[str, ...] = ()

    def on_disk(self) -> Listed:
        """The list with each path as the file is called on the disk."""
        disk = OnDisk()
        rows = tuple(replace(row, path=disk.file(row.path)) for row in self.rows)
        named = [(row, now) for row, now in zip(self.rows, rows, strict=True) if row.path != now.path]
        if not named:
            return self
        old, new = named[0]
        note = f"{len(named)} paths of {self.file.name} name files that are written otherwise"
        example = f"{printable(old.path.name)} is {printable(new.path.name)}"
        return replace(self, rows=rows, notes=(*self.notes, f"{note}: {example}."))


def read_listed(path: Path, labels: bool = False) -> Listed:
    """A list of images by its kind: lines (.txt), annotations or records (.json, .jsonl), else a CSV.
    `labels` says that it is there for its labels. Raises InputError."""
    suffix = path.suffix.lower()
    if suffix == ".json":
        content = read_json(path)
        if (records := records_in(path, content)) is not None:
            return of_table(records)
        annotated, categories = read_coco(path, content)
        rows = tuple(one.row for one in annotated)
        return Listed(path, rows, names=tuple(one.names for one in annotated), categories=categories)
    if suffix == ".txt" and not is_table(path):
        lines, labelled = read_list(path, sure=labels)
        if labels and not labelled:
            raise InputError(f"{path}: no labels behind the paths", "write `path label` in each line")
        note = f"The last word of each line of {path.name} is read as the image's label."
        return Listed(path, tuple(lines), labelled, notes=(note,) if labelled else ())
    return of_table(read_rows(path))


def of_table(table: Table) -> Listed:
    """The list that a table's rows are."""
    found = tuple(Row(beside(table.file, cells["path"]), "", place) for place, cells in table.rows)
    return Listed(table.file, found, table=table, notes=table.notes)


class Said(NamedTuple):
    """The labelling that a list says, None where it has no labels; and notes."""

    labelling: Labelling | None
    notes: list[str]


def labels_in(
    listed: Listed, files: Sequence[ImageFile], known: Known, head: Head, images: Path, required: bool
) -> Said:
    """The labels of a list, by path: relative to the list's folder, or to the image set's where that fits
    more, or by the names of the files (see `matching`).

    Raises InputError where they contradict each other, no row names an image, or labels are `required` and
    there are none.
    """
    texts, notes, absent = _texts(listed, known, head)
    if texts is None:
        if required:
            words = notes[0].removeprefix("No labels: ") if notes else f"{listed.file} has no labels"
            columns = f" (columns: {', '.join(listed.table.head)[:80]})" if listed.table else ""
            raise InputError(f"{listed.file}:1: no column is named 'label'{columns}", f"{words.rstrip('.')}")
        return Said(None, notes)
    rows = [replace(row, label=text) for row, text in zip(listed.rows, texts, strict=True)]
    rows = [row for number, row in enumerate(rows) if number not in absent]
    by_path, more = _by_path(rows, files, listed.file.parent, images, head)
    return Said(_Rows(by_path), [*notes, *more])


def _texts(listed: Listed, known: Known, head: Head) -> Labels:
    """The label of each row as text, notes, and the rows that say what an image does not show."""
    if listed.names is not None:
        return Labels(*_of_annotations(listed, listed.names, known, head))
    if listed.table is not None:
        return labels_of(listed.table, known, head)
    return Labels([row.label or "" for row in listed.rows] if listed.labelled else None, [])


def _of_annotations(
    listed: Listed, names: Sequence[Sequence[str]], known: Known, head: Head
) -> tuple[list[str], list[str]]:
    """The categories of each image as its label, several with | between. Raises InputError where the classes
    have no names to find them by."""
    if known.unnamed and known.classes:
        remedy = f"set model.classes: {listed.file.name} if the outputs are its categories, in order of id"
        if len(listed.categories) != len(known.classes):
            remedy = "name the model's classes in model.classes, in the order of its outputs"
        shown = ", ".join(quoted(name) for name in listed.categories[:NAMES_SHOWN])
        raise InputError(
            f"{listed.file} has {len(listed.categories)} categories ({shown}), and the model's"
            f" {len(known.classes)} classes have no names",
            remedy,
        )
    several = head.kind == "labels" or any(len(own) > 1 for own in names)
    nothing = "|" if several else ""
    bare = sum(not own for own in names)
    notes = [f"Labels are the categories that {listed.file.name} annotates."]
    if bare:
        read = "none of the labels" if several else "not labelled"
        notes.append(f"{bare} images have no annotation and are read as {read}.")
    return ["|".join(own) or nothing for own in names], notes


def _by_path(
    rows: Sequence[Row], files: Sequence[ImageFile], folder: Path, images: Path, head: Head
) -> tuple[dict[str, Row], list[str]]:
    """The row of each image by its path, and what is said of rows and images that have no other."""
    known = {absolute(file.path) for file in files}
    match = matched([row.path for row in rows], files, folder, images)
    by_path: dict[str, Row] = {}
    repeated = 0
    for row in rows:
        first = by_path.setdefault(match.paths[row.path], row)
        if first is row:
            continue
        repeated += 1
        if first.label != row.label:
            by_path[match.paths[row.path]] = _joined(first, row, head)
    notes = list(match.notes)
    if repeated and images.is_dir():  # of the set's own list the survey says it
        notes.append(f"{repeated} rows of the label CSV name an image again.")
    if unused := len(by_path.keys() - known):
        notes.append(f"{unused} rows of the label CSV name no image of this set.")
    if rows and unused == len(by_path):
        raise InputError(
            f"{rows[0].place}: no row names an image of this set ({printable(str(rows[0].path))})",
            "give paths relative to the CSV's folder or to the image folder" + _behind(rows[0]),
        )
    if bare := len(known - by_path.keys()):
        notes.append(f"{bare} of the set's {len(known)} images are not listed in the label CSV: no label.")
    return by_path, notes


def _behind(row: Row) -> str:
    """What else may be wrong with a path of several words."""
    return "" if " " not in row.path.name else "; of several words behind each path name the columns in a CSV"


def _joined(first: Row, row: Row, head: Head) -> Row:
    """Two rows of one image as one, where labels stand by themselves. Raises InputError elsewhere."""
    if head.kind != "labels" or not first.label or not row.label:
        raise InputError(
            f"{row.place}: label '{row.label}', but '{first.label}' for the same image at {first.place}",
            "keep one of the two lines, or set model.head: sigmoid where an image may have several labels",
        )
    return replace(first, label=f"{first.label}|{row.label}")


class _Rows:
    """The labelling that a list's rows say."""

    def __init__(self, by_path: Mapping[str, Row]) -> None:
        self.by_path = by_path

    def __call__(self, file: ImageFile) -> tuple[str | None, str]:
        row = self.by_path.get(absolute(file.path))
        return (row.label, row.place) if row else (None, file.shown)


def _begins_with_class(name: str, known: Known) -> bool:
    """Whether a file is called by a class and what tells its pictures apart: cat.12.jpg, ant_01.png."""
    word = BEGINNING.match(name)
    return word is not None and known.index(word[1], numbers=False) is not None


def unread_lists(images: Path, known: Known, files: Sequence[ImageFile]) -> list[str]:
    """The note on a list of labels that may lie in a set without class folders, or on files whose names
    begin with classes."""
    if not images.is_dir() or any("/" in file.shown for file in files):
        return []
    if not known.unnamed and all(_begins_with_class(file.path.name, known) for file in files):
        known.used.clear()
        shown = printable(files[0].path.name)
        return [
            f"No labels: the files' names begin with classes ({shown}), but none is a label. Put"
            " each class in a folder of its own, or give --labels a CSV with the columns path,label."
        ]
    known.used.clear()
    lists = sorted(name for name in os.listdir(images) if name.lower().endswith((".csv", ".tsv", *LINES)))
    if len(lists) != 1:
        return []
    path = printable(os.path.join(images, lists[0]))
    return [f"No labels: there are no folders of classes. If {lists[0]} has them, give --labels {path}."]
