"""The files of a theme's folder, read with an end: regular, of a bounded size, in the folder itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reportgen.errors import RecipeError

SHEET_BYTES = 262_144
FONT_BYTES = 4_194_304
FONT_REMEDY = "put a regular file there, in the theme's own folder"


def read(file: Path, at_most: int) -> bytes:
    """The bytes of a theme's file. Raises RecipeError where it is none that ends: a pipe, a device, a file
    that is too large, or one that a link leads out of the folder to."""
    why = _unfit(file, at_most)
    if why:
        raise RecipeError(f"cannot read {str(file)!r}: {why}", FONT_REMEDY)
    try:
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(at_most + 1)
    except OSError as error:
        raise RecipeError(f"cannot read {str(file)!r}: {error.strerror}", FONT_REMEDY) from error
    if len(data) > at_most:
        raise RecipeError(f"cannot read {str(file)!r}: it has more than {at_most:,} bytes", FONT_REMEDY)
    return data


def _unfit(file: Path, at_most: int) -> str:
    """Why a file is not read; "" where it is."""
    try:
        status = os.stat(file)
    except OSError as error:
        return error.strerror or str(error)
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_size > at_most:
        return f"it has {status.st_size:,} bytes, more than {at_most:,}"
    folder = file.parent.parent if file.parent.name == "fonts" else file.parent
    return "" if file.resolve().is_relative_to(folder.resolve()) else "a link leads out of the folder"
