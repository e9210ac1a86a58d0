"""A theme's logo, made safe: a small PNG, or an SVG of plain shapes that is parsed and written again."""

from __future__ import annotations

import io
import re
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, UnidentifiedImageError

from reportgen.errors import RecipeError
from reportgen.report.pictures.rasters import Encoded

LOGO_BYTES = 262_144
MOST_USES = 64  # copies of copies would be drawn without end
NAMESPACE = "http://www.w3.org/2000/svg"
SVG = f"{{{NAMESPACE}}}"
DRAWING = frozenset(  # no text: letters are shapes; no script, style, foreign content, animation
    "svg g defs symbol use path rect circle ellipse line polyline polygon title desc"
    " linearGradient radialGradient stop clipPath mask pattern".split()
)
FUNCTION = re.compile(r"([\w-]+)\s*\(\s*([^)]*)")
FUNCTIONS = frozenset("rgb rgba hsl hsla matrix translate scale rotate skewx skewy".split())
XLINK = "{http://www.w3.org/1999/xlink}href"  # what SVG 1.1 calls href


class _Unfit(Exception):
    """Why a file is no logo."""


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds the tree of a file that declares nothing: no entities, whatever its encoding."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser at a DOCTYPE."""
        raise _Unfit("it declares entities or a style sheet")


def logo(folder: Path) -> Encoded | None:
    """The theme's logo.svg or logo.png, or None. Raises RecipeError where it is not safe to show."""
    for name, media_type in (("logo.svg", "image/svg+xml"), ("logo.png", "image/png")):
        if (folder / name).is_file():
            data = (folder / name).read_bytes()
            try:
                if len(data) > LOGO_BYTES:
                    raise _Unfit(f"it has {len(data):,} bytes")
                return Encoded(_svg(data) if name.endswith("svg") else _png(data), media_type)
            except _Unfit as error:
                raise RecipeError(
                    f"{str(folder / name)!r} cannot be shown: {error}",
                    "a logo is a PNG, or an SVG of plain shapes (letters as paths),"
                    f" of at most {LOGO_BYTES:,} bytes",
                ) from None
    return None


def _png(data: bytes) -> bytes:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise _Unfit(f"it is no PNG ({type(error).__name__})") from error
    return data


def _svg(data: bytes) -> bytes:
    """The drawing as it was understood, without comments and instructions. Raises _Unfit for more."""
    if b"<?xml-stylesheet" in data.lower():
        raise _Unfit("it declares entities or a style sheet")
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise _Unfit(f"it is no SVG ({error})") from error
    for element in root.iter():
        tag = str(element.tag)
        if not tag.startswith(SVG) or tag.removeprefix(SVG) not in DRAWING:
            raise _Unfit(f"it has <{tag.rpartition('}')[2]}>")
        for key, value in element.attrib.items():
            if not _plain(key.rpartition("}")[2].lower(), value):
                raise _Unfit(f"{key.rpartition('}')[2]} of <{tag.removeprefix(SVG)}> is {value[:40]!r}")
    if root.tag != f"{SVG}svg":
        raise _Unfit("its root is no <svg>")
    _count_uses(root)
    return _rewritten(root)


def _rewritten(root: ElementTree.Element) -> bytes:
    """A checked drawing in one namespace, written out: prefixes are a registry of the whole process."""
    for element in root.iter():
        element.tag = str(element.tag).removeprefix(SVG)
        held = {("href" if key == XLINK else key): value for key, value in element.items()}
        element.attrib = {key: value for key, value in held.items() if not key.startswith("{")}
    root.set("xmlns", NAMESPACE)
    return bytes(ElementTree.tostring(root, encoding="utf-8"))


def _plain(name: str, value: str) -> bool:
    """Whether an attribute draws and does nothing else: no handler, no reference out of the file."""
    if name.startswith("on") or name == "base" or "\\" in value or (name == "style" and "@" in value):
        return False
    if name == "href":
        return value.startswith("#")
    calls = [(held[1].lower(), held[2].strip(" \"'")) for held in FUNCTION.finditer(value)]
    return all(call in FUNCTIONS or (call == "url" and target.startswith("#")) for call, target in calls)


def _count_uses(root: ElementTree.Element) -> None:
    """Raises where what is used uses something itself, or too much is used."""
    all_uses = list(root.iter(f"{SVG}use"))
    targets = {value[1:] for use in all_uses for key, value in use.items() if key.endswith("href")}
    copied = [element for element in root.iter() if element.get("id") in targets]
    if len(all_uses) > MOST_USES or any(held.find(f".//{SVG}use") is not None for held in copied):
        raise _Unfit("its <use> copies copies, or more than it may")
