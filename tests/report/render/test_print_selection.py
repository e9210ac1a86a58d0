"""A printed report that is cut to what the recipe asks for, and says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from reportgen.evidence import Evidence
from reportgen.report import write_report
from reportgen.report.document.document import document
from reportgen.report.render.print_selection import printed
from reportgen.report.values.card import Sign
from reportgen.report.values.checks import CheckGroup, CheckRow, ChecksSection
from reportgen.report.values.document import Document

pytest.importorskip("weasyprint")


@pytest.fixture(scope="module")
def made(rendered: Path) -> Document:
    results = json.loads((rendered / "results.json").read_bytes())
    return document(Evidence(rendered / "evidence"), results)


def test_full_prints_the_document_as_it_is(made: Document) -> None:
    held = printed(made, {"cards": "full"})
    assert (held.document, held.form, held.cut) == (made, "full", "")


@pytest.mark.parametrize("asked", [True, {"cards": None}, {"cards": "sheet"}, {"cards": 9}])
def test_an_image_that_needs_a_look_has_a_sheet_and_the_others_a_small_picture(
    made: Document, asked: Any
) -> None:
    held = printed(made, asked)
    states = {row.number: set(row.states) & {"wrong", "refer", "unlabelled"} for row in made.rows if row.href}
    assert {number for number, found in states.items() if found} == set(held.sheets)
    assert {number for number, found in states.items() if not found} == set(held.contacts)
    assert (held.form, held.cut) == ("sheet", "")


def test_wrong_answers_have_a_sheet_before_those_that_nobody_judged(made: Document) -> None:
    states = {row.number: row.states for row in made.rows}
    first, second = printed(made, True).sheets
    assert "wrong" in states[first]
    assert "unlabelled" in states[second] and "wrong" not in states[second]
    assert printed(made, {"cards": 1}).sheets == (first,)
    assert second in printed(made, {"cards": 1}).contacts


def test_a_check_names_the_images_that_are_not_printed_without_a_page(made: Document) -> None:
    cards = (("000000", "#i000000"), ("000001", "#i000001"))
    exhibits = (*cards, ("000003", "#row-000003"), ("900", "#row-900"))
    row = CheckRow(id="check-odd", name="odd", title="Odd", question="?", sign=Sign("bad", "fault"),
                   sentence="Odd.", size="", remedy="", folded=(), images=exhibits, more_images="",
                   all_images="4 images", view="", places=(), block=None)  # fmt: skip
    asked = replace(made, checks=ChecksSection("", (CheckGroup("Images", (row,)),)))
    held = printed(asked, {"cards": 1})
    (group,) = held.document.checks.groups if held.document.checks else ()
    listed = {f"#row-{row.number}" for row in held.document.print_rows}
    there = {f"#i{number}" for number in (*held.sheets, *held.contacts)} | listed
    assert [id_ for id_, _ in group.rows[0].images] == [id_ for id_, _ in exhibits]
    for (_, href), (_, given) in zip(group.rows[0].images, exhibits, strict=True):
        assert href == (given if given in there else "")
    assert any(href for _, href in group.rows[0].images) and any(not href for _, href in group.rows[0].images)


@pytest.mark.parametrize("asked", [{"cards": 0}, {"cards": "none"}])
def test_no_image_is_printed_where_none_is_asked_for(made: Document, asked: Any) -> None:
    held = printed(made, asked)
    assert (held.form, held.sheets, held.contacts) == ("none", (), ())
    assert held.cut == "None of 3 cards is printed, as the recipe asks (output.pdf.cards)."
    hrefs = [row.href for row in (*held.document.print_rows, *held.document.mistakes)]
    assert not [href for href in hrefs if href.startswith("#i0")]


def test_no_link_leads_to_a_card_that_is_not_there(made: Document) -> None:
    held = printed(made, {"cards": 1})
    shown = {*held.sheets, *held.contacts}
    hrefs = [line.href for line in held.document.findings] + [row.href for row in held.document.print_rows]
    hrefs += [mistake.href for mistake in held.document.mistakes]
    assert held.document.trust and made.trust
    hrefs += [href for _, href in held.document.trust.images]
    leading = {match[1] for href in hrefs if (match := re.match(r"#i(\d{6})", href))}
    assert leading <= shown
    assert "#images" in "".join(hrefs) or "" in hrefs
    assert len(held.document.findings) == len(made.findings)


def test_the_pdf_says_what_was_cut_and_where_it_is(
    write_evidence: Callable[..., Path], manifest_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, trust=True, recipe=manifest_recipe({"cards": 1}))
    assert write_report(folder).problem is None
    reader = PdfReader(tmp_path / "report.pdf")
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]
    told = "1 more image that needs a look has no page here: the others are in report.html"
    assert sum(told in page for page in pages) == 1
    assert sum("What it answered" in page for page in pages) == 1
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count('id="i00000') >= 3


def test_whole_cards_are_printed_where_they_are_asked_for(
    write_evidence: Callable[..., Path], manifest_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, targets=2, dead=False, recipe=manifest_recipe({"cards": "full"}))
    assert write_report(folder).problem is None
    pages = [page.extract_text() for page in PdfReader(tmp_path / "report.pdf").pages]
    assert sum(page.count("Explained") for page in pages) == 3  # three images
    assert sum(page.count("for dog") for page in pages) >= 3
    assert "ReLU(Σ w·A), logit" in "".join(pages)
