"""Parts of the images, such as eyes and noses, given as boxes in a CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reportgen.errors import InputError
from reportgen.inputs.images.listing import ImageFile, absolute, beside, printable
from reportgen.inputs.images.matching import meant
from reportgen.inputs.images.preprocessing import Geometry
from reportgen.inputs.images.tables import read_table

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom
SIDES = ("left", "top", "right", "bottom")
COLUMNS = ("path", "part", *SIDES)
VISIBLE = 0.5  # of a part's area: with less of it in the model's view the image lacks the part
NEARLY = 1e-6  # px: what rounding alone reaches into a pixel


@dataclass(frozen=True)
class PartRow:
    """A part of one image, in pixels of the upright original, and where that stands."""

    path: Path
    part: str
    box: Box
    place: str


@dataclass(frozen=True)
class PartsList:
    """What a CSV of parts says: the parts' names in order of first mention, and its rows."""

    file: Path
    names: tuple[str, ...]
    rows: tuple[PartRow, ...]


def read_parts(file: Path) -> PartsList:
    """A CSV with the columns path, part, left, top, right and bottom. Raises InputError with file:line."""
    rows = [_row(file, place, cells) for place, cells in read_table(file, COLUMNS, COLUMNS).rows]
    if not rows:
        raise InputError(f"{file}: no part is listed", f"add a line `{','.join(COLUMNS)}` for each part")
    first: dict[tuple[Path, str], PartRow] = {}
    for row in rows:
        if first.setdefault((row.path, row.part), row) is not row:
            raise InputError(
                f"{row.place}: the part '{row.part}' of the same image stands at "
                f"{first[row.path, row.part].place}",
                "keep one of the two lines",
            )
    return PartsList(file, tuple(dict.fromkeys(row.part for row in rows)), tuple(rows))


def _row(file: Path, place: str, cells: dict[str, str]) -> PartRow:
    part = printable(cells.get("part", ""))
    if not part:
        raise InputError(f"{place}: the part has no name", "fill it in or remove the line")
    left, top, right, bottom = (_pixels(place, side, cells.get(side, "")) for side in SIDES)
    if not (left < right and top < bottom):
        raise InputError(
            f"{place}: the box of '{part}' is empty: left {left:g}, top {top:g}, right {right:g}, "
            f"bottom {bottom:g}",
            "give left < right and top < bottom, in pixels of the original image",
        )
    return PartRow(beside(file, cells["path"]), part, (left, top, right, bottom), place)


def _pixels(place: str, side: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(
            f"{place}: {side} is {text[:20]!r}", "give pixels of the original image, counted from 0"
        )
    return value


def with_parts(
    files: Sequence[ImageFile], listed: PartsList, images: Path
) -> tuple[list[ImageFile], list[str]]:
    """The files with their boxes in the order of the parts' names, and notes for the reader.

    Paths mean what those of a CSV of labels mean. Raises InputError where no row names an image.
    """
    full = meant([row.path for row in listed.rows], files, listed.file.parent, images)
    boxes: dict[str, dict[str, Box]] = {}
    for row in listed.rows:
        boxes.setdefault(full[row.path], {})[row.part] = row.box
    unused = boxes.keys() - {absolute(file.path) for file in files}
    if len(unused) == len(boxes):
        raise InputError(
            f"{listed.rows[0].place}: no row names an image of this set "
            f"({printable(str(listed.rows[0].path))})",
            "give paths relative to the CSV's folder or to the image folder",
        )
    notes = [f"{len(unused)} images of {listed.file.name} are not in this set."] if unused else []
    held = (boxes.get(absolute(file.path), {}) for file in files)
    found = [
        replace(file, parts=tuple(own.get(name) for name in listed.names))
        for file, own in zip(files, held, strict=True)
    ]
    return found, notes


def placed(parts: Sequence[Box | None], geometry: Geometry) -> npt.NDArray[np.int64]:
    """The parts' boxes on the model's input, (parts, 4): top, left, bottom, right, rounded outward.

    All zero for a part that the image lacks, or of which less than half is in view.
    """
    left, top, right, bottom = geometry.crop_px
    width, height = right - left, bottom - top
    found = np.zeros((len(parts), 4), np.int64)
    for number, part in enumerate(parts):
        if part is None:
            continue
        x0, y0, x1, y1 = geometry.on_input(part)
        (seen_x0, seen_x1), (seen_y0, seen_y1) = np.clip((x0, x1), 0, width), np.clip((y0, y1), 0, height)
        if (seen_x1 - seen_x0) * (seen_y1 - seen_y0) < VISIBLE * (x1 - x0) * (y1 - y0):
            continue
        first = (math.floor(v + NEARLY) for v in (seen_y0, seen_x0))
        last = (math.ceil(v - NEARLY) for v in (seen_y1, seen_x1))
        found[number] = (*first, *last)
    return found
