"""Which class a folder's name or a label's text means, and which other readings there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from reportgen.engine.network.facts import index_of
from reportgen.errors import InputError, UnknownName, did_you_mean, nearest
from reportgen.inputs.classes.known import NOTHING, Known
from reportgen.inputs.classes.orders import FEW, Reading, other_orders, some
from reportgen.inputs.images.listing import ImageFile
from reportgen.inputs.images.matching import SPLITS

# a file's label as text or as a class's index (None where it has none), and where that stands
Labelling: TypeAlias = Callable[[ImageFile], "tuple[str | int | None, str]"]

DEEPEST = 4  # folders above those of the classes
# folders of what nobody labelled, where they are no classes
UNLABELLED = ("unlabeled", "unlabelled", "unlabeled data", "unknown", "unsorted", "no label", "none", "unsup")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class Folders(NamedTuple):
    """What the folders of a set say of its labels."""

    labelling: Labelling
    notes: list[str]
    readings: tuple[Reading, ...]


def no_label(file: ImageFile) -> tuple[None, str]:
    """The labelling of a set without labels."""
    return None, file.shown


def by_folders(files: Sequence[ImageFile], known: Known, mode: str, first: int | None = None) -> Folders:
    """The labels that the folders' names are.

    `mode` is auto (where every folder is a class), folder (every folder is held to be one), or
    imagefolder (the classes are the folders in the order of their names as text). `first` is the number of
    the first class in folders that are numbers, where somebody says. Raises InputError.
    """
    level, above = _level(files, known)
    names = sorted({name for file in files if (name := _folder(file, level))})
    said = [f"Labels are taken from the folders below {above}."] if above else []
    if mode == "imagefolder":
        return Folders(_ranked(names, known, level), [*said, ORDERED], ())
    if first is not None and (counted := _counted(names, known, first)) is not None:
        return Folders(_placed(counted, level), [*said, f"{COUNTED} {first}, as the recipe says."], ())
    numbers = known.unnamed or mode == "folder"
    found = {name: known.index(name, numbers) for name in names}
    aside = [name for name in names if found[name] is None and _says_unlabelled(name)]
    if aside and len(aside) < len(names):
        said.append(f"The folder {aside[0]} is no class: its images have no label.")
        inner = by_folders([file for file in files if _folder(file, level) not in aside], known, mode, first)
        return inner._replace(notes=[*said, *inner.notes], labelling=_but(inner.labelling, level, aside))
    if mode == "folder":
        return Folders(_as_text(level, known, numbers), said, _others(files, names, known, level, found))
    if not names:
        return Folders(no_label, [], ())
    if all(index is not None for index in found.values()):
        note = "Labels are the folders' names"
        by_number = numbers and not any(name in known.classes for name in names)
        notes = [f"{note}, read as class indices." if by_number else f"{note}."]
        readings = _others(files, names, known, level, found)
        return Folders(_as_text(level, known, numbers), [*said, *notes], readings)
    known.used.clear()
    return Folders(no_label, [_unlabelled(names, found, known)], _others(files, names, known, level, {}))


def _says_unlabelled(name: str) -> bool:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold() in UNLABELLED


def _but(labelling: Labelling, level: int, aside: Sequence[str]) -> Labelling:
    """The labelling, but for files in folders that are set aside."""

    def label(file: ImageFile) -> tuple[str | int | None, str]:
        return no_label(file) if _folder(file, level) in aside else labelling(file)

    return label


def by_numbers(files: Sequence[ImageFile]) -> Folders:
    """The labels of a set of values: the folders' names where all are numbers, else none."""
    names = {name for file in files if (name := _folder(file, 0))}
    if not names or not all(NUMBER.fullmatch(name) for name in names):
        said = ["No labels: the folders' names are no numbers, and the network gives values."][: len(names)]
        return Folders(no_label, said, ())

    def label(file: ImageFile) -> tuple[str | None, str]:
        name = _folder(file, 0)
        return name, f"folder {name}"

    return Folders(label, ["Labels are the folders' names, read as numbers."], ())


COUNTED = "Labels are the folders' names, read as numbers counted from"
ORDERED = "Labels are the folders in the order of their names as text (ImageFolder's: 10 before 2)."


def _level(files: Sequence[ImageFile], known: Known) -> tuple[int, str]:
    """How deep the folders lie that are classes: below train, val and the like, and below one folder of
    all; and what is above them."""
    level = 0
    while level < DEEPEST:
        outer = {name for file in files if (name := _folder(file, level))}
        inner = {name for file in files if (name := _folder(file, level + 1))}
        if not outer or not inner or any(known.index(name) is not None for name in outer):
            break
        splits = all(name.casefold() in SPLITS for name in outer)
        alone = len(outer) == 1 and all(_folder(file, level + 1) for file in files) and not known.unnamed
        of_classes = all(known.index(name, known.unnamed) is not None for name in inner)
        of_splits = all(name.casefold() in SPLITS for name in inner)
        of_splits = of_splits and any(_folder(file, level + 2) for file in files)
        if not splits and not (len(outer) == 1 and (of_classes or of_splits)) and not alone:
            break
        level += 1
    known.used.clear()
    parts = {tuple(file.shown.split("/")[:level]) for file in files if level and _folder(file, level - 1)}
    return level, " and ".join(f"{'/'.join(part)}/" for part in sorted(parts))


def folder_names(files: Sequence[ImageFile]) -> list[str]:
    """The folders that are classes, in the order of their names as text."""
    level, _ = _level(files, Known(()))
    return sorted({name for file in files if (name := _folder(file, level))})


def _folder(file: ImageFile, level: int) -> str | None:
    """The name of the folder that a file is in, `level` folders down; None where it is not so deep."""
    parts = file.shown.split("/")
    return parts[level] if len(parts) > level + 1 else None


def _as_text(level: int, known: Known, numbers: bool) -> Labelling:
    def label(file: ImageFile) -> tuple[str | int | None, str]:
        name = _folder(file, level)
        index = None if name is None else known.index(name, numbers)
        return (name if index is None else index), f"folder {name}"

    return label


def _ranked(names: list[str], known: Known, level: int) -> Labelling:
    """The labelling by the folders' rank. Raises InputError where they are not as many as the classes."""
    if len(names) != len(known.classes):
        raise InputError(
            f"images.labels is imagefolder, but there are {len(names)} folders, {len(known.classes)} classes",
            "give a folder for each class, or set model.classes and images.labels: folder",
        )
    return _placed({name: rank for rank, name in enumerate(names)}, level)


def _placed(index: Mapping[str, int], level: int) -> Labelling:
    """The labelling by the index of each folder."""

    def label(file: ImageFile) -> tuple[int | None, str]:
        name = _folder(file, level)
        return (None if name is None else index[name]), f"folder {name}"

    return label


def _counted(names: Sequence[str], known: Known, first: int) -> dict[str, int] | None:
    """The index of each folder, its number counted from `first`; None where a folder is no number or is a
    class's name. Raises InputError where a number is then no class."""
    if not names or not all(name.isdecimal() and not known.is_name(name) for name in names):
        return None
    found = {name: int(name) - first for name in names}
    odd = next((name for name, index in found.items() if not 0 <= index < len(known.classes)), None)
    if odd is not None:
        raise InputError(
            f"folder {odd}: no class: the model has {len(known.classes)}, counted from {first}",
            f"set images.first_index: {1 - first}, or rename the folder",
        )
    return found


def _others(
    files: Sequence[ImageFile], names: list[str], known: Known, level: int, used: Mapping[str, int | None]
) -> tuple[Reading, ...]:
    """The other orders of the folders (see `orders.other_orders`); what it asks leaves no trace."""
    traces = dict(known.used)
    found = other_orders(files, names, known, used, lambda file: _folder(file, level))
    known.used.clear()
    known.used.update(traces)
    return found


def _unlabelled(names: list[str], found: Mapping[str, int | None], known: Known) -> str:
    """Why no image has a label, and what to do."""
    others = [name for name in names if found[name] is None]
    numerals = all(name.isdecimal() for name in names)
    if (
        numerals
        and known.unnamed
        and min(map(int, names)) == 1
        and max(map(int, names)) == len(known.classes)
    ):
        more = ", images.labels: imagefolder in the order of text (10 before 2)" if len(names) > 9 else ""
        return (
            f"No labels: the folders are the numbers 1 to {len(known.classes)}, and indices count from 0;"
            f" images.first_index: 1 reads them as counted from 1{more}."
        )
    if len(others) < len(names):
        known_one = next(name for name in names if found[name] is not None)
        guess = did_you_mean(nearest(others[0], known.classes))
        return (
            f"No labels: the folder {others[0]} is not a class{guess}, {known_one} is. Rename it, or name "
            "the classes in model.classes."
        )
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    if not known.unnamed:
        numbers = all(name.isdecimal() for name in names)
        more = "images.labels: folder reads them as indices" if numbers else "images.labels: none says so"
        if numbers and max(map(int, names)) == len(known.classes):
            more = "images.first_index: 1 reads them as counted from 1"
        if numbers and len(names) == len(known.classes):
            more += ", images.labels: imagefolder in the order of text (10 before 2)"
        return (
            f"No labels: none of the {len(names)} folders ({shown}) is one of the model's classes "
            f"({', '.join(known.classes[:3])}, …); {more}."
        )
    remedy = "name them in model.classes, in the order of the model's outputs"
    if len(names) == len(known.classes):
        listed = f": [{some(names)}]" if len(names) <= FEW else " to them"
        remedy += (
            f". If that is the order of the names (ImageFolder's), set images.labels: imagefolder, or "
            f"model.classes{listed}"
        )
    return f"No labels: the folders ({shown}) are no class indices, and the classes have no names; {remedy}."


def label_index(label: str | int, place: str, known: Known) -> int | None:
    """The index of a label, None for a word for nothing. Raises InputError with where it stands."""
    if isinstance(label, int):
        return label
    if (found := known.index(label)) is not None:
        return found
    if label.casefold() in NOTHING:
        return None
    try:
        return index_of(label, known.classes)
    except UnknownName as error:
        named = ", ".join(known.classes[:3])
        raise InputError(
            f"{place}: {error}",
            f"labels are names or indices of the model's {len(known.classes)} classes ({named}, …); "
            "set model.classes, or images.labels to none",
        ) from error
