"""The pages of report.pdf as they are drawn: type and figures large enough, no empty pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw
import pytest

from reportgen.report import write_report

pytest.importorskip("weasyprint")

SMALLEST_PT = 9
FIGURE_MM = 42
POINT_MM = 25.4 / 72
# the head and the foot of a page, as shares of its height
HEAD, FOOT = 0.055, 0.055


@pytest.fixture(scope="module")
def pages(rendered: Path) -> Iterator[Any]:
    held = pdfium.PdfDocument(rendered / "report.pdf")
    yield held
    held.close()


def sizes(page: Any) -> Iterator[tuple[str, float]]:
    """Each visible character of a page and how large it is drawn, in points."""
    text = page.get_textpage()
    for at in range(text.count_chars()):
        letter, matrix = chr(raw.FPDFText_GetUnicode(text.raw, at)), raw.FS_MATRIX()
        raw.FPDFText_GetMatrix(text.raw, at, matrix)
        if letter.strip():
            yield letter, raw.FPDFText_GetFontSize(text.raw, at) * math.hypot(matrix.c, matrix.d)


def used(page: Any) -> float:
    """How far down a page is used, as a share of what is between its head and its foot."""
    drawn = page.render(scale=0.5).to_pil().convert("L")
    width, height = drawn.size
    body = drawn.crop((0, round(height * HEAD), width, round(height * (1 - FOOT))))
    box = body.point(lambda level: 255 if level < 245 else 0).getbbox()
    return box[3] / body.size[1] if box else 0.0


def parts(document: Any) -> set[int]:
    """The pages on which a part begins that has a page of its own."""
    return {mark.get_dest().get_index() for mark in document.get_toc() if mark.get_title() == "Cases"}


def test_no_character_is_smaller_than_nine_points(pages: Any) -> None:
    small = {(n, round(size, 1)) for n, page in enumerate(pages, 1) for _, size in sizes(page) if size < 8.95}
    assert small == set()


def test_the_figures_of_a_case_are_large(pages: Any) -> None:
    (first,) = parts(pages)
    sides = []
    for held in pages[first].get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE]):
        left, bottom, right, top = held.get_bounds()
        sides.append(max((right - left), (top - bottom)) * POINT_MM)
    figures = [side for side in sides if side > 15]  # what is smaller is the swatch of a key
    assert len(figures) >= 2
    assert min(figures) >= FIGURE_MM


def test_no_page_is_less_than_half_used_but_the_last_of_a_part(pages: Any) -> None:
    ends = {start - 1 for start in parts(pages)} | {len(pages) - 1}
    scant = [n + 1 for n, page in enumerate(pages) if n not in ends and used(page) < 0.5]
    assert scant == []


def test_a_case_ends_on_its_page(pages: Any) -> None:
    texts = [page.get_textpage().get_text_range() for page in pages]
    cases = [text for text in texts if "What it answered" in text]
    assert len(cases) == 2
    assert all("Reviewer" in text and "of this image: report.html#i" in text for text in cases)


def lines(page: Any) -> list[tuple[float, float, str]]:
    """Each line of a page from the top: how high it stands, the size of its type in points, its text."""
    text = page.get_textpage()
    found: dict[int, list[tuple[float, str]]] = {}
    for at in range(text.count_chars()):
        letter, matrix = chr(raw.FPDFText_GetUnicode(text.raw, at)), raw.FS_MATRIX()
        raw.FPDFText_GetMatrix(text.raw, at, matrix)
        size = raw.FPDFText_GetFontSize(text.raw, at) * math.hypot(matrix.c, matrix.d)
        if letter.strip():
            found.setdefault(round(matrix.f), []).append((size, letter))
    return [
        (height, max(size for size, _ in held), "".join(letter for _, letter in held))
        for height, held in sorted(found.items(), reverse=True)
    ]


def below_the_sentences(document: Any) -> list[float]:
    """How far down from its answers each case's choices stand, in points."""
    found = []
    for page in document:
        at = {text: height for height, _, text in lines(page)}
        heads = [height for text, height in at.items() if "Whatitanswered" in text]
        ends = [height for text, height in at.items() if text.startswith("Reviewer") and "labelwrong" in text]
        found += [heads[0] - ends[0]] if heads and ends else []
    return found


def test_a_case_is_as_long_however_long_the_names_of_classes_are(
    pages: Any, write_evidence: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_with: dict[str, Any] = write_evidence.__globals__  # type: ignore[attr-defined]
    names = tuple(f"{name} {'of the wooded hills and valleys ' * 3}" for name in made_with["CLASSES"])
    monkeypatch.setitem(made_with, "CLASSES", names)
    folder = write_evidence(tmp_path, trust=True)
    assert write_report(folder).problem is None
    with pdfium.PdfDocument(folder / "report.pdf") as document:
        long = below_the_sentences(document)
    assert len(long) == 2
    assert long == pytest.approx(below_the_sentences(pages), abs=2)


def test_no_heading_stands_alone_at_the_foot_of_a_page(pages: Any) -> None:
    headings = {heading.get_title().strip() for heading in pages.get_toc()}
    headings = {"".join(title.split()) for title in headings}
    alone = []
    for number, page in enumerate(pages, 1):
        foot = page.get_height() * FOOT
        body = [line for line in lines(page) if line[0] > foot]
        if body and (body[-1][1] > 12.5 or body[-1][2] in headings) and page.get_height() - body[0][0] < 200:
            alone.append((number, body[-1]))
    assert alone == []
