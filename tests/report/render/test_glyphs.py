"""Characters that no font can show: found, named, and never drawn as boxes."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from pypdf import PdfReader

from reportgen.report import write_report
from reportgen.report.render import glyphs, pdf, sheets, themes

weasyprint = pytest.importorskip("weasyprint")
DEFAULT = themes.theme("default")
UNASSIGNED = "\U000323b0"  # no font can have it: Unicode has given it to nobody
RARE = "\U00012000"  # cuneiform, which a machine hardly has


def test_the_theme_shows_latin_greek_cyrillic_arabic_and_the_signs_of_the_field() -> None:
    assert not glyphs.beyond("Ĉaŝ Ünï ελλάδα кошка ѣ ґрунт кӣтоб كلب پیشی ≥ ≤ × Σ ∂ − ρ “…”", DEFAULT)
    assert glyphs.beyond("猫 кот ねこ", DEFAULT) == {"猫", "ね", "こ"}


def test_a_face_promises_only_what_its_font_has() -> None:
    """A range that is too wide hides the fonts that have the glyph: a box is drawn."""
    sheet = DEFAULT.path("fonts.css")
    for face in sheets.read(sheet):
        (file,) = themes.URL.findall(face.written())
        held = TTFont(io.BytesIO((sheet.parent / file).read_bytes())).getBestCmap()
        for low, high in themes.RANGE.findall(face.declarations["unicode-range"].text):
            assert set(range(int(low, 16), int(high or low, 16) + 1)) <= set(held), file


def test_our_own_words_need_no_font_but_the_themes() -> None:
    from reportgen.probes import methods

    texts = [str(method.words()) for method in methods().values()]
    root = themes.folder("templates")
    # the buttons of the page are the browser's to draw
    ours = {"explorer.html.j2", "find.html.j2", "screen.html.j2", "screen-page.html.j2", "report.html.j2"}
    files = [path for path in root.rglob("*.j2") if path.name not in ours]
    assert len(files) > 25
    texts += [file.read_text(encoding="utf-8") for file in files]
    assert not glyphs.beyond("".join(texts), DEFAULT)


def test_pango_is_asked_for_what_the_theme_lacks() -> None:
    assert pdf.missing(weasyprint, f"plain {UNASSIGNED}", DEFAULT) <= {UNASSIGNED}
    assert not pdf.missing(weasyprint, "plain кот", DEFAULT)


def test_a_name_that_no_font_can_show_is_told_and_stood_in_for(
    write_evidence: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if RARE not in pdf.missing(weasyprint, RARE, DEFAULT):
        pytest.skip("this machine has a font for cuneiform")
    folder = write_evidence(tmp_path, title=f"Audit {RARE}")
    with caplog.at_level(logging.WARNING):
        assert write_report(folder).problem is None
    (told,) = [record.getMessage() for record in caplog.records if record.name == "reportgen"]
    assert "1 character " in told
    assert "U+12000 CUNEIFORM SIGN A" in told
    # what follows the warning is the layout, which meets no such character any more
    assert caplog.records[-1].name == "reportgen"
    text = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(folder / "report.pdf").pages)
    assert "Audit ?" in text
    assert "U+12000 CUNEIFORM SIGN A" in text
    assert RARE in (folder / "report.html").read_text(encoding="utf-8")


def test_names_in_other_scripts_are_drawn_with_the_themes_fonts(
    write_evidence: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = "Аудит кошек, قطة, γάτα"
    folder = write_evidence(tmp_path, title=names)
    assert write_report(folder).problem is None
    assert not caplog.records
    page = PdfReader(folder / "report.pdf").pages[0]
    fonts = {font.get_object()["/BaseFont"].split("+")[-1] for font in page["/Resources"]["/Font"].values()}
    assert {"Inter-Cyrillic", "Noto-Sans-Arabic", "Inter-Greek"} <= fonts
    text = page.extract_text()
    assert "Аудит кошек" in text
    assert "γάτα" in text
    assert re.search("[\u0600-\u06ff\ufb50-\ufefc]{3}", text)


def test_many_missing_characters_are_counted_after_the_first() -> None:
    told = glyphs.warning({chr(0x4E00 + n) for n in range(40)})
    assert told.count("U+4E") == glyphs.NAMED
    assert "40 characters" in told
    assert "28 more" in told
    assert glyphs.warning(()) == ""


def test_tags_and_attributes_keep_their_characters() -> None:
    assert glyphs.without('<b title="猫">猫 &amp; 犬</b>', {"猫"}) == '<b title="猫">? &amp; 犬</b>'
