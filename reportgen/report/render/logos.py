"""A theme's logo, made safe: a small PNG, or an SVG of plain shapes; either is read and written again.

What is written holds nothing but what was understood: pixels, or shapes with the attributes listed here. What
draws much for little is bounded: pixels, elements, depth, copies, numbers, and references within references
(the "billion laughs" of masks, clips and uses).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import tinycss2
from PIL import Image, UnidentifiedImageError

from reportgen.errors import RecipeError
from reportgen.report.pictures.rasters import Encoded
from reportgen.report.render.theme_files import read

LOGO_BYTES = 262_144
MOST_PIXELS = 4_194_304
MOST_SIDE = 4_096  # pixels
MOST_ELEMENTS = 2_000
MOST_DRAWN = 20_000  # with every copy
MOST_USES = 64  # and masks and clips: copies of copies would be drawn without end
MOST_GRADIENTS = 8  # one that takes its colours from the next
DEEPEST = 32
LARGEST = 1e5  # of a number
LEAST_DASH = 0.01  # a longer line has dashes without end
NAMESPACE = "http://www.w3.org/2000/svg"
SVG = f"{{{NAMESPACE}}}"
DRAWING = frozenset(  # no text: letters are shapes; no script, style, foreign content, animation, pattern
    "svg g defs symbol use path rect circle ellipse line polyline polygon title desc"
    " linearGradient radialGradient stop clipPath mask".split()
)
COPIED = frozenset("g symbol use path rect circle ellipse line polyline polygon clipPath mask svg".split())
PRESENTATION = frozenset(
    "fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin"
    " stroke-miterlimit stroke-dasharray stroke-dashoffset opacity color display visibility overflow"
    " stop-color stop-opacity clip-path clip-rule mask mask-type transform transform-origin paint-order"
    " vector-effect shape-rendering".split()
)
ATTRIBUTES = PRESENTATION | frozenset(
    "id viewBox width height x y x1 y1 x2 y2 cx cy r rx ry fx fy fr d points pathLength offset"
    " gradientUnits gradientTransform spreadMethod clipPathUnits maskUnits maskContentUnits"
    " preserveAspectRatio href version style".split()
)
FUNCTION = re.compile(r"([\w-]+)\s*\(\s*([^)]*)")
FUNCTIONS = frozenset("rgb rgba hsl hsla matrix translate scale rotate skewx skewy".split())
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
REFERENCE = re.compile(r"url\(\s*[\"']?\s*#([^)]*)", re.I)
NAME = re.compile(r"[A-Za-z_][\w.-]*")  # an id that is read alike everywhere
XLINK = "{http://www.w3.org/1999/xlink}href"  # what SVG 1.1 calls href


class _Unfit(Exception):
    """Why a file is no logo."""


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a file that declares nothing, no entities, whatever its encoding, and is of bounded
    size and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.elements = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called by the parser at a DOCTYPE."""
        raise _Unfit("it declares entities or a style sheet")

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        """Called at the beginning of an element."""
        self.depth += 1
        self.elements += 1
        if self.depth > DEEPEST or self.elements > MOST_ELEMENTS:
            raise _Unfit(f"it has more than {MOST_ELEMENTS:,} elements, or more than {DEEPEST} deep")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        """Called at the end of an element."""
        self.depth -= 1
        return super().end(tag)


def logo(folder: Path) -> Encoded | None:
    """The theme's logo.svg or logo.png, or None. Raises RecipeError where it is not safe to show."""
    for name, media_type in (("logo.svg", "image/svg+xml"), ("logo.png", "image/png")):
        if (folder / name).is_symlink() or (folder / name).exists():
            data = read(folder, name, LOGO_BYTES)
            try:
                return Encoded(_svg(data) if name.endswith("svg") else _png(data), media_type)
            except _Unfit as error:
                raise RecipeError(
                    f"{str(folder / name)!r} cannot be shown: {error}",
                    "a logo is a PNG, or an SVG of plain shapes (letters as paths),"
                    f" of at most {LOGO_BYTES:,} bytes",
                ) from None
    return None


def _png(data: bytes) -> bytes:
    """The pixels, written again without what else the file holds. Raises _Unfit."""
    try:
        with _unwarned(), Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            width, height = image.size
            if width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
                raise _Unfit(f"it has {width:,} × {height:,} pixels, more than {MOST_PIXELS:,}")
            drawn = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _Unfit(f"it is no PNG ({type(error).__name__})") from error
    written = io.BytesIO()
    drawn.info = {}
    drawn.save(written, "PNG", optimize=True)
    return written.getvalue()


@contextmanager
def _unwarned() -> Iterator[None]:
    """Without a warning of Pillow's on large pictures: their size is bounded here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _svg(data: bytes) -> bytes:
    """The drawing as it was understood, without comments and instructions. Raises _Unfit for more."""
    if b"<?xml-stylesheet" in data.lower():
        raise _Unfit("it declares entities or a style sheet")
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Builder()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise _Unfit(f"it is no SVG ({error})") from error
    for element in root.iter():
        tag = str(element.tag)
        if not tag.startswith(SVG) or tag.removeprefix(SVG) not in DRAWING:
            raise _Unfit(f"it has <{tag.rpartition('}')[2]}>")
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2]
            if not _plain(name.lower(), value):
                raise _Unfit(f"{name} of <{tag.removeprefix(SVG)}> is {value[:40]!r}")
    if root.tag != f"{SVG}svg":
        raise _Unfit("its root is no <svg>")
    _count(root)
    return _rewritten(root)


def _rewritten(root: ElementTree.Element) -> bytes:
    """A checked drawing in one namespace, written out: prefixes are a registry of the whole process."""
    for element in root.iter():
        element.tag = str(element.tag).removeprefix(SVG)
        attributes = {("href" if key == XLINK else key): value for key, value in element.items()}
        element.attrib = {key: value for key, value in attributes.items() if key in ATTRIBUTES}
        if style := element.attrib.pop("style", ""):
            element.attrib |= {name: text for name, text in _styled(style) if name in PRESENTATION}
    root.set("xmlns", NAMESPACE)
    return bytes(ElementTree.tostring(root, encoding="utf-8"))


def _styled(style: str) -> Iterator[tuple[str, str]]:
    """What a style attribute sets, by name: SVG has an attribute for each that draws."""
    for part in tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True):
        if part.type == "declaration":
            yield part.lower_name, str(tinycss2.serialize(part.value)).strip()


def _plain(name: str, value: str) -> bool:
    """Whether an attribute draws and does nothing else: no handler, no reference out of the file, no number
    that draws without end."""
    if name.startswith("on") or name == "base" or "\\" in value or (name == "style" and "@" in value):
        return False
    if name == "href":
        return value.startswith("#")
    calls = [(call[1].lower(), call[2].strip(" \"'")) for call in FUNCTION.finditer(value)]
    within = all(call in FUNCTIONS or (call == "url" and target.startswith("#")) for call, target in calls)
    return within and _bounded(name, value)


def _bounded(name: str, value: str) -> bool:
    if name == "style":
        return all(_bounded(part, text) for part, text in _styled(value))
    if name not in {key.lower() for key in ATTRIBUTES} - {"id", "fill", "stroke", "color", "stop-color"}:
        return True
    numbers = [float(number) for number in NUMBER.findall(value)]
    dashes = [number for number in numbers if number < LEAST_DASH] if name == "stroke-dasharray" else []
    return all(abs(number) <= LARGEST for number in numbers) and not any(dashes)


def _count(root: ElementTree.Element) -> None:
    """Raises where a reference is not surely one to one thing, where what is copied, masks or clips refers to
    something that does itself, or where too much is drawn: each reference draws what it names once more."""
    named = _named(root)
    uses = drawn = 0
    for element in root.iter():
        for target in _targets(element, named):
            inside = list(target.iter())
            drawn += len(inside)
            if not _is_copied(target):  # a gradient
                _follow(target, named)
                continue
            uses += 1
            if any(_is_copied(copy) for part in inside for copy in _targets(part, named)):
                raise _Unfit("its <use> copies copies, or more than it may: a reference leads to another")
    if uses > MOST_USES or drawn > MOST_DRAWN:
        raise _Unfit("its <use> copies copies, or more than it may")


def _named(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """The elements by their ids. Names that no reference of ours has are left out of the drawing, and a name
    that two have is refused: who draws it takes the first, or the last."""
    named: dict[str, ElementTree.Element] = {}
    for element in root.iter():
        name = element.get("id")
        if name is None:
            continue
        if not NAME.fullmatch(name):
            del element.attrib["id"]
        elif name in named:
            raise _Unfit(f"two of its elements have the id {name[:40]!r}")
        else:
            named[name] = element
    return named


def _targets(
    element: ElementTree.Element, named: dict[str, ElementTree.Element]
) -> Iterator[ElementTree.Element]:
    """What an element refers to. Raises _Unfit where that is nothing."""
    for name in _references(element):
        if name not in named:
            raise _Unfit(f"it refers to {name[:40]!r}, and nothing in it has that id")
        yield named[name]


def _references(element: ElementTree.Element) -> Iterator[str]:
    """The ids that an element refers to, by whatever attribute that is drawn."""
    for key, value in element.items():
        if key in ("href", XLINK):
            yield value[1:].strip()
        elif key in ATTRIBUTES:
            yield from (found.strip(" \t\r\n\f\"'") for found in REFERENCE.findall(value))


def _is_copied(element: ElementTree.Element) -> bool:
    return str(element.tag).removeprefix(SVG) in COPIED


def _follow(gradient: ElementTree.Element, named: dict[str, ElementTree.Element]) -> None:
    """Raises where a gradient takes its colours from another, that from another, and so on without end."""
    above = [gradient]
    for _ in range(MOST_GRADIENTS):
        above = list(dict.fromkeys(target for one in above for target in _targets(one, named)))
        if not above:
            return
    raise _Unfit("its gradients refer to one another")
