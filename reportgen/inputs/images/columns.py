"""The columns of a labels' CSV, or of a source of images, besides path and label: groups of the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reportgen.inputs.images.listing import ImageFile, absolute, beside
from reportgen.inputs.images.matching import meant
from reportgen.inputs.images.records import read_rows
from reportgen.inputs.images.sources.reading import packed_at


def columns(table: Path, files: Sequence[ImageFile], images: Path) -> dict[str, dict[int, str]]:
    """By the column's name in lower case, what it says of each image by number, "" where nothing.

    Paths are relative to the CSV's folder, or to the image set's where that fits more. Raises InputError with
    file:line.
    """
    source = packed_at(table)
    listed = source.table if source else read_rows(table)
    table = listed.file
    full = meant([beside(table, cells["path"]) for _, cells in listed.rows], files, table.parent, images)
    by_path = {full[beside(table, cells["path"])]: cells for _, cells in reversed(listed.rows)}
    named = listed.others("path", "label")
    cells_of = {file.number: by_path.get(absolute(file.path), {}) for file in files}
    return {name: {number: cells.get(name, "") for number, cells in cells_of.items()} for name in named}
