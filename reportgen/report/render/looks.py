"""What a sheet of a theme may set of its own: how things look, within bounds, and never whether they show."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tinycss2.color4 import parse_color

from reportgen.report.render.sheets import Declaration, Node

Fits: TypeAlias = Callable[[Node], bool]
TEXTS = frozenset("--ink --soft --accent --ok --warn --bad --note".split())  # colours that words have
GROUNDS = frozenset("--page --paper --sunken --ok-tint --warn-tint --bad-tint --note-tint".split())
FONTS = frozenset({"--sans", "--mono"})
PAINTS = {"color": TEXTS, "background": GROUNDS, "background-color": GROUNDS}
SPACES = frozenset({"srgb", "hsl", "hwb"})  # those whose contrast is reckoned without a profile


def variable(node: Node) -> str | None:
    """The name in `var(--name)`; None for anything else, also with a fallback."""
    if node.type != "function" or node.lower_name != "var":
        return None
    inside = [held for held in node.arguments if held.type != "whitespace"]
    return inside[0].value if len(inside) == 1 and inside[0].type == "ident" else None


def opaque(node: Node) -> tuple[float, float, float] | None:
    """A colour that lets nothing through, as sRGB from 0 to 1; None for anything else."""
    held = parse_color(node)
    if held is None or isinstance(held, str) or held.alpha != 1 or held.space not in SPACES:
        return None
    if None in held.coordinates:  # `none`, which is no number
        return None
    red, green, blue = (min(max(float(part), 0.0), 1.0) for part in held.to("srgb").coordinates)
    return red, green, blue


def parts(value: Sequence[Node]) -> list[Node]:
    """The parts of a value, white space aside."""
    return [node for node in value if node.type != "whitespace"]


def _length(**bounds: tuple[float, float]) -> Fits:
    def fits(node: Node) -> bool:
        if node.type == "number":
            return bool(node.value == 0 and min(low for low, _ in bounds.values()) <= 0)
        if node.type != "dimension" or node.lower_unit not in bounds:
            return False
        low, high = bounds[node.lower_unit]
        return bool(low <= node.value <= high)

    return fits


def _number(low: float, high: float) -> Fits:
    return lambda node: node.type == "number" and low <= node.value <= high


def _words(text: str) -> Fits:
    return lambda node: node.type == "ident" and node.lower_value in text.split()


def _any(*kinds: Fits) -> Fits:
    return lambda node: any(fits(node) for fits in kinds)


def _var(names: frozenset[str]) -> Fits:
    return lambda node: variable(node) in names


def _edge_colour(node: Node) -> bool:
    return variable(node) is not None or parse_color(node) is not None


def _comma(node: Node) -> bool:
    return bool(node == ",")


def _font(node: Node) -> bool:
    return node.type in ("string", "ident") or variable(node) in FONTS or _comma(node)


RADIUS = _length(px=(0, 40), pt=(0, 30), em=(0, 3), rem=(0, 3))
SPACE = _length(px=(0, 96), pt=(0, 72), mm=(0, 25), em=(0, 6), rem=(0, 6), ch=(0, 12))
LINE = _length(px=(0, 20), pt=(0, 15), mm=(0, 5))
# what is inline is painted over the words before it, and so are shadows and outlines: there they stay thin
THIN = _length(px=(0, 2), pt=(0, 1.5))
WIDE = _length(px=(0, 12), pt=(0, 9), em=(0, 1), ch=(0, 2))  # to the sides of words
SHADE = _length(px=(-2, 2), pt=(-1.5, 1.5))
STYLE = _words("none solid dashed dotted double thin")
EDGE = _any(LINE, STYLE, _edge_colour)
THIN_EDGE = _any(THIN, STYLE, _edge_colour)
PADDING = ("", "-top", "-right", "-bottom", "-left", "-inline", "-block")
PROPERTIES: Mapping[str, Fits] = {
    "color": _any(_var(TEXTS), lambda n: opaque(n) is not None, _words("inherit")),
    **dict.fromkeys(
        ("background", "background-color"),
        _any(_var(GROUNDS), lambda n: opaque(n) is not None, _words("none transparent")),
    ),
    **{f"padding{side}": SPACE for side in PADDING},
    **{f"margin{side}": _any(SPACE, _words("auto")) for side in PADDING},
    **dict.fromkeys(("gap", "row-gap", "column-gap"), SPACE),
    **{f"border{side}{kind}": EDGE for side in PADDING for kind in ("", "-width", "-style", "-color")},
    **dict.fromkeys(("outline", "outline-color", "outline-style", "outline-width"), THIN_EDGE),
    "border-radius": _any(RADIUS, _var(frozenset({"--radius"}))),
    "box-shadow": _any(SHADE, _words("inset none"), _edge_colour, _comma),
    "accent-color": _edge_colour,
    "font-family": _font,
    "font-size": _length(px=(9, 60), pt=(6, 45), rem=(0.75, 4)),
    "font-weight": _any(_number(300, 900), _words("normal bold")),
    "font-style": _words("normal italic oblique"),
    "font-variant-numeric": _words("normal tabular-nums lining-nums"),
    "line-height": _number(1, 3),
    "letter-spacing": _any(_length(px=(-1, 5), pt=(-1, 4), em=(-0.05, 0.3)), _words("normal")),
    "max-width": _any(_length(px=(480, 9999), ch=(24, 400)), _words("none")),
    "text-align": _words("left right center start end justify"),
    "text-decoration": _any(_words("none underline dotted solid"), _edge_colour),
    "text-transform": _words("none uppercase capitalize"),
    "text-wrap": _words("wrap balance pretty"),
    "justify-content": _words("normal start center space-between space-around flex-start"),
    "align-items": _words("normal start center baseline stretch flex-start"),
    "break-before": _words("auto page avoid"),
    "break-after": _words("auto page avoid"),
    "break-inside": _words("auto avoid"),
    "orphans": _number(1, 9),
    "widows": _number(1, 9),
    "size": _words("a3 a4 a5 letter legal portrait landscape"),
}
INLINE: Mapping[str, Fits] = {
    **dict.fromkeys(("padding-right", "padding-left", "padding-inline"), WIDE),
    **dict.fromkeys(("padding", "padding-top", "padding-bottom", "padding-block"), THIN),
    **{name: THIN_EDGE for name in PROPERTIES if name.startswith("border") and name != "border-radius"},
}

ELEMENTS = (
    "body main section article header nav div p h1 h2 h3 h4 pre ul ol li dl dt dd table th td"
    " figure figcaption fieldset details summary"
)
CLASSES = (
    "page cover verdict strip-facts findings card body side maps grid photos scroll methods sheets contents"
)
BLOCK = re.compile(rf"(?:(?:{'|'.join(ELEMENTS.split())})|\.(?:{'|'.join(CLASSES.split())}))(?![\w\\-])")
PART = re.compile(r"::|:(?:before|after|first-l)", re.I)


def blocks(selector: str) -> bool:
    """Whether all that a selector names is a block of ours, whose space and edges push other words away."""
    alternatives = re.sub(r"[>+~]", " ", selector).split(",")
    subjects = [(part.split() or [""])[-1] for part in alternatives]
    return all(BLOCK.match(subject) and not PART.search(subject) for subject in subjects)


def unfit(held: Declaration, selector: str) -> str | None:
    """Why a declaration is not a theme's to make for what `selector` names, or None."""
    fits = PROPERTIES.get(held.name)
    if fits and not (blocks(selector) or selector.startswith("@page")):
        fits = INLINE.get(held.name, fits)
    if fits is None:
        return f"{held.name[:40]!r} is not a theme's to set"
    wrong = [node for node in parts(held.value) if not fits(node)]
    if held.important or wrong or not parts(held.value):
        shown = held.text[:60] + " !important" * held.important
        return f"{held.name!r} cannot be {shown!r}"
    return None


def paints(held: Declaration) -> tuple[float, float, float] | None:
    """The colour that a declaration gives words or their ground literally; None where it names a variable."""
    if held.name not in PAINTS:
        return None
    return next((colour for node in parts(held.value) if (colour := opaque(node)) is not None), None)


def kind(name: str, value: Sequence[Node]) -> str:
    """What a variable of tokens.css must be, in words, where it is not; "" where it is."""
    nodes = parts(value)
    only = nodes[0] if len(nodes) == 1 else None
    fonts = bool(nodes) and all(node.type in ("string", "ident") or _comma(node) for node in nodes)
    triple = len(nodes) == 3 and all(_number(0, 255)(node) for node in nodes)
    colour = only is not None and opaque(only) is not None
    if name == "color-scheme":
        known = _words("normal light dark only")
        return "" if nodes and all(map(known, nodes)) else "`light`, `dark` or both"
    if name in FONTS:
        return "" if fonts else "names of fonts, with commas"
    if name in ("--agree", "--oppose"):
        return "" if triple else "three numbers from 0 to 255, such as `36 84 200`"
    if name == "--radius":
        return "" if only is not None and RADIUS(only) else "a length up to 40px"
    return "" if colour else "one opaque colour, such as #161a20"


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """WCAG 2.2, the contrast ratio of two colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
