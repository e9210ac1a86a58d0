"""Themes and templates: where they are, what a theme may be, and that its colours can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pytest
from jinja2 import Environment, nodes
from PIL import Image

from reportgen.errors import RecipeError
from reportgen.probes import methods
from reportgen.recipe import load
from reportgen.report import write_report
from reportgen.report.pictures.rasters import Raster
from reportgen.report.render import templates, theme_check, themes
from reportgen.report.values.card import Block, Column, Fact, Figure, Sign, Strip, TableView


def test_an_unknown_theme_is_met_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean 'default'") as caught:
        themes.theme("defualt")
    assert caught.value.exit_code == 2


def test_a_theme_of_one_file_changes_the_colours_and_keeps_the_rest(
    small_evidence: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    tokens = themes.theme("default").css("tokens.css").replace("--accent: #2454c8", "--accent: #123456")
    (own / "tokens.css").write_text(tokens, encoding="utf-8")
    assert write_report(small_evidence, theme=str(own), pdf=False).problem is None
    page = (small_evidence / "report.html").read_text(encoding="utf-8")
    assert "--accent: #123456" in page
    assert "Inter" in page
    assert ".card" in page


THEMES = sorted(themes.themes())


def test_the_themes_that_come_along() -> None:
    assert {"default", "print", "high-contrast"} <= set(THEMES)


@pytest.mark.parametrize("name", THEMES)
def test_a_theme_is_variables_only_and_has_them_all(name: str) -> None:
    held = themes.theme(name)
    theme_check.check(held.folder, themes.theme("default").folder)


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of #rrggbb."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def schemes(name: str) -> list[dict[str, str]]:
    """A theme's variables in light, and in dark where it has that."""
    light, _, dark = themes.theme(name).css("tokens.css").partition("@media")
    declared = [dict(re.findall(r"--([\w-]+): ([^;]+);", part)) for part in (light, dark)]
    return [declared[0], declared[0] | declared[1]] if dark else declared[:1]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, the contrast ratio of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def blend(triple: str, share: float, ground: str) -> str:
    """`rgb(triple / share)` over a ground, as #rrggbb."""
    under = [int(ground[at : at + 2], 16) for at in (1, 3, 5)]
    over = [int(part) for part in triple.split()]
    mixed = (round(share * a + (1 - share) * b) for a, b in zip(over, under, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def test_the_ratio_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("name", THEMES)
def test_every_pair_of_text_and_ground_can_be_read(name: str) -> None:
    """AA for each theme, AAA for high-contrast; lines of plots 3:1 against their ground."""
    least = 7.0 if name == "high-contrast" else 4.5
    grounds = ("page", "paper", "sunken")
    for held in schemes(name):
        pairs = [(held[text], held[ground]) for text in ("ink", "soft", "accent") for ground in grounds]
        pairs += [(held[level], held[f"{level}-tint"]) for level in ("ok", "warn", "bad", "note")]
        pairs += [(held[level], held[ground]) for level in ("ok", "warn", "bad") for ground in grounds[:2]]
        # the deepest tints that cells of tables get: half of the colour
        pairs += [(held["ink"], blend(held[key], 0.5, held["paper"])) for key in ("agree", "oppose")]
        assert not [pair for pair in pairs if contrast(*pair) < least]
        drawn = [held[f"line-{n}"] for n in range(4)]
        assert not [line for line in drawn if contrast(line, held["paper"]) < 3]
        if name == "high-contrast":
            assert contrast(held["line"], held["paper"]) >= 3


def test_every_font_has_its_licence() -> None:
    fonts = themes.folder("themes") / "default" / "fonts"
    licences = "".join(p.read_text(encoding="utf-8") for p in fonts.glob("LICENSE*"))
    assert licences.count("SIL Open Font License") >= 3
    named = set(re.findall(r'url\("fonts/([^"]+)"\)', themes.theme("default").css("fonts.css")))
    assert named == {path.name for path in fonts.glob("*.woff2")}


def test_every_script_and_every_sheet_has_its_place_in_the_order() -> None:
    folder = themes.folder("templates") / "script"
    assert sorted(templates.SCRIPTS) == sorted(path.name for path in folder.iterdir())
    script = templates.script()
    starts = [script.index((folder / name).read_text(encoding="utf-8")) for name in templates.SCRIPTS]
    assert starts == sorted(starts)
    listed = {*templates.SCREEN_SHEETS, *templates.PRINT_SHEETS}
    own = {path.name for path in themes.theme("default").folder.glob("*.css")}
    assert listed | {"fonts.css"} == own == {*theme_check.SHEETS, "tokens.css", "fonts.css"}


def test_every_template_of_a_section_is_of_a_visualization() -> None:
    sections = themes.folder("templates") / "sections"
    own = {path.name.removesuffix(".html.j2") for path in sections.iterdir()}
    assert own <= set(methods())
    default = themes.folder("templates") / "parts" / "default-section.html.j2"
    assert default.is_file()
    lines = ["".join(path.read_text(encoding="utf-8").split()) for path in sections.iterdir()]
    assert len(set(lines)) == len(lines), "two visualizations are laid out alike: that is the default's part"


def lay_out(page: str, block: Block, **more: Any) -> str:
    """What the part for a block makes of it, on the screen or in print."""
    made = templates.environment(lambda raster: "x", lambda held: "").from_string(
        '{% import "draw/common.html.j2" as common %}{% import "draw/'
        + page
        + '.html.j2" as draw %}{% include "parts/block.html.j2" %}'
    )
    return made.render(block=block, **more)


@pytest.mark.parametrize("page", ["screen", "print"])
def test_a_visualization_without_a_template_shows_all_that_its_block_has(page: str) -> None:
    picture = Raster(np.zeros((4, 4, 3), np.uint8))
    table = TableView("a-t", "Sums", (Column("layer", False),), (("conv1 of the table",),))
    strip = Strip("a-s", "conv1", "weights", "of the strip", "strip", picture, 4)
    words = ("12 of the facts", "a sign of it", "a remark of it", "conv1 of the table", "of the strip")
    bare = Block(
        "a",
        "brand-new",
        "Brand new",
        "",
        facts=(Fact("channels", "12 of the facts"),),
        signs=(Sign("warn", "a sign of it"),),
        remarks=("a remark of it",),
        tables=(table,),
        strips=(strip,),
    )
    figure = Figure("a-map", "map", "Map", "", "a map of it", picture=picture)
    drawn = replace(bare, figures=(figure,))
    for block in (bare, drawn):
        text = lay_out(page, block)
        assert [text.count(word) for word in words] == [1] * 5
    assert lay_out(page, drawn).count('class="grid"') == 1  # a section has no grid of its own, a card has
    assert lay_out(page, drawn, card=object()).count('class="grid"') == 0


def test_each_further_stack_of_hypercolumns_begins_a_row() -> None:
    picture = Raster(np.zeros((4, 4, 3), np.uint8))
    names = ("map", "pca", "segments", "map-2", "pca-2")
    figures = tuple(Figure(f"a-{name}", name, name, "", name, picture=picture) for name in names)
    text = lay_out("screen", Block("a", "hypercolumns", "Hypercolumns", "", figures=figures), card=object())
    assert re.findall(r'<figure id="a-([\w-]+)" class="begins-row"', text) == ["map-2"]
    assert ".grid .begins-row" in themes.theme("default").css("screen.css")


def test_a_report_is_rendered_where_there_is_no_torch(small_evidence: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "sys.modules['torch'] = sys.modules['torchvision'] = None\n"
        "from reportgen.report import write_report\n"
        "assert write_report(pathlib.Path(sys.argv[1]), pdf=False).problem is None\n"
    )
    subprocess.run([sys.executable, "-c", code, str(small_evidence)], check=True, timeout=240)
    assert (small_evidence / "report.html").exists()


PLAIN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 4"><rect width="10" height="4"/></svg>'


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A theme's folder with the default's variables."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "tokens.css").write_text(themes.theme("default").css("tokens.css"), encoding="utf-8")
    return folder


def test_a_logo_is_on_the_cover_and_on_the_page(own: Path, small_evidence: Path) -> None:
    (own / "logo.svg").write_text(PLAIN)
    assert write_report(small_evidence, theme=str(own)).problem is None
    page = (small_evidence / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == 1
    with pikepdf.open(small_evidence / "report.pdf") as pdf:
        elements = [held for held in pdf.objects if isinstance(held, pikepdf.Dictionary)]
        assert [str(held.get("/Alt")) for held in elements].count("Logo") == 1
    (own / "logo.svg").unlink()
    assert write_report(small_evidence, theme=str(own)).problem is None
    assert "svg+xml" not in (small_evidence / "report.html").read_text(encoding="utf-8")


def test_a_png_is_a_logo_too(own: Path) -> None:
    Image.new("RGBA", (40, 10), (200, 0, 0, 120)).save(own / "logo.png")
    held = themes.theme(str(own)).logo()
    assert held is not None
    assert held.media_type == "image/png"


BROKEN_SVG = (
    "<script>alert(1)</script>",
    "<style>rect { fill: url(http://a.b) }</style>",
    "<image href='http://a.b/c.png'/>",
    "<foreignObject/>",
    "<rect onload='alert(1)'/>",
    "<use href='http://a.b#c'/>",
    "<use xmlns:xlink='http://www.w3.org/1999/xlink' xlink:href='file:///etc/passwd'/>",
    "<rect fill='url(http://a.b#c)'/>",
    "<rect style='background: u\\72l(http://a.b)'/>",
    "<animate attributeName='href' to='http://a.b'/>",
)


@pytest.mark.parametrize("inside", BROKEN_SVG)
def test_a_logo_that_is_more_than_a_drawing_is_refused(own: Path, inside: str) -> None:
    (own / "logo.svg").write_text(PLAIN.replace("</svg>", f"{inside}</svg>"))
    with pytest.raises(RecipeError, match="cannot be shown") as caught:
        themes.theme(str(own))
    assert "plain shapes" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "text", "cause", "remedy"),
    [
        ("tokens.css", None, "cannot read", "a regular file"),
        ("tokens.css", ":root { --ink: #000; }", "lacks --sans, --mono", "copy tokens.css"),
        ("tokens.css", "body { color: red }", "css:1:1: tokens.css holds more than", "screen.css"),
        ("tokens.css", ":root { color: red; }", "more than variables: 'color: red'", "screen.css"),
        ("tokens.css", ":root { --ink: url(x.png); }", "tokens.css:1:9: --ink cannot be", "opaque colour"),
        ("tokens.css", ":root { --ink: </style>; }", "tokens.css:1:9: has '</'", "fetches nothing"),
        ("screen.css", "@import 'x.css';", "has '@import'", "fetches nothing"),
        ("screen.css", "a { background: url(http://a.b) }", "'background' cannot be 'url(", "Themes"),
        ("print.css", "a { color: red } </style>", "print.css:1:25: the style sheet has a mistake", "mend"),
        ("fonts.css", '@font-face { src: url("../x.woff2") }', "no WOFF2 font of the theme", "fonts/NAME"),
        ("logo.png", "not a picture", "it is no PNG", "plain shapes"),
        ("logo.svg", "<svg", "it is no SVG", "plain shapes"),
        ("logo.svg", '<!DOCTYPE x [<!ENTITY a "b">]><svg/>', "declares entities", "plain shapes"),
        ("logo.svg", "<html/>", "it has <html>", "plain shapes"),
        ("logo.svg", PLAIN.replace("<svg", "<g").replace("</svg", "</g"), "its root is no <svg>", "plain"),
        ("logo.svg", PLAIN + " " * 262_144, "larger than 262,144", "at most 262,144 bytes"),
    ],
)
def test_a_broken_theme_is_met_with_cause_and_remedy(
    own: Path, name: str, text: str | None, cause: str, remedy: str
) -> None:
    (own / name).unlink(missing_ok=True)
    if text is not None:
        (own / name).write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        themes.theme(str(own))
    assert caught.value.exit_code == 2
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy


def test_a_wrong_theme_is_told_with_its_place_before_anything_is_measured(tmp_path: Path) -> None:
    from reportgen import run

    (tmp_path / "r.yaml").write_text("output: {theme: defualt}\n")
    with pytest.raises(RecipeError) as caught:
        run(load(tmp_path / "r.yaml"), tmp_path / "none.pt", tmp_path, tmp_path / "out")
    assert "r.yaml:1:17: output.theme: unknown theme 'defualt' (did you mean" in caught.value.cause


RECKONING = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg)
FILTERS = {"round", "sum", "abs", "sort", "min", "max", "int", "float", "map", "filesizeformat", "format"}


def test_templates_compute_nothing() -> None:
    """No arithmetic and no filter that reckons; `+` only puts lists together."""
    for path in themes.folder("templates").rglob("*.j2"):
        tree = Environment().parse(path.read_text(encoding="utf-8"))
        assert not list(tree.find_all(RECKONING)), path.name
        assert not [held for held in tree.find_all(nodes.Filter) if held.name in FILTERS], path.name
        for held in tree.find_all(nodes.Add):
            assert not isinstance(held.left, nodes.Const), path.name
            assert not isinstance(held.right, nodes.Const), path.name
