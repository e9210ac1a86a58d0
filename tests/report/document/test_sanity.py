"""The tests of the maps: the report words the numbers of results.json, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pypdf import PdfReader

from reportgen.audit.maps import TITLES
from reportgen.audit.results import results as results_of
from reportgen.evidence import Evidence
from reportgen.report.cards.cards import cards
from reportgen.report.document.document import document
from reportgen.report.document.sanity import agreeing
from reportgen.report.values.card import Card
from reportgen.report.values.document import Document


@pytest.fixture(scope="module")
def held(rendered: Path) -> tuple[Document, list[Card], dict]:  # type: ignore[type-arg]
    evidence = Evidence(rendered / "evidence")
    results = results_of(evidence)
    made = document(evidence, results)
    return made, list(cards(evidence, made.trust)), results["trust"]


def test_a_row_a_map_worst_first_with_the_answers_of_the_results(held) -> None:  # type: ignore[no-untyped-def]
    made, _, summary = held
    rows = made.trust.rows
    assert [row.method for row in rows] == ["grad-cam", "occlusion", "saliency"]
    assert [row.word.text for row in rows] == ["do not rely", "not decided", "passes"]
    assert set(summary["methods"]) == {row.method for row in rows}
    asked = ("weights", "counts", "class", "amount", "steady")
    assert [question for _, question in made.trust.heads] == [TITLES[question] for question in asked]
    said = {"yes": "yes", "no": "no", "undecided": "open"}
    for row in rows:
        assert row.gain == summary["methods"][row.method]["gain"]
        for question, cell in zip(asked, row.cells, strict=True):
            answer = summary["methods"][row.method]["answers"][question]
            assert cell.sign.text == said[answer["answer"]]
            if answer["value"] is not None:
                assert float(cell.value.replace("−", "-")) == pytest.approx(answer["value"], abs=5.1e-3)
    assert [cell.sign.text for cell in rows[0].cells] == ["no", "yes", "yes", "yes", "yes"]
    assert {cell.sign.text for cell in rows[1].cells} == {"open"}, "two images decide nothing"


def test_what_no_map_was_asked_is_said_with_its_reason(held) -> None:  # type: ignore[no-untyped-def]
    made, _, _ = held
    picture, boxed = made.trust.unasked
    assert picture.startswith("Not asked: Does it find the right picture? No mosaic")
    assert boxed.startswith("Not asked: Is it on the object? No image of the sample has boxes")


def test_the_maps_that_pass_say_how_far_they_agree(held) -> None:  # type: ignore[no-untyped-def]
    _, _, summary = held
    titles = {name: name for name in ("a", "b", "c")}
    passing = {"methods": ["a", "b", "c"], "rho": 0.31, "least": -0.012, "apart": ["a", "c"]}
    said = agreeing({**summary, "passing": passing}, titles)
    assert said == (
        "a, b and c pass, and agree with each other by ρ 0.31 in the mean, a and c by −0.01 only: do not"
        " quote one alone."
    )
    assert agreeing(summary, titles) == "", "only one passes"


def test_agreement_is_symmetric_and_has_no_negative_zero(held) -> None:  # type: ignore[no-untyped-def]
    made, _, summary = held
    cells = made.trust.agreement
    assert len(cells) == len(made.trust.names) == len(summary["agreement"]["methods"])
    assert all(cells[a][b] == cells[b][a] for a in range(3) for b in range(3))
    texts = {cell.text for row in cells for cell in row}
    assert texts == {"1.00", "0.44", "−0.25", "0.00"}
    tints = {cell.text: cell.tint for row in cells for cell in row}
    assert tints["1.00"] == "plus-10"
    assert tints["−0.25"] == "minus-2"


def test_a_map_not_to_be_relied_on_is_a_finding_but_not_a_doubt_about_the_model(held) -> None:  # type: ignore[no-untyped-def]
    made, _, _ = held
    (line,) = [line for line in made.findings if line.tag == "do not rely"]
    assert line.text.startswith("Grad-cam does not depend on the weights (ρ 0.84 once all weights are")
    assert line.remedy.startswith("Do not quote a map that failed its test.")
    assert (line.level, line.href) == ("warn", "#trust-grad-cam")


def test_a_model_without_faults_passes_though_a_map_does_not(
    write_evidence: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = Evidence(write_evidence(tmp_path, trust=True, dead=False) / "evidence")
    records = [record for record in evidence.records() if record["number"] == 0]
    monkeypatch.setattr(Evidence, "records", lambda _: records)
    results = results_of(evidence)
    passed = {"passed": True, "outcome": "passed", "value": 1.0}
    results["gates"] = [gate | passed for gate in results["gates"]]
    made = document(evidence, results)
    assert "do not rely" in [line.tag for line in made.findings]
    assert made.summary.met.text == "Requirements: 2 of 2 met"


def test_the_badge_stands_on_that_map_alone(held) -> None:  # type: ignore[no-untyped-def]
    _, made, _ = held
    for card in made:
        blocks = [b for g in card.groups for b in (*g.blocks, *(b for row in g.rows for b in row))]
        marked = {b.method for b in blocks if b.badge}
        assert marked == {"grad-cam"}


def test_tested_images_have_a_panel_with_a_plot_a_map_or_words(held) -> None:  # type: ignore[no-untyped-def]
    _, made, _ = held
    assert [card.trial is not None for card in made] == [True, True, True]
    (panel,) = (card.trial for card in made if card.number == "000001")
    assert [figure.id for figure in panel.figures] == [
        "i000001-trust-saliency",
        "i000001-trust-grad-cam",
        "i000001-trust-occlusion",
    ]
    plots = [figure.plot for figure in panel.figures]
    assert [plot is not None for plot in plots] == [True, True, False]
    assert panel.figures[2].words.startswith("All zero")
    lines = {line.label: line for line in plots[0].lines}
    insertion = [float(pair.split(",")[1]) for pair in lines["insertion"].points.split()]
    assert insertion == sorted(insertion, reverse=True), "the planted insertion rises, upwards is less"
    assert insertion[0] == plots[0].bottom
    assert all(line.band for line in lines.values())
    assert panel.figures[0].caption == "gain +0.450, ρ\N{NO-BREAK SPACE}0.14 shuffled"
    (signs,) = panel.figures[0].details
    assert signs == "weights: yes, what counts: yes, class: yes, how much: yes, steady: yes"
    assert panel.figures[1].details[0].startswith("weights: no, what counts: yes")


class Cells(HTMLParser):
    """The text of every cell of the table of class `trust`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.inside = False
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.inside = dict(attrs).get("class") == "trust"  # that of agreement is not printed

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "table"

    def handle_data(self, data: str) -> None:
        self.text += f" {data}" if self.inside else ""


def test_page_and_print_have_the_same_numbers(held, rendered: Path) -> None:  # type: ignore[no-untyped-def]
    def numbers(text: str) -> set[str]:
        return set(re.findall(r"[+−]?\d\.\d{2,3}\b", text))

    screen = numbers(Cells((rendered / "report.html").read_text(encoding="utf-8")).text)
    pages = PdfReader(rendered / "report.pdf").pages
    (page,) = [p.extract_text() for p in pages if "Can these maps be relied on?\nEvery" in p.extract_text()]
    printed = numbers(page)
    assert screen
    assert screen <= printed
    assert len(json.dumps(held[2])) > 100
    assert sum(p.extract_text().count("do not rely") for p in pages) == 3, "cover, finding, table"


def test_without_tests_nothing_is_said_of_trust(small_evidence: Path) -> None:
    evidence = Evidence(small_evidence / "evidence")
    made = document(evidence, results_of(evidence))
    assert made.trust is None
    assert "how-trust" not in {method.id for group in made.methods for method in group.methods}
    card = next(iter(cards(evidence, made.trust)))
    assert card.trial is None
