"""`reportgen diff`: two reports' folders -> what changed, and its page."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from reportgen.audit.compare.comparison import SCHEMA, Comparison
from reportgen.audit.compare.kept import MapsBefore, compared_with
from reportgen.audit.compare.sides import Side, read_side, told_apart
from reportgen.errors import RecipeError
from reportgen.report.render import diff, themes
from reportgen.writing import refused


@dataclass(frozen=True)
class Difference:
    """Two audits, what changed from the old one to the new one, and the maps of both to set side by side."""

    new: Side
    comparison: Comparison
    maps: list[MapsBefore]


def compared(old: Path, new: Path) -> Difference:
    """Compares the reports in two folders, by the limits of the new one's recipe.

    Raises InputError where one of the folders holds no report, or one of another version.
    """
    sides = told_apart(read_side(old), read_side(new), old, new)
    gates = sides[1].results["recipe"]["gates"]
    return Difference(sides[1], *compared_with(sides[1], sides[0], gates))


def written(found: Difference, out: Path, theme: str | None = None) -> Path:
    """Writes diff.html and diff.json into a folder, in place of earlier ones; the path of the page.

    Raises RecipeError where files of those names are somebody else's, the folder cannot be written, or the
    theme is unknown.
    """
    clothed = themes.theme(theme or found.new.results["recipe"]["output"]["theme"])
    stands = [out / name for name in (diff.PAGE, diff.NUMBERS) if os.path.lexists(out / name)]
    if stands and not _is_ours(out):
        raise RecipeError(
            f"{stands[0]} was not written by reportgen, and the comparison would be written there",
            "move it away, or name another --out",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        diff.write(out, found.comparison, found.new.evidence, found.maps, clothed)
    except OSError as error:
        raise refused(out, error) from error
    return out / diff.PAGE


def _is_ours(out: Path) -> bool:
    try:
        return bool(json.loads((out / diff.NUMBERS).read_bytes())["schema"] == SCHEMA)
    except (OSError, ValueError, KeyError, TypeError):
        return False
