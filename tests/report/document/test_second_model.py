"""The section and the cards of two models: the numbers of results.json, each in its place."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reportgen.audit.results import results
from reportgen.audit.schema import results_schema
from reportgen.evidence import Evidence
from reportgen.report.cards.cards import cards
from reportgen.report.cards.paired import _is_broad, _rows
from reportgen.report.document.document import document
from reportgen.report.document.second_model import lines
from reportgen.report.render import templates
from reportgen.report.values.card import Block, Figure
from reportgen.report.values.document import Document
from reportgen.report.values.second_model import SideBySide
from reportgen.report.wording import probability, share


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, two_at: Any) -> Path:
    two = two_at(tmp_path_factory.mktemp("two"))
    return Path(two.run(two.recipe(5), "report"))


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Document, dict[str, Any]]:
    evidence = Evidence(folder / "evidence")
    found = results(evidence)
    return document(evidence, found), found


def side_of(document: Document) -> SideBySide:
    assert document.side is not None
    return document.side


def test_results_are_as_their_schema_says(made: tuple[Document, dict[str, Any]]) -> None:
    jsonschema.Draft202012Validator(results_schema()).validate(made[1])


def test_the_table_has_the_numbers_of_both(made: tuple[Document, dict[str, Any]]) -> None:
    side, found = side_of(made[0]), made[1]
    rows = {row.label: row for row in side.rows}
    mine, theirs = found["metrics"], found["beside"]["metrics"]
    assert rows["accuracy"].main == share(mine["accuracy"])
    assert rows["accuracy"].other == share(theirs["accuracy"])
    assert share(theirs["accuracy_low"]) in rows["accuracy"].other_detail
    assert rows["parameters"].main == f"{found['model']['parameters']:,}"
    assert rows["parameters"].other == f"{found['beside']['model']['parameters']:,}"
    assert rows["dead"].main == str(int(found["findings"]["channel-health"]["dead"]))
    assert rows["input"].change == ""  # other preprocessing
    assert rows["input"].other == "3×24×24"


def test_every_changed_answer_is_listed_with_both_answers(made: tuple[Document, dict[str, Any]]) -> None:
    side, found = side_of(made[0]), made[1]
    for row, one in zip(side.changed, found["beside"]["changed"], strict=True):
        words = {"broken": "newly wrong", "mended": "newly right"}
        assert (row.number, row.sign.text) == (one["id"], words.get(one["kind"], one["kind"]))
        assert row.main_probability == probability(one["answers"][0]["probability"])
        assert row.other == one["answers"][1]["class_name"]
        assert row.picture is not None
    (first, *_), tests = list(lines(side, found)), found["beside"]["tests"]
    assert first.text.startswith(
        f"{tests['changed']} of {tests['compared']} answers changed: {tests['mended']} newly right,"
        f" {tests['broken']} newly wrong (McNemar p"
    )


def test_figures_stand_in_pairs_each_with_its_model_and_class(
    folder: Path, made: tuple[Document, dict[str, Any]]
) -> None:
    evidence, side = Evidence(folder / "evidence"), side_of(made[0])
    assert evidence.beside is not None
    theirs = {record["id"]: record for record in evidence.beside.records()}
    mine = {record["id"]: record for record in evidence.records()}
    held = list(cards(evidence, made[0].trust, side=side))
    assert len(held) == 5
    for card in held:
        pairs = [row for group in card.groups for row in group.rows]
        assert {row[0].method for row in pairs} == {"saliency", "grad-cam", "grad-cam-plus-plus", "occlusion"}
        for main, other in (row for row in pairs if len(row) == 2):
            assert (main.model, other.model) == ("first", "second")
            assert {f.target for f in main.figures} == {mine[card.number]["targets"][0]["class_name"]}
            if other.figures[0].name == "absent":
                assert other.figures[0].words == "This network has no layer 'more'"
                continue
            assert {f.target for f in other.figures} == {theirs[card.number]["targets"][0]["class_name"]}
            assert main.figures[0].name == other.figures[0].name
        assert card.rival is not None
        assert [answer.class_name for answer in card.rival.answers] == [
            answer["class_name"] for answer in theirs[card.number]["predictions"]
        ]
        assert "As second saw it" in [figure.title for figure in card.figures]
        changed = card.number in {one["id"] for one in made[1]["beside"]["changed"]}
        assert any("second answered" in sign.text for sign in card.signs) == changed


def test_ids_are_unique_and_every_link_leads_somewhere(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    ids = Counter(re.findall(r'\bid="([^"]+)"', page))
    assert [name for name, n in ids.items() if n > 1] == []
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert {"beside", "beside-answers", "how-beside"} <= targets
    assert targets - set(ids) == set()


def test_what_both_have_alike_is_said_and_not_shown_twice(two: Any) -> None:
    recipe = two.recipe(own="", edit=lambda text: text.replace("other.safetensors", "same.safetensors"))
    folder = two.run(recipe, "same")
    made = document(Evidence(folder / "evidence"), results(Evidence(folder / "evidence")))
    side = side_of(made)
    assert side.same == {"architecture"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("All of this is the same for second.") == 1
    assert [pair.title for pair in side.pairs] == ["Filters", "Channel health"]
    first = {pair.title: (pair.main, pair.other) for pair in side.pairs}["Filters"]
    assert (first[0].strips[0].picture.pixels != first[1].strips[0].picture.pixels).any()
    assert side.left_out == ""


def test_a_report_of_one_model_says_nothing_of_a_second(small_evidence: Path) -> None:
    evidence = Evidence(small_evidence / "evidence")
    found = results(evidence)
    assert found["beside"] is None
    made = document(evidence, found)
    assert made.side is None
    assert not any(line.tag == "side by side" for line in made.findings)


def test_print_has_the_same_numbers_and_no_link_to_what_it_lacks(
    folder: Path, made: tuple[Document, dict[str, Any]]
) -> None:
    evidence, side = Evidence(folder / "evidence"), side_of(made[0])
    pages = templates.render(
        lambda _: "picture:",
        "print.html.j2",
        form="full",
        document=made[0],
        cards=cards(evidence, made[0].trust, side=side),
        logo="",
        notes=[],
        limits="",
        left_out=(),
        weight="",
    )
    screen = (folder / "report.html").read_text(encoding="utf-8")
    for page in (pages, screen):
        assert side.answers in unescape(page)
        for row in side.rows:
            assert row.main in unescape(page) and row.other in unescape(page)
        assert all(f">{row.number}<" in page for row in side.changed)
    ids = set(re.findall(r'\bid="([^"]+)"', pages))
    assert set(re.findall(r'href="#([^"]+)"', pages)) - ids == set()


def drawn(model: str, *figures: Figure, strips: tuple[Any, ...] = ()) -> Block:
    return Block("id", "method", "Title", "", model, figures=figures, strips=strips, again=figures[:1])


def test_rows_keep_figures_of_one_name_together_and_say_further_things_once() -> None:
    map_, mask, absent = (Figure(name, name, name, "", "") for name in ("map", "mask", "absent"))
    two = [drawn("first", map_, mask), drawn("first", map_, mask)]  # two targets
    rows = list(_rows(two, [drawn("second", mask, map_), drawn("second", map_)]))
    assert [[(one.model, one.figures[0].name) for one in row] for row in rows] == [
        [("first", "map"), ("second", "map"), ("first", "map"), ("second", "map")],
        [("first", "mask"), ("second", "mask"), ("first", "mask")],
    ]
    assert [[bool(one.again) for one in row] for row in rows] == [[True] * 4, [False] * 3]
    assert [one.follows for row in rows for one in row] == [False] * 4 + [True] * 3
    lacking = list(_rows([drawn("first", map_, mask)], [drawn("second", absent)]))
    assert [[one.figures[0].name for one in row] for row in lacking] == [["map", "absent"], ["mask"]]


def test_plots_and_strips_take_the_whole_breadth() -> None:
    plotted = Figure("x", "x", "x", "", "", plot=object())  # type: ignore[arg-type]
    assert _is_broad(drawn("first", plotted))
    assert _is_broad(drawn("first", strips=(object(),)))
    assert not _is_broad(drawn("first", Figure("map", "map", "map", "", "")))
