"""Documents to markup: the Jinja environment that the screen and the print template share."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from reportgen.report.pictures import figures
from reportgen.report.pictures.levels import RawMap
from reportgen.report.pictures.rasters import Raster
from reportgen.report.render import themes
from reportgen.report.render.sheets import sealed
from reportgen.shown import visible

# what the page's script is made of, in templates/script: those that others use come before them
SCRIPTS = (
    "png.js",  # a map's bytes
    "colour.js",  # bytes to colours
    "figures.js",  # the page's figures and their maps
    "stage.js",  # a map over its photograph
    "controls.js",  # how it is shown
    "explorer.js",  # the dialog around them
    "tip.js",  # the value under the mouse
    "find.js",  # the table of images
    "save.js",  # what is downloaded
    "contents.js",  # the section that is read
    "copy.js",  # texts and links for the clipboard
    "cut.js",  # tables that are broader than the window
    "view.js",  # the address
)
# a theme's sheets of each document: of two rules that weigh the same, the later one holds
SCREEN_SHEETS = ("tokens.css", "screen.css", "explorer.css", "find.css")
PRINT_SHEETS = ("print.css",)  # with the values of tokens.css written into it
CODE = re.compile(r"`([^`]+)`")
VAR = re.compile(r"var\((--[\w-]+)\)")
# a theme may leave rules of the default out, but a logo is no poster over the verdict
LOGO_ON_SCREEN = ".logo img { max-height: 44px !important; max-width: 220px !important; }"
LOGO_IN_PRINT = ".logo img { max-height: 14mm !important; max-width: 70mm !important; }"
# elements whose text stays as it is, or a tag, or the text between two tags
KEPT_OR_TEXT = re.compile(r"(<(svg|pre|option|textarea|title)\b.*?</\2>|<[^>]*>)|[^<]+", re.S)
# with a sign before it ("≥ 95 %"): the space between them must not stand alone, for not every font has one
PER_CENT = re.compile(r"(?<![\d.,])(?:[≥≤≈±] )?\d[\d.,]* %")
CELLS = ("<td", "<th")
WIDTH = re.compile(r'class="w(\d+)"')
Source = Callable[[Raster], str]  # where a document finds a picture: a data: URI or a name
Levels = Callable[[RawMap], str | None]  # what a page carries of a map beside its picture, in base64


class Compiled(BytecodeCache):
    """The code of the templates, so that a process compiles each once: a page is rendered several times
    to weigh it, each time with other functions in its environment."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Gives a template's code where its text is the same as when it was compiled."""
        checksum, code = self.codes.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keeps what was compiled."""
        if bucket.code is not None:
            self.codes[bucket.key] = (bucket.checksum, bucket.code)


COMPILED = Compiled()


def environment(source: Source, levels: Levels | None = None) -> Environment:
    """Templates with autoescape; a name that is not known is an error, not an empty string."""
    jinja = Environment(
        loader=FileSystemLoader(themes.folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=COMPILED,
        finalize=seen,
    )
    jinja.globals["src"] = source
    jinja.globals["levels"] = levels
    jinja.filters["prose"] = prose
    jinja.filters["oneline"] = oneline
    return jinja


def seen(value: object) -> object:
    """What is printed of a value: nothing in a text is hidden."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def prose(text: str) -> Markup:
    """Escaped text with `names` in backticks set as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(visible(text)))))


def oneline(markup: Markup) -> Markup:
    """Markup without line breaks: attributes that were written one a line."""
    return Markup(" ").join(Markup(part) for part in markup.splitlines() if part)


def in_one(text: str) -> str:
    """Words that no line parts, on the screen."""
    return f'<span class="nb">{text}</span>'


def in_one_in_print(text: str) -> str:
    """Words that no line parts, in print: WeasyPrint breaks the line before or after such a span where there
    is no need to."""
    return text.replace(" ", "\u00a0")


def unbroken(markup: str, bound: Callable[[str], str] = in_one) -> str:
    """Markup in which no line ends between a number and its per cent sign, where it stands among words:
    `bound` keeps them together. What is drawn, and text that is shown as it was written, stays."""
    tag = ""

    def kept(found: re.Match[str]) -> str:
        nonlocal tag
        text, before = found[0], tag
        if found[1]:
            tag = text
            return text
        if before.startswith(CELLS) and PER_CENT.fullmatch(text.strip()):
            return text  # alone in its cell it needs nothing
        return PER_CENT.sub(lambda number: bound(number[0]), text)

    return KEPT_OR_TEXT.sub(kept, markup)


def render(source: Source, template: str, levels: Levels | None = None, **values: Any) -> str:
    """A template's markup with pictures from `source`."""
    return environment(source, levels).get_template(template).render(**values)


def print_style(theme: themes.Theme, text: str, bars: Mapping[str, str]) -> str:
    """The style sheet of the PDF: variables replaced by their values, as WeasyPrint would otherwise
    do for every element; `bars` are the pictures of the palettes."""
    variables = theme.variables()
    sheet = VAR.sub(lambda match: variables[match[1]], theme.css(*PRINT_SHEETS))
    used = sorted(set(WIDTH.findall(text)), key=int)
    widths = "".join(f".w{n}{{width:{n}%}}" for n in used)
    drawn = "".join(
        f'.bar-{palette}{{background:url("{url}") 0 0/100% 100% no-repeat}}' for palette, url in bars.items()
    )
    return sealed("\n".join((theme.fonts(text, themes.data_uri), sheet, drawn, widths, LOGO_IN_PRINT)))


def screen_style(theme: themes.Theme, text: str, font: Callable[[Path], str] = themes.data_uri) -> str:
    """The style sheet of the page: fonts for its text, variables, layout, scales. `font` says where it
    finds a font's file."""
    widths = "".join(f".w{n}{{width:{n}%}}" for n in range(101))
    sheets = theme.css(*SCREEN_SHEETS)
    fonts = theme.fonts(text, font)
    return sealed("\n".join((fonts, sheets, figures.palette_css(), widths, LOGO_ON_SCREEN)))


def script() -> str:
    """The page's script: the palettes and the files of SCRIPTS, closed to the outside."""
    palettes = {name: base64.b64encode(figures.table(name).tobytes()).decode() for name in figures.PALETTES}
    folder = themes.folder("templates") / "script"
    text = "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\nconst PALETTES = {json.dumps(palettes)};\n{text}\n}})();'
