"""A user's own theme, made safe: variables, local fonts, a logo without script or reference."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from reportgen.errors import RecipeError
from reportgen.report.rasters import Encoded

COMMENT = re.compile(r"/\*.*?\*/", re.S)
ROOT = re.compile(r":root\s*\{([^{}]*)\}")
SCHEME = re.compile(r"@media[^{};]*\{\s*\}")  # what is left of a media rule without its :root
DECLARATION = re.compile(r"(--[\w-]+|color-scheme)\s*:\s*([^<\\@]+)", re.S)
URL = re.compile(r"url\(([^)]*)\)", re.I)
LOGO_BYTES = 262_144
SVG = "{http://www.w3.org/2000/svg}"
DRAWING = frozenset(  # what a logo may be made of; no script, no foreign content, no animation
    "svg g defs symbol use path rect circle ellipse line polyline polygon text tspan title desc"
    " linearGradient radialGradient stop clipPath mask pattern".split()
)
COPY = "copy tokens.css of the default theme into it, and change the values"


def check(folder: Path, required: Iterable[str]) -> None:
    """Raises RecipeError, with the remedy, where a theme's folder cannot be used as it is."""
    tokens = _text(folder / "tokens.css")
    held = _variables(folder, tokens)
    if lacking := [name for name in required if name not in held]:
        raise RecipeError(f"the theme {str(folder)!r} lacks {', '.join(lacking)}", COPY)
    for name in ("screen.css", "print.css", "fonts.css"):
        if (folder / name).exists():
            _sheet(folder / name)
    logo(folder)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RecipeError(f"cannot read {str(file)!r}: {why}", "write it as a UTF-8 style sheet") from error


def _variables(folder: Path, tokens: str) -> set[str]:
    """The names that tokens.css declares, which must be all that it does."""
    bare = COMMENT.sub("", tokens)
    rest = SCHEME.sub("", ROOT.sub("", bare)).strip()
    declared = [part.strip() for block in ROOT.findall(bare) for part in block.split(";")]
    wrong = [part for part in declared if part and not DECLARATION.fullmatch(part)]
    wrong += [part for part in declared if URL.search(part)]
    if rest or wrong:
        shown = " ".join((rest or wrong[0]).split())[:60]
        raise RecipeError(
            f"tokens.css of the theme {str(folder)!r} holds more than variables: {shown!r}",
            "write `:root { --name: value; }` and the same in `@media (prefers-color-scheme: dark)`;"
            " rules belong into screen.css and print.css",
        )
    return {part.partition(":")[0].strip() for part in declared if part}


def _sheet(file: Path) -> None:
    """A style sheet must fetch nothing and cannot end the page's style element."""
    text = COMMENT.sub("", _text(file))
    if found := re.search(r"@import|</|expression\s*\(", text, re.I):
        raise RecipeError(f"{str(file)!r} has {found[0]!r}", "a report fetches nothing: take it out")
    for url in URL.findall(text):
        target = url.strip("\"' ")
        if file.name != "fonts.css":
            raise RecipeError(
                f"{str(file)!r} refers to {target!r}", "a report fetches nothing: only fonts.css names files"
            )
        _font(file.parent, target)


def _font(folder: Path, name: str) -> None:
    font = folder / name
    inside = font.resolve().is_relative_to(folder.resolve())
    if not (inside and font.is_file() and font.read_bytes()[:4] == b"wOF2"):
        raise RecipeError(
            f"fonts.css of the theme {str(folder)!r} names {name!r}, which is no WOFF2 font of the theme",
            'put the font into the folder and write url("fonts/NAME.woff2")',
        )


def logo(folder: Path) -> Encoded | None:
    """The theme's logo.svg or logo.png, or None. Raises RecipeError where it is not safe to show."""
    for name, media_type in (("logo.svg", "image/svg+xml"), ("logo.png", "image/png")):
        if (folder / name).is_file():
            data = (folder / name).read_bytes()
            why = f"it has {len(data):,} bytes" if len(data) > LOGO_BYTES else ""
            why = why or (_unfit_svg(data) if name.endswith("svg") else _unfit_png(data))
            if why:
                raise RecipeError(
                    f"{str(folder / name)!r} cannot be shown: {why}",
                    f"a logo is a PNG, or an SVG of plain shapes, of at most {LOGO_BYTES:,} bytes",
                )
            return Encoded(data, media_type)
    return None


def _unfit_png(data: bytes) -> str:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        return f"it is no PNG ({type(error).__name__})"
    return ""


def _unfit_svg(data: bytes) -> str:
    """Why an SVG is more than a drawing, or "": scripts, styles, references to anywhere."""
    if re.search(rb"<!(DOCTYPE|ENTITY)|<\?xml-stylesheet", data, re.I):
        return "it declares entities or a style sheet"
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        return f"it is no SVG ({error})"
    for element in root.iter():
        tag = str(element.tag)
        if not tag.startswith(SVG) or tag.removeprefix(SVG) not in DRAWING:
            return f"it has <{tag.rpartition('}')[2]}>"
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2].lower()
            leads_out = name == "href" and not value.startswith("#")
            leads_out |= any(not target.strip("\"' ").startswith("#") for target in URL.findall(value))
            if name.startswith("on") or leads_out or "\\" in value:
                return f"{name} of <{tag.removeprefix(SVG)}> is {value[:40]!r}"
    return "" if root.tag == f"{SVG}svg" else "its root is no <svg>"
