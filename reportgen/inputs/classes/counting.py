"""Labels that are numbers: whether they count the classes from 0, as networks do, or from 1, as people do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from reportgen.errors import InputError
from reportgen.inputs.classes.known import NOTHING, WHOLE, Known
from reportgen.inputs.classes.labels import Labelling
from reportgen.inputs.classes.orders import Reading
from reportgen.inputs.images.listing import ImageFile

BETWEEN = re.compile(r"[|;,\s]+")


class Counted(NamedTuple):
    """The labelling with numbers as indices from 0, notes, and how else they could be read."""

    labelling: Labelling
    notes: list[str]
    readings: tuple[Reading, ...] = ()


class _Numbers(NamedTuple):
    """The labels of a list that are all numbers, by file number, and where they stand."""

    by_file: dict[int, list[int]]
    places: dict[int, str]

    def reading(self, first: int, count: int) -> dict[int, int]:
        """The one class of each file, counted from `first`; no file whose number is then none."""
        return {
            file: numbers[0] - first
            for file, numbers in self.by_file.items()
            if len(numbers) == 1 and 0 <= numbers[0] - first < count
        }


def counted(files: Sequence[ImageFile], labelling: Labelling, known: Known, first: int | None) -> Counted:
    """The labelling of a list, its numbers as indices.

    `first` is the number of the first class, None where nobody says. Then numbers from 1 to the number of
    classes, both of which occur, and never 0, are counted from 1: no other reading takes them all. Numbers
    that both readings take are indices from 0, and the other is kept for the answers to speak on. Raises
    InputError where `first` cannot be.
    """
    numbers = _numbers(files, labelling, known)
    if numbers is None:
        return Counted(labelling, [])
    values = {value for some in numbers.by_file.values() for value in some}
    count = len(known.classes)
    if first == 1 and 0 in values:
        place = next(numbers.places[file] for file, some in numbers.by_file.items() if 0 in some)
        raise InputError(f"{place}: label '0', but images.first_index is 1", "set images.first_index: 0")
    if first == 1 and max(values) > count:
        place = next(numbers.places[file] for file, some in numbers.by_file.items() if max(some) > count)
        raise InputError(
            f"{place}: label '{max(values)}', counted from 1, but the model has {count} classes",
            "mend the label, or set images.first_index: 0 if labels are counted from 0",
        )
    whole = min(values) == 1 and max(values) == count and count > 1
    if first == 1 or (first is None and whole):
        said = f"Labels are the numbers 1 to {count} and never 0: they are counted from 1"
        said = "As the recipe says, labels are counted from 1" if first == 1 else said
        note = f"{said}: {min(values)} is {known.classes[min(values) - 1]}."
        out = [numbers.places[file] for file, some in numbers.by_file.items() if count in some]
        remedy = f"images.first_index: 0, and mend the label {count} ({out[0] if out else ''})"
        other = Reading("as indices from 0", remedy, numbers.reading(0, count), "labels")
        return Counted(_shifted(labelling, numbers), [note], (other,) if first is None else ())
    if first is None and min(values) >= 1 and max(values) < count:
        other = Reading("as counted from 1", "images.first_index: 1", numbers.reading(1, count), "labels")
        return Counted(labelling, [], (other,))
    if first is None and min(values) >= 1 and max(values) == count:
        place = next(numbers.places[file] for file, some in numbers.by_file.items() if count in some)
        raise InputError(
            f"{place}: unknown class '{count}': the model has {count} classes, numbered from 0",
            "set images.first_index: 1 if labels are counted from 1; else mend the label or model.classes",
        )
    return Counted(labelling, [])


def _numbers(files: Sequence[ImageFile], labelling: Labelling, known: Known) -> _Numbers | None:
    """The labels as numbers, None where there are none, one is none, or a class is called so."""
    by_file: dict[int, list[int]] = {}
    places: dict[int, str] = {}
    for file in files:
        label, place = labelling(file)
        if isinstance(label, int):
            return None
        parts = [part for part in BETWEEN.split((label or "").strip("[](){}|")) if part]
        whole = [part.partition(".")[0] if WHOLE.fullmatch(part) else part for part in parts]
        if not all(part.isdecimal() and part.isascii() and len(part) < 10 for part in whole):
            if label and known.index(label) is None and label.casefold() in NOTHING:
                continue
            return None
        if any(known.is_name(part) for part in (*parts, *whole)):
            return None
        if whole:
            by_file[file.number], places[file.number] = [int(part) for part in whole], place
    return _Numbers(by_file, places) if by_file else None


def _shifted(labelling: Labelling, numbers: _Numbers) -> Labelling:
    """The labelling with each number one less."""

    def label(file: ImageFile) -> tuple[str | int | None, str]:
        text, place = labelling(file)
        own = numbers.by_file.get(file.number)
        if own is None:
            return text, place
        return (own[0] - 1 if len(own) == 1 else "|".join(str(value - 1) for value in own)), place

    return label
