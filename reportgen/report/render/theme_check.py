"""What a theme of somebody else's may be, checked before anything of it is used.

A theme sets how a report looks. It brings no word into it, hides none, and fetches nothing:

- `tokens.css` holds variables alone, each of a fixed kind; the colours of words are at least 3:1 against
  every ground.
- The other sheets hold what the default theme's sheet of that name has, word for word (a copy, with rules
  left out or moved), and besides it only the looks that `looks.py` lists, within bounds: colours, fonts and
  sizes of text, space, edges. So `content`, `display`, `position`, `opacity`, `transform`, counters and the
  like are ours alone, and `!important` too.
- At-rules are `@media`, in print.css `@page`, in fonts.css `@font-face` with a WOFF2 file of the theme.
  There is no other `url()`.
- A logo is a small PNG, or an SVG of plain shapes without text; the page bounds its size (`logos.py`).

What a font draws for a letter cannot be checked: take a theme with fonts of its own from people you trust.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reportgen.errors import RecipeError
from reportgen.report.render import looks, sheets
from reportgen.report.render.logos import logo
from reportgen.report.render.sheets import Declaration, Rule
from reportgen.report.render.theme_files import FONT_BYTES, read

COPY = "copy tokens.css of the default theme into it, and change the values"
RULES = (
    "write `:root { --name: value; }` and the same in `@media (prefers-color-scheme: dark)`;"
    " rules belong into screen.css and print.css"
)
LOOKS = (
    "a theme sets colours, fonts, space and edges, within bounds, and else keeps the declarations of the"
    " default theme as they are (README, Themes): take it out"
)
SEEN = "words must be seen on every ground: choose colours of at least 3:1, better 4.5:1"
SHEETS = {  # which at-rules each sheet may have
    "screen.css": ("@media",),
    "explorer.css": ("@media",),
    "find.css": ("@media",),
    "print.css": ("@media", "@page"),
}
SCHEME = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.I)
FONT_FILE = re.compile(r"fonts/\w[\w.-]*\.woff2", re.A)  # a name that means nothing to CSS
FACE = frozenset("font-family font-weight font-style font-stretch font-display src unicode-range".split())
INFLATED = 32_000_000  # bytes
LEAST = 3.0  # WCAG 2.2, large text and drawings


@dataclass(frozen=True)
class Paint:
    """A colour that words or their ground have, and where that is said."""

    name: str
    colour: tuple[float, float, float]
    place: str


def check(folder: Path, default: Path) -> None:
    """Raises RecipeError, with place and remedy, where a theme's folder cannot be used as it is.

    `default` is the folder of the theme that gives what this one lacks.
    """
    schemes = _variables(folder / "tokens.css", default / "tokens.css")
    known = set(schemes[0])
    texts: list[Paint] = []
    grounds: list[Paint] = []
    for name, at_rules in SHEETS.items():
        for declaration in _own(folder / name, default / name, at_rules, known):
            if (colour := looks.paints(declaration)) is not None:
                paint = Paint(f"{declaration.name}: {declaration.text}", colour, declaration.place)
                (texts if declaration.name == "color" else grounds).append(paint)
    for scheme in schemes:
        _seen(scheme, texts, grounds)
    if (folder / "fonts.css").exists():
        _fonts(folder / "fonts.css")
    logo(folder)


def _variables(file: Path, default: Path) -> list[Mapping[str, Declaration]]:
    """What tokens.css declares, which must be all that it does: as it is, and in each scheme of its own."""
    plain: dict[str, Declaration] = {}
    others: dict[str, dict[str, Declaration]] = {}
    for rule in sheets.read(file):
        scheme = SCHEME.fullmatch(rule.head)
        inside = rule.body if scheme else (rule,)
        for inner in inside:
            if not isinstance(inner, Rule) or inner.head != ":root":
                shown = " ".join(inner.written().split())[:60]
                raise RecipeError(f"{inner.place}: tokens.css holds more than variables: {shown!r}", RULES)
            target = others.setdefault(scheme[1].lower(), {}) if scheme else plain
            target.update({declared.name: declared for declared in _declared(inner)})
    required = (inner.name for _, inner in sheets.walk(sheets.read(default)) if inner.name[:2] == "--")
    if lacking := [name for name in dict.fromkeys(required) if name not in plain]:
        raise RecipeError(f"{file}: the theme lacks {', '.join(lacking)}", COPY)
    return [plain, *(plain | other for other in others.values())]


def _declared(rule: Rule) -> Iterator[Declaration]:
    for entry in rule.body:
        if not isinstance(entry, Declaration) or not (entry.name[:2] == "--" or entry.name == "color-scheme"):
            shown = entry.written()[:60].rstrip(";")
            raise RecipeError(f"{entry.place}: tokens.css holds more than variables: {shown!r}", RULES)
        if wanted := looks.kind(entry.name, entry.value) or ("no `!important`" if entry.important else ""):
            cause = f"{entry.place}: {entry.name} cannot be {entry.text[:60]!r}"
            raise RecipeError(cause, f"give it {wanted}")
        yield entry


def _own(file: Path, default: Path, at_rules: tuple[str, ...], known: set[str]) -> Iterator[Declaration]:
    """What a sheet sets that the default's does not. Raises where that is more than looks."""
    if not file.exists():
        return
    rules = sheets.read(file)
    for rule in rules:
        if rule.head.startswith("@") and not rule.head.startswith(at_rules):
            raise RecipeError(f"{rule.place}: has '{rule.head[:40]}'", "no rule for this sheet: take it out")
    ours = sheets.stated(default)
    for heads, entry in sheets.walk(rules):
        if (heads, entry.written()) in ours:
            continue
        if why := looks.unfit(entry, heads[-1]):
            raise RecipeError(f"{entry.place}: {why}", LOOKS)
        names = {looks.variable(node) for node in looks.parts(entry.value)} - {None}
        if unknown := sorted(map(str, names - known)):
            raise RecipeError(f"{entry.place}: tokens.css has no {unknown[0]}", "name a variable that it has")
        yield entry


def _seen(scheme: Mapping[str, Declaration], texts: list[Paint], grounds: list[Paint]) -> None:
    """Raises where words of a scheme could not be seen on a ground, or lines on paper."""

    def paint(name: str) -> Paint:
        (node,) = looks.parts(scheme[name].value)
        colour = looks.opaque(node)
        assert colour is not None  # its kind is checked
        return Paint(name, colour, scheme[name].place)

    paper, ink = paint("--paper"), paint("--ink")
    texts = [*texts, *map(paint, sorted(looks.TEXTS))]
    grounds = [*grounds, *map(paint, sorted(looks.GROUNDS))]
    pairs = [(text, ground) for text in texts for ground in grounds]
    pairs += [(paint(f"--line-{n}"), paper) for n in range(4)]
    for name in ("--agree", "--oppose"):  # the deepest tints that cells of tables get: half of the colour
        parts = (node.value / 255 for node in looks.parts(scheme[name].value))
        red, green, blue = ((part + under) / 2 for part, under in zip(parts, paper.colour, strict=True))
        pairs.append((ink, Paint(name, (red, green, blue), scheme[name].place)))
    for text, ground in pairs:
        if (ratio := looks.contrast(text.colour, ground.colour)) < LEAST:
            # what the sheet says itself is the place to mend, else the variable
            place = ground.place if ground.name.startswith("background") else text.place
            raise RecipeError(f"{place}: {text.name} has {ratio:.1f}:1 against {ground.name}", SEEN)


def _fonts(file: Path) -> None:
    """fonts.css may hold faces whose files are WOFF2 fonts of the theme, and nothing else."""
    for rule in sheets.read(file):
        declared = rule.declarations
        if rule.head != "@font-face" or len(declared) != len(rule.body):
            raise RecipeError(f"{rule.place}: fonts.css has {rule.head[:40]!r}", "write faces alone")
        if other := sorted(set(declared) - FACE):
            raise RecipeError(f"{declared[other[0]].place}: a face has no {other[0]!r}", "take it out")
        source = declared.get("src")
        name = re.match(r'url\("([^"]*)"\)( format\("woff2"\))?$', source.text) if source else None
        if source is None or name is None or not _is_font(file.parent, name[1]):
            shown = source.text[:60] if source else "nothing"
            place = source.place if source else rule.place
            raise RecipeError(
                f"{place}: fonts.css names {shown}, which is no WOFF2 font of the theme",
                'put the font into the folder and write src: url("fonts/NAME.woff2")',
            )


def _is_font(folder: Path, name: str) -> bool:
    if not FONT_FILE.fullmatch(name):
        return False
    try:
        data = read(folder, name, FONT_BYTES)
    except RecipeError:
        return False
    # bytes 16 to 20: how large it is when it is inflated
    return data[:4] == b"wOF2" and int.from_bytes(data[16:20], "big") <= INFLATED and _opens(data)


def _opens(data: bytes) -> bool:
    """Whether a font's tables and its characters can be read."""
    from fontTools.ttLib import TTFont

    try:
        with TTFont(io.BytesIO(data), lazy=True) as font:
            return bool(font.getBestCmap())
    except Exception:  # whatever a broken font makes fontTools raise
        return False
