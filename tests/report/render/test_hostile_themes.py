"""A theme's folder from somebody else: it brings no word into the report, hides none, fetches nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pypdf
import pytest

from reportgen.errors import RecipeError
from reportgen.report import write_report
from reportgen.report.render import sheets, templates, themes

DEFAULT = themes.theme("default")
SHEETS = ("tokens.css", "screen.css", "print.css", "explorer.css", "find.css", "fonts.css")
BREAKOUT = (
    "/* </style><meta http-equiv=refresh content='0;url=http://a.example/'><h1>VERDICT: PASSED</h1>"
    "<script>document.title = 'ran'</script><style> */\n"
)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the default theme, fonts and all."""
    return Path(shutil.copytree(DEFAULT.folder, tmp_path / "own"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A theme that is the default's variables, and one of its fonts."""
    folder = tmp_path / "own"
    (folder / "fonts").mkdir(parents=True)
    shutil.copy(DEFAULT.folder / "tokens.css", folder)
    shutil.copy(DEFAULT.folder / "fonts" / "inter-latin-400.woff2", folder / "fonts")
    return folder


def complaint(own: Path) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        themes.theme(str(own))
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.cause + caught.value.remedy
    assert caught.value.remedy
    return caught.value


def test_a_copy_of_the_default_is_a_theme(copied: Path) -> None:
    assert themes.theme(str(copied)).css(*SHEETS) == DEFAULT.css(*SHEETS)


def test_comments_break_out_of_nothing(
    copied: Path, small_evidence: Path, browser: Any
) -> None:
    """Pasted, such a comment made Chromium follow the refresh, and the heading stood on the PDF's cover."""
    for name in SHEETS:
        text = (copied / name).read_text(encoding="utf-8")
        (copied / name).write_text(BREAKOUT + text + BREAKOUT, encoding="utf-8")
    assert write_report(small_evidence, theme=str(copied)).problem is None
    heard: list[str] = []
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    url = (small_evidence / "report.html").as_uri()
    page.goto(url)
    page.wait_for_timeout(500)
    assert page.url == url
    assert [held for held in heard if held != url and not held.startswith(("data:", "blob:"))] == []
    assert page.locator("h1").count() == page.evaluate("document.styleSheets.length") == 1
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    assert "VERDICT: PASSED" not in page.content()
    context.close()
    words = "".join(held.extract_text() for held in pypdf.PdfReader(small_evidence / "report.pdf").pages)
    assert "VERDICT" not in words and "audit" in words


HIDES = r"""
display: none; visibility: hidden; opacity: 0; position: absolute; transform: scale(0);
clip-path: circle(0); height: 0; width: 0; overflow: hidden; text-indent: -999px; z-index: 9;
filter: opacity(0); order: 9; float: left; content-visibility: hidden; direction: rtl;
unicode-bidi: bidi-override; mask: none; zoom: 0.01; inset: 0; -webkit-text-security: disc;
mix-blend-mode: screen; animation: a 1s; transition: all 9s; line-height: 0; font-size: 0;
font-size: 1px; font-size: 0.1em; font-size: 99rem; font: 0/0 a; color: transparent;
margin: -99px; padding: 9999px; letter-spacing: -1em; max-width: 0; max-width: 1px;
grid-row: 1; box-shadow: 0 0 0 999px #fff; color: rgb(0 0 0 / 0.01); color: var(--line);
background: var(--ink); --bad: #fff; all: unset; border: 999px solid; color: #0000;
color: light-dark(#fff, #000); color: var(--bad, #fff); margin: calc(0px - 99px);
outline: 99px solid;
"""
TEXTS = r"""
content: "VERDICT: PASSED"; content: "✓"; content: attr(id); content: counter(a, upper-alpha);
quotes: "a" "b"; counter-set: page 9; list-style-type: "PASSED"; string-set: title "PASSED";
bookmark-label: "PASSED"; text-emphasis: "P"; text-overflow: "PASSED";
hyphenate-character: "PASSED"; list-style: "PASSED" inside; content: var(--sans);
content: string(title); content: target-text(attr(href)); string-set: title content();
"""
FETCHES = r"""
background: url(http://a.example/x); background: image-set('http://a.example/x' 1x);
cursor: url(x), auto; background: u\72l(http://a.example/x); behavior: url(x);
width: expression(alert(1)); src: url(x); color: "</style>"; font-family: "\3c/style>";
font-family: <!--; -moz-binding: url(x); border-image: url(x) 1;
"""
DECLARATIONS = [held.strip() for held in f"{HIDES}{TEXTS}{FETCHES}".split(";") if held.strip()]


@pytest.fixture(scope="module")
def tokens_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A theme that is the default's variables: parsed once for all the declarations below."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(DEFAULT.folder / "tokens.css", folder)
    assert themes.theme(str(folder)).folder == folder
    return folder


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_what_is_not_a_look_is_refused_with_its_place_in_every_sheet(
    tokens_alone: Path, declaration: str
) -> None:
    for name in ("screen.css", "print.css", "explorer.css", "find.css"):
        sheet = tokens_alone / name
        sheet.write_text(f"/* */ a {{ margin: 0 }}\n.verdict.bad {{ {declaration} }}\n", encoding="utf-8")
        try:
            assert f"{sheet}:2:" in complaint(tokens_alone).cause
        finally:
            sheet.unlink()


@pytest.mark.parametrize(
    "rule",
    [
        "@import 'x.css';",
        "@IMPORT url(//a.example);",
        "@layer a { .verdict { color: red } }",
        "@keyframes a { to { color: red } }",
        "@property --bad { syntax: '*'; inherits: false; initial-value: #fff }",
        "@counter-style a { system: cyclic; symbols: 'PASSED' }",
        "@supports (color: red) { .verdict { display: none } }",
        "@container (width > 1px) { a { color: red } }",
        "@starting-style { a { color: red } }",
        "@font-face { font-family: Inter; src: local(Wingdings) }",
        "@namespace svg url(http://a.example);",
        "@media print { .verdict { display: none } }",
        "@media print { .contents { display: none !important } }",
        ".verdict { color: var(--bad) !important }",
        ".verdict { & strong { color: var(--ok) } }",
        ".verdict { color: var(--none-such) }",
        "a { color: var(--ink) } } .verdict { color: var(--ink)",
        "a[title='</style>'] { color: var(--ink) }",
        "a[title='\\3c/style>'] { color: var(--ink) }",
        "a { color: var(--ink) } <!-- b",
        "a { color: 'x\n }",
        "a { " + "(" * 2000 + ")" * 2000 + " }",
    ],
)
def test_rules_that_are_more_than_looks_are_refused(own: Path, rule: str) -> None:
    (own / "screen.css").write_text(rule, encoding="utf-8")
    assert f"{own / 'screen.css'}:" in complaint(own).cause


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("--bad: #a41f1d;", "--bad: #fde8e6;", "--bad has 1.0:1 against --"),
        ("--ink: #161a20;", "--ink: #ffffff;", "--ink has"),
        ("--ink: #e6e9ee;", "--ink: #171b22;", "--ink has"),  # in the dark alone
        ("--bad: #a41f1d;", "--bad: transparent;", "--bad cannot be 'transparent'"),
        ("--bad: #a41f1d;", "--bad: #a41f1d00;", "--bad cannot be"),
        ("--bad: #a41f1d;", "--bad: var(--bad-tint);", "--bad cannot be"),
        ("--bad: #a41f1d;", "--bad: 'VERDICT: PASSED';", "--bad cannot be"),
        ("--bad: #a41f1d;", "--bad: #a41f1d; --x: 'PASSED';", "--x cannot be"),
        ("--bad: #a41f1d;", "--bad: #a41f1d !important;", "--bad cannot be"),
        ("--bad: #a41f1d;", "--bad: { color: red };", "--bad cannot be"),
        ("--agree: 110 150 255;", "--agree: 255 255 255;", "--ink has"),
        ("--radius: 8px;", "--radius: 999px;", "--radius cannot be"),
        ("--line-0: #2454c8;", "--line-0: #fefefe;", "--line-0 has 1.0:1 against --paper"),
    ],
)
def test_variables_that_hide_words_are_refused(own: Path, was: str, becomes: str, says: str) -> None:
    text = (own / "tokens.css").read_text(encoding="utf-8")
    assert was in text
    (own / "tokens.css").write_text(text.replace(was, becomes), encoding="utf-8")
    cause = complaint(own).cause
    assert says in cause and f"{own / 'tokens.css'}:" in cause


def test_colours_of_a_sheet_are_compared_with_every_ground(own: Path) -> None:
    (own / "screen.css").write_text(".verdict { color: #777 }\n.verdict { background: #888 }\n")
    assert "against" in complaint(own).cause


@pytest.mark.parametrize(
    "face",
    [
        'src: url("http://a.example/x.woff2")',
        'src: url("fonts/x.woff2")',
        'src: url("../own/fonts/inter-latin-400.woff2")',
        'src: local("Wingdings")',
        'src: url("fonts/inter-latin-400.woff2"), url(http://a.example)',
        'src: url("fonts/inter-latin-400.woff2"); size-adjust: 0%',
        "font-weight: 400",
    ],
)
def test_faces_name_fonts_of_the_folder_alone(own: Path, face: str) -> None:
    (own / "fonts.css").write_text(f'@font-face {{ font-family: "Inter"; {face} }}', encoding="utf-8")
    assert "fonts.css:1:" in complaint(own).cause


def test_a_fonts_name_cannot_say_anything_to_css(own: Path) -> None:
    name = 'a") } .verdict { display: none } b { x: url("c.woff2'
    shutil.copy(own / "fonts" / "inter-latin-400.woff2", own / "fonts" / name)
    escaped = name.replace('"', '\\"')
    (own / "fonts.css").write_text(f'@font-face {{ font-family: "Inter"; src: url("fonts/{escaped}") }}')
    assert "no WOFF2 font of the theme" in complaint(own).cause


LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><!-- </style> -->'
    '<rect width="9" height="9"/>{}</svg>'
)


@pytest.mark.parametrize(
    "inside",
    [
        "<text>VERDICT: PASSED</text>",
        "<rect style='fill: image-set(\"http://a.example/x\" 1x)'/>",
        "<rect style='@import url(#a)'/>",
        "<g xml:base='http://a.example/'/>",
        "<g id='a'><use href='#b'/></g><g id='b'><rect/></g><use href='#a'/>",
        "<use href='#a'/>" * 65,
        "<iframe xmlns='http://www.w3.org/1999/xhtml'/>",
    ],
)
def test_a_logo_is_shapes_alone(own: Path, inside: str) -> None:
    (own / "logo.svg").write_text(LOGO.format(inside))
    assert "cannot be shown" in complaint(own).cause


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_logo_declares_nothing_in_any_encoding(own: Path, encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding}'?><!DOCTYPE svg [<!ENTITY a 'b'>]>{LOGO.format('')}"
    (own / "logo.svg").write_bytes(text.encode(encoding))
    assert "declares entities" in complaint(own).cause


def test_a_logo_is_written_again_and_keeps_its_size(own: Path) -> None:
    (own / "logo.svg").write_text(LOGO.format(""))
    held = themes.theme(str(own)).logo()
    assert held is not None
    assert b"<!--" not in held.data and b"<rect" in held.data and b"<svg" in held.data
    assert ".logo img { max-height: 44px !important" in templates.screen_style(DEFAULT, "")
    assert ".logo img { max-height: 14mm !important" in templates.print_style(DEFAULT, "", {})


@pytest.mark.parametrize(
    "rule",
    [
        ".verdict span { padding: 40px 0 }",
        ".tag { padding-top: 60pt }",
        "p::first-letter { border: 20px solid }",
        "p:is(.a, b) { padding: 40px }",
        "p, b { padding: 40px }",
        ".page-of { border-top: 20px solid }",
        ".verdict span { box-shadow: 0 0 0 40px #fff }",
        "p { outline: 20px solid #fff }",
    ],
)
def test_nothing_inline_is_painted_over_the_words_before_it(own: Path, rule: str) -> None:
    (own / "print.css").write_text(rule, encoding="utf-8")
    assert "print.css:1:" in complaint(own).cause


def test_looks_are_a_themes_to_set(own: Path) -> None:
    (own / "screen.css").write_text(
        "body { font-size: 16px; line-height: 1.6; background: var(--paper) } h1 { color: var(--accent);"
        " text-transform: uppercase; border-bottom: 2px solid #123456; padding: 4px 0 }"
        " .card { box-shadow: none } @media (max-width: 620px) { h1 { font-size: 22px } }"
        " a { color: #1040a0 } .tag { padding-left: 4px; padding-top: 1px }"
        " article.card > h3, .page { padding: 20px }"
        " @media (prefers-color-scheme: dark) { .tag { border-radius: var(--radius) } }"
    )
    (own / "tokens.css").write_text(
        sheets.written([rule for rule in sheets.read(own / "tokens.css") if rule.head == ":root"])
    )
    assert "text-transform: uppercase" in themes.theme(str(own)).css("screen.css")


@pytest.mark.parametrize("name", sorted(themes.themes()))
def test_rebuilt_sheets_are_the_same_rules_to_a_browser(name: str, browser: Any) -> None:
    """What Chromium makes of a sheet's file and of the rebuilt one: the same rules, in the same order."""
    theme = themes.theme(name)
    rules = """text => { const held = new CSSStyleSheet(); held.replaceSync(text);
      return [...held.cssRules].map(rule => rule.cssText.replace(/\\s+/g, " ")); }"""
    page = browser.new_page()
    for sheet in SHEETS:
        before = page.evaluate(rules, theme.path(sheet).read_text(encoding="utf-8"))
        assert before and page.evaluate(rules, theme.css(sheet)) == before, sheet
    page.close()


def test_no_sheet_is_written_that_ends_its_element(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="a style sheet holds"):
        sheets.sealed("a { color: red } </STYLE>")
    named: Callable[[Path], str] = lambda file: "</style>"  # noqa: E731
    with pytest.raises(AssertionError, match="a style sheet holds"):
        templates.screen_style(DEFAULT, "a", named)
