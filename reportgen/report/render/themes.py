"""Where templates and themes lie, in a checkout and in a wheel, and a theme's style sheet."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reportgen.errors import RecipeError, did_you_mean, nearest
from reportgen.report.pictures.rasters import Encoded
from reportgen.report.render import sheets
from reportgen.report.render.logos import logo
from reportgen.report.render.sheets import Rule
from reportgen.report.render.theme_check import check

PACKAGE = Path(__file__).resolve().parents[2]
RANGE = re.compile(r"U\+([0-9A-F]+)(?:-([0-9A-F]+))?")
URL = re.compile(r'url\("([^"]+)"\)')


def folder(name: str) -> Path:
    """`templates` or `themes`: inside the package of a wheel, beside it in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


@dataclass(frozen=True)
class Theme:
    """A folder with tokens.css (variables only) and, where it has its own, the other sheets, fonts
    and a logo.svg or logo.png.

    What the folder lacks is taken from the default theme, so a theme may be one file.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """A file of the theme, or the default theme's."""
        own = self.folder / name
        return own if own.exists() else folder("themes") / "default" / name

    def css(self, *names: str) -> str:
        """The named style sheets, one after another: parsed and written again, without comments."""
        return "\n".join(sheets.written(sheets.read(self.path(name))) for name in names)

    def variables(self) -> dict[str, str]:
        """The theme's variables in its light scheme, by name: what paper shows."""
        rules = [rule for rule in sheets.read(self.path("tokens.css")) if rule.head == ":root"]
        entries = [entry for rule in rules for entry in rule.declarations.values()]
        return {entry.name: entry.text for entry in entries if entry.name.startswith("--")}

    def logo(self) -> Encoded | None:
        """The theme's logo, where it has one."""
        return logo(self.folder)

    def font_files(self) -> list[Path]:
        """The font files that fonts.css names."""
        sheet = self.path("fonts.css")
        return [sheet.parent / name for name in URL.findall(self.css("fonts.css"))]

    def fonts(self, text: str, font: Callable[[Path], str]) -> str:
        """The @font-face rules that `text` has a character for, each font where `font` says."""
        codes = set(map(ord, set(text)))  # a page has millions of characters, and few kinds of them
        sheet = self.path("fonts.css")
        needed = [rule for rule in sheets.read(sheet) if any(_holds(rule, code) for code in codes)]
        text = sheets.written(needed)
        return URL.sub(lambda match: f'url("{font(sheet.parent / match[1])}")', text)


def _holds(face: Rule, code: int) -> bool:
    """Whether a face's unicode-range has the character; a face without a range has all."""
    ranged = face.declarations.get("unicode-range")
    spans = RANGE.findall(ranged.text) if ranged else ()
    return ranged is None or any(int(a, 16) <= code <= int(b or a, 16) for a, b in spans)


def data_uri(font: Path) -> str:
    """A font inside the style sheet."""
    return f"data:font/woff2;base64,{base64.b64encode(font.read_bytes()).decode()}"


def themes() -> dict[str, Path]:
    """The themes that come with reportgen, by name."""
    return {path.parent.name: path.parent for path in folder("themes").glob("*/tokens.css")}


def theme(name: str) -> Theme:
    """A theme by name, or by the path of its folder.

    Raises RecipeError with the nearest name, or with what is wrong with the folder.
    """
    known = themes()
    if name in known:
        return Theme(known[name])
    own = Path(name)
    if os.path.isdir(own):
        check(own, known["default"])
        return Theme(own)
    raise RecipeError(
        f"unknown theme {name!r}{did_you_mean(nearest(name, known))}",
        f"themes here: {', '.join(sorted(known))}; or the path of a folder with a tokens.css",
    )
