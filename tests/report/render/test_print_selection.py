"""A printed report that is cut to what the recipe asks for, and says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from reportgen.evidence import Evidence
from reportgen.report import write_report
from reportgen.report.document.document import document
from reportgen.report.render.print_selection import printed
from reportgen.report.values.document import Document

pytest.importorskip("weasyprint")


@pytest.fixture(scope="module")
def made(rendered: Path) -> Document:
    results = json.loads((rendered / "results.json").read_bytes())
    return document(Evidence(rendered / "evidence"), results)


@pytest.mark.parametrize("asked", [True, {"cards": None}, {"cards": 3}, {"cards": 9}])
def test_all_cards_are_printed_where_nothing_less_is_asked(made: Document, asked: Any) -> None:
    held = printed(made, asked)
    assert (held.document, held.cards, held.cut) == (made, None, "")


def test_wrong_answers_are_printed_before_unsure_ones_before_the_rest(made: Document) -> None:
    order = [printed(made, {"cards": count}).cards or frozenset() for count in (0, 1, 2)]
    states = {row.number: row.states for row in made.rows}
    first = next(iter(order[1]))
    second = next(iter(order[2] - order[1]))
    assert order[0] == frozenset()
    assert "wrong" in states[first]
    assert "unsure" in states[second]


def test_no_link_leads_to_a_card_that_is_not_there(made: Document) -> None:
    held = printed(made, {"cards": 1})
    hrefs = [line.href for line in held.document.findings] + [row.href for row in held.document.print_rows]
    hrefs += [mistake.href for mistake in held.document.mistakes]
    assert held.document.trust and made.trust
    hrefs += [href for _, href in held.document.trust.images]
    leading = {match[1] for href in hrefs if (match := re.match(r"#i(\d{6})", href))}
    assert leading == held.cards
    assert "#images" in "".join(hrefs) or "" in hrefs
    assert len(held.document.findings) == len(made.findings)


def test_the_pdf_says_what_was_cut_and_where_it_is(
    write_evidence: Callable[..., Path], manifest_recipe: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, trust=True, recipe=manifest_recipe({"cards": 1}))
    assert write_report(folder).problem is None
    reader = PdfReader(tmp_path / "report.pdf")
    pages = [" ".join(page.extract_text().split()) for page in reader.pages]
    told = "1 of 3 cards are printed, as the recipe asks (output.pdf.cards)"
    assert told in pages[1]
    assert "the others are in report.html" in pages[1]
    assert sum("As the model saw it" in page for page in pages) == 1
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count('id="i00000') >= 3
