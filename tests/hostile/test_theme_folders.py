"""Promise 5: themes are data, parsed and written again from what is allowed."""

from __future__ import annotations

import io
import os
import re
import shutil
import zlib
from pathlib import Path

import pytest
from PIL import Image

from reportgen.errors import RecipeError, RenderError
from reportgen.report.render import pdf, templates, themes

DEFAULT = themes.theme("default")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'
A = "a {{ {} }}"
CHAIN = "<{0} id='{1}'><rect {2}='url(#{3})'/><rect {2}='url(#{3})'/></{0}>"


def chain(tag: str, attribute: str) -> str:
    """Thirty of a kind, each of which draws the next one twice: a thousand million at the end."""
    links = (CHAIN.format(tag, f"a{n}", attribute, f"a{n + 1}") for n in range(30))
    return SVG.format("".join(links) + f"<{tag} id='a30'/><rect {attribute}='url(#a0)'/>")


def png(side: int, mode: str = "1") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, "PNG")
    return file.getvalue()


def with_chunk(kind: bytes, data: bytes) -> bytes:
    """A small PNG with a chunk more behind its head."""
    body = kind + data
    chunk = len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    whole = png(8, "L")
    return whole[:33] + chunk + whole[33:]


REFUSED: dict[str, tuple[str, str | bytes]] = {
    # what fetches, by every spelling
    "url": ("screen.css", A.format("background: url(x)")),
    "escaped url": ("screen.css", A.format(r"background: \75rl(x)")),
    "escaped url, all of it": ("screen.css", A.format(r"color: \75\72\6c(http://a.example)")),
    "url in a font": ("screen.css", A.format("font-family: url(x)")),
    "escaped import": ("screen.css", r'@\69mport "x.css";'),
    "import in capitals": ("print.css", "@IMPORT url(//a.example/x);"),
    "import behind a charset": ("screen.css", '@charset "utf-8"; @import "x";'),
    "import in a media query": ("screen.css", '@media print { @import "x"; }'),
    "image-set": ("screen.css", A.format('background: image-set("x" 1x)')),
    "image-set, prefixed": ("screen.css", A.format('background: -webkit-image-set("x" 1x)')),
    "cross-fade": ("screen.css", A.format("background: cross-fade(url(x), red)")),
    "src": ("screen.css", A.format('background: src("x")')),
    "element": ("screen.css", A.format("background: element(#x)")),
    "a fallback": ("screen.css", A.format("color: var(--ink, url(x))")),
    "attr": ("screen.css", A.format("color: attr(href)")),
    "env": ("screen.css", A.format("padding: env(x)")),
    "a page's ground": ("print.css", "@page { background: url(x) }"),
    "a page's margin": ("print.css", '@page { @top-left { content: "PASSED" } }'),
    "a variable that fetches": ("tokens.css", ":root { --ink: url(x) }"),
    "a variable with text": ("tokens.css", ':root { --x: "PASSED" }'),
    "a font from elsewhere": ("fonts.css", '@font-face { font-family: A; src: url("http://a.example") }'),
    "a font that is none": ("fonts.css", '@font-face { font-family: A; src: url("fonts/bad.woff2") }'),
    "a font, escaped": ("fonts.css", r'@font-face { font-family: A; src: \75rl("//a.example/x") }'),
    "a font of the machine": ("fonts.css", "@font-face { font-family: A; src: local(Wingdings) }"),
    # what breaks out, or has no end
    "the end of a style element": ("screen.css", "a[title='</style>'] { color: red }"),
    "not UTF-8": ("screen.css", b"a { color: \xff }"),
    "a sheet without end": ("screen.css", "a { color: red }\n" * 20_000),
    "brackets without end": ("screen.css", A.format("color: " + "(" * 5_000)),
    "a number without end": ("screen.css", A.format("padding: 1e999px")),
    # logos
    "a script": ("logo.svg", SVG.format("<script>alert(1)</script>")),
    "a handler": ("logo.svg", SVG.format("<rect onload='alert(1)'/>")),
    "another file": ("logo.svg", SVG.format("<use href='x.svg#a'/>")),
    "an image": ("logo.svg", SVG.format("<image href='http://a.example/x'/>")),
    "text": ("logo.svg", SVG.format("<text>PASSED</text>")),
    "foreign content": ("logo.svg", SVG.format("<foreignObject/>")),
    "a style that fetches": ("logo.svg", SVG.format("<rect style='fill: image-set(\"x\" 1x)'/>")),
    "an escaped address": ("logo.svg", SVG.format(r"<rect fill='\75rl(http://a.example)'/>")),
    "an animation": ("logo.svg", SVG.format("<animate/>")),
    "entities": ("logo.svg", "<!DOCTYPE svg [<!ENTITY a 'b'>]>" + SVG.format("&a;")),
    "a style sheet": ("logo.svg", "<?xml-stylesheet href='x'?>" + SVG.format("")),
    "masks of masks": ("logo.svg", chain("mask", "mask")),
    "clips of clips": ("logo.svg", chain("clipPath", "clip-path")),
    "patterns of patterns": ("logo.svg", chain("pattern", "fill")),
    "uses of uses": ("logo.svg", SVG.format("<g id='a'><use href='#b'/></g><g id='b'/><use href='#a'/>")),
    "a use of what is around it": ("logo.svg", SVG.format("<g id='a'><rect/><use href='#a'/></g>")),
    "many elements": ("logo.svg", SVG.format("<rect/>" * 5_000)),
    "many copies": ("logo.svg", SVG.format(f"<g id='a'>{'<rect/>' * 900}</g>" + "<use href='#a'/>" * 60)),
    "two of one id": ("logo.svg", SVG.format("<g id='a'><use href='#b'/></g><g id='b'/><g id='a'/>")),
    "uses of uses, in percents": ("logo.svg", SVG.format("<g id='a'><use href='#%61'/></g><use href='#a'/>")),
    "masks of masks, with blanks": ("logo.svg", chain("mask", "mask").replace(")'", " )'")),
    "masks of masks, in capitals": ("logo.svg", chain("mask", "mask").replace("url(", "URL( ")),
    "clips of clips, in a style": (
        "logo.svg", re.sub(r"clip-path=('[^']*)", r"style=\1", chain("clipPath", "clip-path")).replace(
            "style='", "style='clip-path: ")
    ),
    "an id that nothing has": ("logo.svg", SVG.format("<rect fill='url(#b)'/>")),
    "an id with a blank": ("logo.svg", SVG.format("<g id=' a'/><use href='# a'/>")),
    "an id in percents": ("logo.svg", SVG.format("<g id='%61'/><g id='a'/><use href='#%61'/>")),
    "many masks": ("logo.svg", SVG.format("<mask id='a'/>" + "<rect mask='url(#a)'/>" * 65)),
    "many clips": ("logo.svg", SVG.format("<clipPath id='a'/>" + "<rect clip-path='url( #a )'/>" * 65)),
    "much filled": (
        "logo.svg",
        SVG.format(f"<radialGradient id='a'>{'<stop/>' * 60}</radialGradient>" + "<g fill='url(#a)'/>" * 400),
    ),
    "gradients of themselves": (
        "logo.svg",
        SVG.format("<linearGradient id='a' href='#b'/><linearGradient id='b' href='#a'/><g fill='url(#a)'/>"),
    ),
    "deep": ("logo.svg", SVG.format("<g>" * 5_000 + "</g>" * 5_000)),
    "a large number": ("logo.svg", SVG.format("<rect width='1e9' height='1e9'/>")),
    "small dashes": ("logo.svg", SVG.format("<path d='M0 0L9 9' stroke='red' stroke-dasharray='1e-9'/>")),
    "no XML": ("logo.svg", "<svg"),
    "177 million pixels": ("logo.png", png(13_300)),
    "a long line of pixels": ("logo.png", png(5_000)),
    "no PNG": ("logo.png", b"\x89PNG\r\n\x1a\nIHDR"),
    "half a PNG": ("logo.png", png(64, "L")[:60]),
    "a large file": ("logo.png", b"\x89PNG" * 90_000),
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    (folder / "fonts").mkdir(parents=True)
    shutil.copy(DEFAULT.folder / "tokens.css", folder)
    (folder / "fonts" / "bad.woff2").write_bytes(b"wOF2" + b"\0" * 99)
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_a_theme_that_is_more_than_data_is_refused(own: Path, name: str) -> None:
    file, content = REFUSED[name]
    (own / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecipeError) as refused:
        themes.theme(str(own))
    assert file in refused.value.cause and "\n" not in refused.value.cause + refused.value.remedy


ENDLESS = ("screen.css", "tokens.css", "logo.svg", "logo.png", "fonts.css")


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.parametrize("kind", ["pipe", "device", "link out", "folder"])
def test_a_file_of_a_theme_is_a_regular_one_of_its_folder(own: Path, name: str, kind: str) -> None:
    (own / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(own / name)
    elif kind == "device":
        (own / name).symlink_to("/dev/zero")
    elif kind == "folder":
        (own / name).mkdir()
    else:
        (own.parent / name).write_bytes(b"a { color: var(--ink) }")
        (own / name).symlink_to(own.parent / name)
    with pytest.raises(RecipeError, match=re.escape(name)):
        themes.theme(str(own))


def test_comments_and_instructions_of_what_is_allowed_are_gone(own: Path) -> None:
    (own / "screen.css").write_text("/* </style> */ <!-- a { color: var(--ink) /* b */ } --> /* open")
    rect = "<rect data-e='f' class='g' width='1' height='1'><title>h</title></rect>"
    (own / "logo.svg").write_text(SVG.format(f"<!-- c --><?php d ?>{rect}"))
    theme = themes.theme(str(own))
    drawn = theme.logo()
    assert drawn is not None
    style = templates.screen_style(theme, "")
    assert "/*" not in theme.css("screen.css") and "<!--" not in style
    for gone in (b"<!--", b"<?", b"data-e", b"class", b"php"):
        assert gone not in drawn.data
    assert b'<rect width="1" height="1">' in drawn.data


def test_a_drawing_may_refer_to_itself_within_bounds(own: Path) -> None:
    """Gradients of gradients, masks, clips, copies, and names that nobody refers to."""
    inside = (
        "<g id='Group 3'/><linearGradient id='a'><stop offset='0'/></linearGradient>"
        "<linearGradient id='b' href='#a'/><clipPath id='c.1'><rect width='9' height='9'/></clipPath>"
        '<mask id="m"><rect fill="url(&quot;#b&quot;)"/></mask><path id="p" d="M0 0L9 9"/>'
        "<g mask='url(#m)' clip-path='url( #c.1 )'><use href='#p' style='fill: url(#b)'/></g>"
    )
    (own / "logo.svg").write_text(SVG.format(inside + "<rect fill='url(#b)' width='1' height='1'/>" * 100))
    drawn = themes.theme(str(own)).logo()
    assert drawn is not None and b"Group 3" not in drawn.data and b"#c.1" in drawn.data


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt", b"eXIf", b"zTXt"])
def test_a_png_is_its_pixels_alone(own: Path, kind: bytes) -> None:
    (own / "logo.png").write_bytes(with_chunk(kind, b"Comment\0\0\0\0\0PASSED"))
    drawn = themes.theme(str(own)).logo()
    assert drawn is not None and b"PASSED" not in drawn.data
    with Image.open(io.BytesIO(drawn.data)) as image:
        assert (image.size, image.mode) == ((8, 8), "RGBA")


ADDRESSES = ("http://a.example/x", "file:///etc/passwd", "picture:none", "data:text/html,x")


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_pdf_takes_nothing_but_the_report_s_own(address: str) -> None:
    weasyprint = pytest.importorskip("weasyprint")
    page = f"<style>p {{ background: url('{address}') }}</style><p><img src='{address}'>x</p>"
    with pytest.raises(RenderError, match="not a picture of this report"):
        pdf._laid_out(weasyprint, page, pdf.Pictures(), [])
