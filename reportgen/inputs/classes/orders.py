"""The orders that numbered folders can stand in beside the one that is used, and which the answers fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from reportgen.inputs.classes.known import Known, quoted
from reportgen.inputs.images.listing import ImageFile
from reportgen.stats import paired_difference

NUMBERED = re.compile(r"(\d{1,9})(?:\s*[._ \-]\s*\S.*)?")  # 7, 07_ant
FEW = 8
TEXT = "in ImageFolder's order (as text, 10 before 2)"
COUNTED = "by number, the lowest first"


class Reading(NamedTuple):
    """Another way to read the folders, or what `of` says, as labels: in words, how to take it, and the index
    by file number. `unlikely` says that names speak for the labels as they are."""

    words: str
    remedy: str
    indices: Mapping[int, int]
    of: str = "folders"
    unlikely: bool = False


class _Way(NamedTuple):
    """A reading by the folders' names."""

    words: str
    remedy: str
    ranks: dict[str, int]


def other_orders(
    files: Sequence[ImageFile],
    names: Sequence[str],
    known: Known,
    used: Mapping[str, int | None],
    folder: Callable[[ImageFile], str | None],
) -> tuple[Reading, ...]:
    """The readings of as many folders as classes that are possible beside the one that is used.

    `names` are the folders in the order of their names as text, `used` the class of each, None where it has
    none; `folder` gives a file's folder. Of classes that have names only numbered folders have other orders.
    """
    if len(names) != len(known.classes):
        return ()
    by_number = in_number_order(names)
    if known.unnamed:
        ways, unlikely = _of_unnamed(names, by_number), False
    elif by_number is None:
        return ()
    else:
        by_name = {name: known.index(name, numbers=False) for name in names}
        # folders that are classes by name, each once: what may be wrong is the order of the list of classes
        unlikely = sorted(index for index in by_name.values() if index is not None) == [*range(len(names))]
        listed = {name: index for name, index in by_name.items() if index is not None}
        ways = _of_listed(names, by_number, listed, known) if unlikely else _of_named(names, by_number)
    found: list[_Way] = []
    for way in ways:
        if way.ranks != used and way.ranks not in [one.ranks for one in found]:
            found.append(way)
    return tuple(
        Reading(
            way.words,
            way.remedy,
            {f.number: way.ranks[n] for f in files if (n := folder(f))},
            "folders",
            unlikely,
        )
        for way in found
    )


def _ranks(names: Sequence[str]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}


def _of_unnamed(names: Sequence[str], by_number: Sequence[str] | None) -> list[_Way]:
    """The orders of folders whose classes have no names: the list of folders names them, too."""
    ways = [_Way(TEXT, "images.labels: imagefolder", _ranks(names))]
    if by_number is not None:
        ways.append(_Way(COUNTED, f"model.classes: [{some(by_number)}]", _ranks(by_number)))
    return ways


def _of_named(names: Sequence[str], by_number: Sequence[str]) -> list[_Way]:
    """The orders of folders of numbers that are no names of the classes."""
    ways = [_Way(TEXT, "images.labels: imagefolder", _ranks(names))]
    numbers = [int(name) if name.isdecimal() else -1 for name in by_number]
    if numbers == [*range(len(names))]:
        ways.append(_Way("as indices", "images.labels: folder", _ranks(by_number)))
    elif numbers == [*range(1, len(names) + 1)]:
        ways.append(_Way("as counted from 1", "images.first_index: 1", _ranks(by_number)))
    else:
        remedy = "images.labels: imagefolder, with numbers of one length in the folders' names (002, 010)"
        ways.append(_Way(COUNTED, remedy, _ranks(by_number)))
    return ways


def _of_listed(
    names: Sequence[str], by_number: Sequence[str], index: Mapping[str, int], known: Known
) -> list[_Way]:
    """The orders of the list of classes, where each folder is one of them by its name."""
    ways = []
    for words, order in (
        (f"with the classes {TEXT}", names),
        (f"with the classes {COUNTED} (2 before 10)", by_number),
    ):
        listed = some([known.classes[index[name]] for name in order])
        ways.append(_Way(words, f"model.classes: [{listed}]", _ranks(order)))
    return ways


def in_number_order(names: Sequence[str]) -> list[str] | None:
    """The names by the numbers that they are or begin with, the lowest first; None where one has none, or
    two have the same."""
    parts = {name: found[1] for name in names if (found := NUMBERED.fullmatch(name))}
    if len({int(part) for part in parts.values()}) < len(names):
        return None
    return sorted(names, key=lambda name: int(parts[name]))


def some(names: Sequence[str]) -> str:
    """The names as a recipe lists them, the first few of many."""
    return ", ".join(quoted(name) for name in names[:FEW]) + (", …" if len(names) > FEW else "")


def agreement(
    readings: Iterable[Reading], used: Mapping[int, int | None], answers: Mapping[int, int]
) -> list[str]:
    """How well the answers (class index by file number) fit each reading of the folders, in words, the one
    that they fit best first: it is proposed, the others are named."""
    notes: list[tuple[float, str]] = []
    for one in readings:
        seen = [number for number in answers if number in one.indices]
        fits = [number for number in seen if answers[number] == one.indices[number]]
        labelled = [number for number in seen if used.get(number) is not None]
        mine = [number for number in labelled if answers[number] == used[number]]
        if not seen or (labelled and len(fits) <= len(mine)):
            continue
        gained, lost = len({*fits} - {*mine}), len({*mine} - {*fits})
        if one.unlikely and paired_difference(gained, lost, len(seen))[0] <= 0:
            continue  # chance can give such a gain
        now = f"As labelled, {len(mine)} of {len(labelled)} answers are right; read" if labelled else "Read"
        text = f"{now} {one.words}, the {one.of} fit {len(fits)} of {len(seen)} answers"
        notes.append((len(fits) / len(seen), f"{text}: for that set {one.remedy}."))
    return [note for _, note in sorted(notes, key=lambda note: -note[0])]  # stable: equal ones as they came
