"""Galleries and tables -> strips and printed cells; colour bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.findings import Gallery, PictureGrid, Table
from reportgen.report.pictures.figures import KERNEL_PX, rgb_picture, sprite
from reportgen.report.pictures.scales import bar
from reportgen.report.values.card import Column, Grid, GridTile, Strip, TableView
from reportgen.report.wording import cell, plural, shape

TILES_IN_ROW = 8
KERNELS_IN_ROW = 16


def strip(finding: Gallery, stem: str, subject: str) -> Strip:
    """A gallery as one picture with its tiles' numbers in the caption."""
    kernels = max(finding.values.shape[-2:]) <= KERNEL_PX
    tiles = len(finding.values)
    room = KERNELS_IN_ROW if kernels else TILES_IN_ROW
    columns = min(tiles, finding.columns or room // finding.together * finding.together or room)
    drawn, by = sprite(finding.values, finding.signed, finding.scale, columns)
    numbers = finding.numbers if finding.numbers is not None else np.arange(tiles)
    shown = ranges([int(n) for n in np.asarray(numbers).reshape(-1)])
    counted = f", {finding.counted} {shown}" if finding.counted else ""
    caption = f"{shape(finding.values.shape[-2:])}{counted}{_plain(finding)}"
    return Strip(
        id=f"{stem}-{finding.name}",
        title=finding.layer or finding.title,
        quantity=finding.quantity,
        caption=caption,
        alt=f"{finding.title}, {plural(tiles, 'tile')} of {subject}: {finding.quantity}",
        picture=drawn,
        columns=columns,
        bar=bar(by) if by else None,
    )


def picture_grid(finding: PictureGrid, stem: str) -> Grid:
    """Pictures in their places, row by row."""
    rows, columns = finding.sides
    tiles: list[list[GridTile | None]] = [[None] * columns for _ in range(rows)]
    told = zip(finding.places.tolist(), finding.values, finding.labels, finding.words, strict=True)
    for (row, column), pixels, label, words in told:
        tiles[row][column] = GridTile(rgb_picture(pixels), label, words)
    id_ = f"{stem}-{finding.name}"
    return Grid(id_, finding.title, finding.quantity, tuple(map(tuple, tiles)))


def _plain(finding: Gallery) -> str:
    """How many tiles hold nothing to draw, and why: they are left mid-grey."""
    broken = [n for n, tile in enumerate(finding.values) if not np.isfinite(tile).all()]
    even = [n for n, tile in enumerate(finding.values) if n not in broken and tile.min() == tile.max()]
    if finding.scale == "grid" and not broken and finding.values.min() < finding.values.max():
        even = []  # one value has its place on the scale of the grid
    if finding.scale == "unit":
        even = []  # and an even patch of a photograph is one
    parts = [(len(even), "of one value"), (len(broken), "not finite")]
    words = [f"{plural(count, 'tile')} {why}" for count, why in parts if count]
    return f"; {' and '.join(words)}, left grey" if words else ""


def ranges(numbers: Sequence[int]) -> str:
    """Numbers with runs of three and more shortened: 0, 1, 2, 3, 7 is "0–3, 7"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def table(finding: Table, stem: str) -> TableView:
    """A table's cells as text. A column of numbers only is set as one."""

    def numeric(column: int) -> bool:
        values = [row[column] for row in finding.rows if row[column] is not None]
        return bool(values) and all(isinstance(value, int | float) for value in values)

    heads = enumerate(finding.columns)
    return TableView(
        id=f"{stem}-{finding.name}",
        title=finding.title,
        columns=tuple(Column(head, numeric(at)) for at, head in heads),
        rows=tuple(tuple(cell(value) for value in row) for row in finding.rows),
        total=tuple("" if v is None else cell(v) for v in finding.total or ()) or None,
    )
