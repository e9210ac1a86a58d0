"""The document says what the evidence holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.results import results as results_of
from reportgen.evidence import Evidence
from reportgen.findings import Curve, Heatmap, Mask, Scalar
from reportgen.report.cards.blocks import Scene, block
from reportgen.report.cards.cards import cards
from reportgen.report.cards.tables import ranges
from reportgen.report.document.document import document
from reportgen.report.render import templates
from reportgen.report.values.card import LEVELS
from reportgen.report.values.document import Document

WORDS = {"name": "new-method", "title": "New", "summary": "what is new."}
SCENE = Scene("i000000", "000000 a.png", np.zeros((64, 64, 3), np.uint8))


@pytest.fixture
def made(small_evidence: Path) -> Document:
    evidence = Evidence(small_evidence / "evidence")
    return document(evidence, results_of(evidence))


def test_the_cover_counts_what_was_measured(made: Document) -> None:
    facts = {fact.label: (fact.value, fact.detail) for fact in made.facts}
    assert facts["images"] == ("4", "1 rejected")
    assert facts["labelled images right"][0] == "1 / 2"
    assert facts["mean confidence"] == ("0.650", "of every answer")  # (0.9 + 0.7 + 0.35) / 3
    assert facts["parameters"][0] == "4.65 M"
    assert made.sha256 == "0123456789abcdef" * 4


def test_the_requirements_stand_with_what_was_found(made: Document) -> None:
    assert (made.summary.met.level, made.summary.met.text) == ("bad", "Requirements: 1 of 2 met")
    accuracy, rejected = made.summary.required
    assert (accuracy.name, accuracy.required, accuracy.found) == ("Accuracy", "≥ 90 %", "50.0 %")
    assert (accuracy.interval, accuracy.n) == ("9.5 % to 90.5 %", "2")
    assert (accuracy.result.text, accuracy.words) == ("not met", "40 points short; chance is not excluded")
    assert (rejected.name, rejected.found, rejected.words) == ("Rejected images", "1", "at the limit")


def test_two_labels_are_too_few_to_say_so(made: Document) -> None:
    assert made.summary.evidence.text == "Evidence: not sufficient"
    assert made.summary.why == ("2 labels of at least 30", "the interval of accuracy holds its limit of 90 %")


def test_findings_come_worst_first_with_their_numbers(made: Document) -> None:
    levels = [LEVELS.index(line.level) for line in made.findings]
    assert levels == sorted(levels)
    texts = [line.text for line in made.findings]
    assert any("answered dog at 0.700 (its label cat has 0.200)" in text for text in texts)
    assert any("1 of 4 images could not be used" in text for text in texts)
    assert any("Guided-backprop was left out: the model has no ReLU" in text for text in texts)
    assert any("all zero" in text and "(1 of 3 images: 000001)" in text for text in texts)


def test_every_readable_image_has_a_row_and_every_rejected_one_its_reason(made: Document) -> None:
    assert [row.number for row in made.rows] == ["000001", "000002", "000000"], "the worst first"
    assert [row.mark.text for row in made.rows] == ["wrong", "no label", "right"]
    assert dict(made.states) == {"wrong": 1, "right": 1, "labelled": 2, "unlabelled": 1, "flagged": 2}
    assert made.rejected == (("000003", "broken.png", "cannot identify <image> file"),)


def test_a_map_without_values_is_told_in_words(small_evidence: Path) -> None:
    held = list(cards(Evidence(small_evidence / "evidence")))
    by_id = {f.id: f for card in held for g in card.groups for b in g.blocks for f in b.figures}
    assert by_id["i000001-saliency-map"].picture is None
    assert by_id["i000001-saliency-map"].words.startswith("All zero")
    assert by_id["i000000-saliency-map"].picture is not None
    assert by_id["i000002-occlusion-mask"].words.startswith("Empty")
    assert "upper right" in by_id["i000000-grad-cam-map"].alt
    assert by_id["i000000-grad-cam-map"].details == ("conv, 6×6",)
    occlusion = by_id["i000000-occlusion-map"].bar
    assert occlusion is not None
    assert occlusion.ticks == ("−1.50", "0", "1.50")
    again = {f.id for card in held for g in card.groups for _, f in g.again}
    assert "i000000-occlusion-map-original" in again, "the crop lies within a larger original"


def test_several_targets_stand_side_by_side_under_each_visualization(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, targets=2)
    card = next(card for card in cards(Evidence(folder / "evidence")) if card.number == "000000")
    assert [held.class_name for held in card.explained] == ["cat", "dog"]
    rows = [row for group in card.groups for row in group.rows]
    assert [[held.method for held in row] for row in rows] == [
        ["saliency"] * 2,
        ["grad-cam"] * 2,
        ["occlusion"] * 2,
    ]
    explained = [[{f.target for f in held.figures + held.again} for held in row] for row in rows]
    assert all(held == [{"cat"}, {"dog"}] for held in explained)
    once = [held for group in card.groups for held in group.blocks]
    assert "hypercolumns" in {held.method for held in once}
    assert {f.target for held in once for f in held.figures} == {""}
    ids = [f.id for held in (*once, *(b for row in rows for b in row)) for f in held.figures + held.again]
    assert len(ids) == len(set(ids))


def test_a_card_of_many_figures_has_headings_in_the_order_of_its_visualizations(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, targets=2)
    card = next(iter(cards(Evidence(folder / "evidence"))))
    assert [(group.title, len(group.figures)) for group in card.groups] == [
        ("Inside the network", 3),
        ("Gradients", 2),
        ("Class activation maps", 2),
        ("Perturbations", 8),
    ]
    assert [held.method for held in card.side] == ["predictions"]


def test_a_card_of_few_figures_has_no_headings(small_evidence: Path) -> None:
    (group,) = next(iter(cards(Evidence(small_evidence / "evidence")))).groups
    assert (group.title, len(group.figures)) == ("", 9)


def test_evidence_without_groups_has_a_card_without_headings(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_evidence(tmp_path, targets=2)
    evidence = Evidence(folder / "evidence")
    for held in evidence.manifest["visualizations"]:
        del held["group"]
    card = next(iter(cards(evidence)))
    assert [group.title for group in card.groups] == [""]
    made = document(evidence, results_of(evidence))
    assert [group.title for group in made.methods] == [""]


def test_without_labels_nothing_is_said_of_accuracy(
    small_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = Evidence(small_evidence / "evidence")
    records = evidence.records()
    for record in records:
        record |= {"label": None, "label_index": None, "correct": None, "loss": None}
        record |= {"label_probability": None}
    monkeypatch.setattr(Evidence, "records", lambda _: records)
    made = document(evidence, results_of(evidence))
    assert made.accuracy == ()
    assert made.classes == ()
    assert not [line for line in made.findings if line.tag in ("wrong", "right")]
    assert made.summary.required[0].found == "–"
    assert made.summary.evidence.level == "warn"


def test_durations_are_left_out_where_the_report_must_repeat(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    def run_labels(name: str, reproducible: bool) -> set[str]:
        folder = write_evidence(tmp_path / name, reproducible=reproducible)
        evidence = Evidence(folder / "evidence")
        made = document(evidence, results_of(evidence))
        return {fact.label for sheet in made.provenance for fact in sheet.facts}

    assert run_labels("timed", False) - run_labels("same", True) == {"time", "peak memory"}


def test_the_recipe_is_yaml_that_reads_back(made: Document, small_evidence: Path) -> None:
    import yaml

    recipe = json.loads((small_evidence / "evidence/manifest.json").read_bytes())["recipe"]
    assert yaml.safe_load(made.recipe) == recipe


def test_findings_of_a_new_visualization_are_drawn_with_nothing_else_touched() -> None:
    values = np.eye(16, dtype=np.float32)
    found = (
        Heatmap("map", "Map", values, "amount"),
        Mask("chosen", "Chosen", values > 0, "rule"),
        Scalar("chosen-share", "Share", np.array(6.25), "%"),
        Scalar("gap", "Gap", np.array(0.5)),
    )
    made = block(WORDS, found, SCENE)
    assert [figure.name for figure in made.figures] == ["map", "chosen", "chosen-photo"]
    assert [fact.value for fact in made.figures[1].facts] == ["6.25 %"]
    assert [fact.label for fact in made.facts] == ["Gap"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_never_a_picture(bad: float) -> None:
    values = np.eye(4, dtype=np.float32)
    values[0, 0] = bad
    (figure,) = block(WORDS, (Heatmap("map", "Map", values, "amount"),), SCENE).figures
    assert figure.picture is None
    assert "1 of 16 values are not finite" in figure.words


def test_runs_of_numbers_are_shortened() -> None:
    assert ranges([0, 1, 2, 3, 7]) == "0–3, 7"
    assert ranges([5, 4, 3]) == "5, 4, 3"
    assert ranges([1, 2]) == "1, 2"


def test_print_lists_the_images_that_need_a_look_and_counts_the_rest(
    small_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = Evidence(small_evidence / "evidence")
    records = evidence.records()
    for number in (0, 1):  # right, and wrong
        records[number]["measured"] = False
    monkeypatch.setattr(Evidence, "records", lambda _: records)
    made = document(evidence, results_of(evidence))
    assert [row.number for row in made.rows] == ["000001", "000002", "000000"]
    assert [row.number for row in made.print_rows] == ["000001", "000002"]
    assert made.print_more.startswith("1 more image is in report.html only")


def test_a_number_that_is_not_printed_stands_nowhere_of_itself() -> None:
    """Neither among a block's numbers nor under the figure whose name its own begins with."""
    grid = np.arange(16.0).reshape(4, 4)
    found = (
        Heatmap("map", "Map", grid, "fall"),
        Scalar("map-kept", "kept", np.float32(1.25)),
        Scalar("map-secret", "secret", np.float32(0.123), printed=False),
        Scalar("aside", "aside", np.float32(0.456), printed=False),
    )
    held = block(WORDS, found, SCENE)
    assert [fact.label for fact in held.facts] == []
    assert [fact.label for fact in held.figures[0].facts] == ["kept"]
    assert held.fact("aside").value == "0.456", "a template of its own may put it into a sentence"


def test_a_figure_says_which_class_it_explains() -> None:
    """Findings of one block may explain different classes, or none."""
    grid = np.arange(16.0).reshape(4, 4)
    scene = Scene("i000000", "000000 a.png", np.zeros((64, 64, 3), np.uint8), classes=("ant", "bee"))
    curve = Curve("c", "Curve", np.ones((1, 3)), np.arange(3), ("p",), "px", "p", None, explains=0)
    found = (
        Heatmap("map", "Map", grid, "fall", explains=1),
        Mask("mask", "Mask", grid > 3, "half", explains=1),
        curve,
        Heatmap("sum", "Sum", grid, "sum of a map"),
        Heatmap("none", "None", grid, "sum", explains=-1),
    )
    held = block(WORDS, found, scene)
    assert [(f.name, f.target) for f in held.figures] == [
        ("map", "bee"),
        ("mask", "bee"),
        ("mask-photo", "bee"),
        ("c", "ant"),
        ("sum", ""),
        ("none", ""),
    ]
    assert "for the class bee" in held.figures[0].alt
    assert "class" not in held.figures[4].alt


@pytest.mark.parametrize("page", ["screen", "print"])
def test_screen_and_print_name_the_class_and_leave_out_what_is_not_printed(page: str) -> None:
    grid = np.arange(16.0).reshape(4, 4)
    scene = Scene("i000000", "000000 a.png", np.zeros((64, 64, 3), np.uint8), classes=("ant", "bee"))
    found = (
        Heatmap("map", "Map", grid, "fall", overlay=False, explains=1),
        Heatmap("sum", "Sum", grid, "sum of a map", overlay=False),
        Scalar("kept", "kept", np.float32(1.25)),
        Scalar("map-secret", "secret", np.float32(0.123), printed=False),
        Scalar("secret", "secret", np.float32(0.456), printed=False),
    )
    made = templates.environment(lambda raster: "", lambda held: "").from_string(
        '{% import "draw/common.html.j2" as common %}{% import "draw/' + page + '.html.j2" as draw %}'
        '{% include "parts/block.html.j2" %}'
    )
    text = made.render(block=block(WORDS, found, scene))
    figures = text.split("<figure")[1:]
    assert ["for bee" in held for held in figures] == [True, False]
    assert [('data-target="bee"' in held) for held in figures] == [page == "screen", False]
    assert "1.25" in text
    assert "secret" not in text and "0.123" not in text and "0.456" not in text
