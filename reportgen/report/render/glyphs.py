"""Which characters of a text no font can show, and how that is told."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Collection
from functools import cache
from pathlib import Path

from reportgen.report.render.themes import Theme
from reportgen.report.wording import plural

NAMED = 12  # characters that the warning names one by one
STAND_IN = "?"  # every font has it
TEXT = re.compile(r">[^<]+")


def beyond(text: str, theme: Theme) -> frozenset[str]:
    """The characters of `text` that no font of the theme has a glyph for."""
    held: set[int] = set()
    for file in theme.font_files():
        held |= _coverage(file)
    return frozenset(
        one for one in set(text) if ord(one) not in held and not one.isspace() and one.isprintable()
    )


@cache
def _coverage(file: Path) -> frozenset[int]:
    """The code points that a font file has glyphs for."""
    from fontTools.ttLib import TTFont

    with TTFont(io.BytesIO(file.read_bytes()), lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


def without(markup: str, missing: Collection[str]) -> str:
    """Markup with a stand-in for what no font can show; tags and attributes stay as they are."""
    swapped = str.maketrans(dict.fromkeys(missing, STAND_IN))
    return TEXT.sub(lambda found: found[0].translate(swapped), markup)


def warning(missing: Collection[str]) -> str:
    """The sentence that names the characters no font has; "" where there is none."""
    if not missing:
        return ""
    ordered = sorted(missing)
    named = ", ".join(f"U+{ord(one):04X} {unicodedata.name(one, 'unnamed')}" for one in ordered[:NAMED])
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return (
        f"{plural(len(ordered), 'character')} of names or texts can be shown by no font of the theme or of"
        f" this machine, and stand as “{STAND_IN}” in the PDF: {named}{more}. report.html and results.json"
        " have them. A font that covers them, such as Noto Sans CJK, mends this at the next rendering."
    )
