"""Documents to markup: the Jinja environment that the screen and the print template share."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from markupsafe import Markup, escape

from reportgen.errors import RenderError
from reportgen.report.pictures import figures
from reportgen.report.pictures.levels import RawMap
from reportgen.report.pictures.rasters import Raster
from reportgen.report.render import themes
from reportgen.report.render.sheets import sealed

CODE = re.compile(r"`([^`]+)`")
VAR = re.compile(r"var\((--[\w-]+)\)")
# a theme may leave rules of the default out, but a logo is no poster over the verdict
LOGO_ON_SCREEN = ".logo img { max-height: 44px !important; max-width: 220px !important; }"
LOGO_IN_PRINT = ".logo img { max-height: 14mm !important; max-width: 70mm !important; }"
WIDTH = re.compile(r'class="w(\d+)"')
Source = Callable[[Raster], str]  # where a document finds a picture: a data: URI or a name
Levels = Callable[[RawMap], str | None]  # what a page carries of a map beside its picture, in base64


def environment(source: Source, levels: Levels | None = None) -> Environment:
    """Templates with autoescape; a name that is not known is an error, not an empty string."""
    made = Environment(
        loader=FileSystemLoader(themes.folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["src"] = source
    made.globals["levels"] = levels
    made.filters["prose"] = prose
    made.filters["oneline"] = oneline
    return made


def prose(text: str) -> Markup:
    """Escaped text with `names` in backticks set as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


def oneline(markup: Markup) -> Markup:
    """Markup without line breaks: attributes that were written one a line."""
    return Markup(" ").join(Markup(part) for part in markup.splitlines() if part)


def render(source: Source, template: str, levels: Levels | None = None, **values: Any) -> str:
    """A template's markup with pictures from `source`. Raises RenderError where one is missing."""
    try:
        return environment(source, levels).get_template(template).render(**values)
    except TemplateNotFound as error:
        raise RenderError(
            f"there is no template {error.name}",
            f"add templates/{error.name}: it says how that visualization is laid out",
        ) from error


def print_style(theme: themes.Theme, text: str, bars: Mapping[str, str]) -> str:
    """The style sheet of the PDF: variables replaced by their values, as WeasyPrint would otherwise
    do for every element; `bars` are the pictures of the palettes."""
    held = theme.variables()
    sheet = VAR.sub(lambda found: held[found[1]], theme.css("print.css"))
    used = sorted(set(WIDTH.findall(text)), key=int)
    widths = "".join(f".w{n}{{width:{n}%}}" for n in used)
    drawn = "".join(
        f'.bar-{palette}{{background:url("{url}") 0 0/100% 100% no-repeat}}' for palette, url in bars.items()
    )
    return sealed("\n".join((theme.fonts(text, themes.data_uri), sheet, drawn, widths, LOGO_IN_PRINT)))


def style(
    theme: themes.Theme, sheet: str, text: str, *more: str, font: Callable[[Path], str] = themes.data_uri
) -> str:
    """The whole style sheet of a document: fonts for its text, variables, layout, scales. `font` says
    where it finds a font's file."""
    widths = "".join(f".w{n}{{width:{n}%}}" for n in range(101))
    sheets = theme.css("tokens.css", sheet, *more)
    fonts = theme.fonts(text, font)
    return sealed("\n".join((fonts, sheets, figures.palette_css(), widths, LOGO_ON_SCREEN)))


def script() -> str:
    """The page's script: the palettes and every file of templates/script, closed to the outside."""
    held = {name: base64.b64encode(figures.table(name).tobytes()).decode() for name in figures.PALETTES}
    files = sorted((themes.folder("templates") / "script").glob("*.js"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return f'(() => {{\n"use strict";\nconst PALETTES = {json.dumps(held)};\n{text}\n}})();'
