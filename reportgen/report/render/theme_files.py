"""The files of a theme's folder, read with an end: regular, of a bounded size, in the folder itself."""

from __future__ import annotations

from pathlib import Path

from reportgen import files
from reportgen.errors import RecipeError

SHEET_BYTES = 262_144
FONT_BYTES = 4_194_304
REMEDY = "put a regular file there, in the theme's own folder"


def read(folder: Path, name: str, at_most: int) -> bytes:
    """The bytes of a file of a theme's folder. Raises RecipeError where it is none that ends: a pipe, a
    device, a file that is too large, or one that a link leads out of the folder to."""
    file = folder / name
    try:
        if files.leads_out(file, folder):
            raise RecipeError(f"cannot read {str(file)!r}: a link leads out of the folder", REMEDY)
        return files.read(file, at_most)
    except files.TooLarge as error:
        remedy = f"make it smaller: it may have at most {at_most:,} bytes"
        raise RecipeError(f"cannot read {str(file)!r}: {error.strerror}", remedy) from error
    except OSError as error:
        raise RecipeError(f"cannot read {str(file)!r}: {error.strerror}", REMEDY) from error
