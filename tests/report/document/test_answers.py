"""Confusions, ECE and the reliability diagram against slow references and planted answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from reportgen.audit.calibration import BINS, calibration, confusion, expected_error
from reportgen.audit.metrics import metrics
from reportgen.audit.results import results as results_of
from reportgen.evidence import Evidence
from reportgen.report.document.answers import calibrated, confused, mistakes
from reportgen.report.document.document import document
from reportgen.report.pictures.plots import reliability
from reportgen.stats import wilson

CONFIDENCES = st.floats(0, 1) | st.sampled_from([n / BINS for n in range(BINS + 1)])
NAMES = [f"class {n}" for n in range(200)]


def record(p: float | None, label: int, answer: int, number: int = 0) -> dict[str, Any]:
    return {
        "id": f"{number:06d}",
        "number": number,
        "path": f"{number}.png",
        "status": "ok",
        "label": NAMES[label],
        "label_index": label,
        "correct": label == answer,
        "label_probability": p,
        "loss": 1.0,
        "predictions": [{"class_index": answer, "class_name": NAMES[answer], "probability": p}],
    }


def answers(pairs: list[tuple[float, bool]]) -> list[dict[str, Any]]:
    return [record(p, 0, 0 if right else 1, n) for n, (p, right) in enumerate(pairs)]


def slow_ece(pairs: list[tuple[float, bool]]) -> float:
    """Guo et al. 2017, eq. 3, bin by bin over the whole set; bin m holds ((m - 1)/M, m/M]."""
    p, right = np.array([held[0] for held in pairs]), np.array([held[1] for held in pairs], float)
    error = 0.0
    for m in range(1, BINS + 1):
        inside = (p > (m - 1) / BINS) & (p <= m / BINS) | ((m == 1) & (p == 0))
        if inside.any():
            error += inside.sum() / len(p) * abs(right[inside].mean() - p[inside].mean())
    return error


@settings(deadline=None)
@given(st.lists(st.tuples(CONFIDENCES, st.booleans()), min_size=1, max_size=80))
def test_ece_is_that_of_the_definition(pairs: list[tuple[float, bool]]) -> None:
    bins = calibration(answers(pairs))
    assert bins is not None
    assert expected_error(bins) == pytest.approx(slow_ece(pairs), abs=1e-12)
    assert sum(held["count"] for held in bins) == len(pairs)
    for held in bins:
        assert held["confidence"] is None or held["low"] - 1e-12 <= held["confidence"] <= held["high"] + 1e-12
    error, accuracy = expected_error(bins), sum(right for _, right in pairs) / len(pairs)
    assert error is not None
    assert error + 1e-12 >= abs(accuracy - sum(p for p, _ in pairs) / len(pairs)), "the plain gap is a bound"


def test_ece_worked_by_hand() -> None:
    # (13/15, 14/15]: 0.9, 0.9, 0.9, 0.9 with 3 right; (7/15, 8/15]: 0.5 right
    pairs = [(0.9, True), (0.9, True), (0.9, True), (0.9, False), (0.5, True)]
    bins = calibration(answers(pairs))
    assert expected_error(bins) == pytest.approx(4 / 5 * 0.15 + 1 / 5 * 0.5)
    assert [(n, held["count"]) for n, held in enumerate(bins or []) if held["count"]] == [(7, 1), (13, 4)]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, BINS * 8), st.integers(1, 4)), min_size=1, max_size=6))
def test_answers_as_often_right_as_they_say_have_no_error(planted: list[tuple[int, int]]) -> None:
    grain = BINS * 8
    pairs = [(share / grain, n < share) for share, times in planted for n in list(range(grain)) * times]
    bins = calibration(answers(pairs))
    assert expected_error(bins) == pytest.approx(0, abs=1e-12)
    # of the right ones alone, what they lack of certainty is the error
    right = [(p, True) for p, held in pairs if held]
    lacking = 1 - sum(p for p, _ in right) / len(right)
    assert expected_error(calibration(answers(right))) == pytest.approx(lacking, abs=1e-12)


def test_an_image_without_an_answer_is_in_no_bin_and_no_confusion() -> None:
    silent = record(0.5, 0, 1) | {"predictions": [], "correct": None, "loss": None}
    answered = [record(0.9, 0, 0), record(0.8, 0, 1)]
    found, without = metrics([*answered, silent], NAMES), metrics(answered, NAMES)
    for key in ("ece", "calibration", "confusion", "per_class"):
        assert found[key] == without[key] is not None
    shown = calibrated(found)
    assert shown is not None and "Over 2 labelled images" in shown.text


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=150))
def test_the_confusions_count_every_labelled_image_once(pairs: list[tuple[int, int]]) -> None:
    records = [record(0.5, label, answer) for label, answer in pairs]
    found = metrics(records, NAMES)
    held = found["confusion"]
    occurring = sorted({index for pair in pairs for index in pair})
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    if len(occurring) <= 50:
        assert held["classes"] == [NAMES[index] for index in occurring]
        table = np.array(held["counts"])
        assert table.sum() == found["labelled"]
        assert table.trace() == sum(row["correct"] for row in found["per_class"])
        rows = {row["class_name"]: row["count"] for row in found["per_class"]}
        assert table.sum(1).tolist() == [rows.get(name, 0) for name in held["classes"]]
    else:
        most = sorted((wrong.count(pair) for pair in set(wrong)), reverse=True)[:20]
        assert [pair["count"] for pair in held["pairs"]] == most
        for pair in held["pairs"]:
            assert (NAMES.index(pair["label"]), NAMES.index(pair["answer"])) in wrong
            assert pair["images"] == [NAMES[label] for label, _ in pairs].count(pair["label"])


@pytest.mark.parametrize("classes, kind", [(4, "rows"), (20, "rows"), (21, "pairs"), (51, "pairs")])
def test_a_matrix_is_drawn_while_it_can_be_read(classes: int, kind: str) -> None:
    records = [record(0.5, n, n) for n in range(classes)] + [record(0.5, 1, 3), record(0.5, 1, 3)]
    drawn = confused({"confusion": confusion(records, NAMES)})
    assert drawn is not None
    if kind == "rows":
        assert [head for head, _ in drawn.heads] == [str(n + 1) for n in range(classes)], "names are long"
        row = drawn.rows[1]
        assert (row.cells[1].text, row.cells[3].text, row.total) == ("1", "2", "3")
        assert (row.cells[1].tint, row.cells[3].tint, row.cells[0].tint) == ("plus-3", "minus-7", "none")
        assert (row.cells[1].right, row.cells[3].right) == (True, False)
    else:
        (pair,) = drawn.pairs
        assert (pair.label, pair.answer, pair.count, pair.images) == ("class 1", "class 3", "2", "3")
        assert pair.share == "66.7 %"


def places(held: Mapping[str, Any]) -> tuple[float, float]:
    return held["confidence"], held["accuracy"]


def test_the_diagram_places_each_bin_and_its_interval() -> None:
    bins = calibration(answers([(0.25, False), (0.5, True), (0.5, False), (1.0, True)]))
    filled = [held for held in bins or [] if held["count"]]
    ends = [wilson(round(held["accuracy"] * held["count"]), held["count"]) for held in filled]
    drawn = reliability(filled, ends)
    across, up = drawn.right - drawn.left, drawn.bottom - drawn.top
    for point, held, (low, high) in zip(drawn.points, filled, ends, strict=True):
        assert ((point.x - drawn.left) / across, (drawn.bottom - point.y) / up) == pytest.approx(
            places(held), abs=1e-3
        )
        assert ((drawn.bottom - point.low) / up, (drawn.bottom - point.high) / up) == pytest.approx(
            (low, high), abs=1e-3
        )
        assert point.text == str(held["count"])
    assert [line.label for line in drawn.lines] == ["calibrated"]


def test_counts_in_the_diagram_do_not_run_into_each_other() -> None:
    # a digit is at most 0.65 of the size of the letters, here 9
    for count in (9, 999, 12345):
        bins = [
            {"low": n / BINS, "high": (n + 1) / BINS, "count": count, "confidence": n / BINS, "accuracy": 0.5}
            for n in range(BINS)
        ]
        points = reliability(bins, [(0.4, 0.6)] * BINS).points
        for a in points:
            for b in points:
                if a is not b and math.isclose(a.text_y, b.text_y):
                    assert abs(a.text_x - b.text_x) > 9 * 0.65 * len(a.text)


@pytest.mark.parametrize("count, few", [(29, True), (30, False)])
def test_too_few_labelled_images_are_not_judged(count: int, few: bool) -> None:
    held = calibrated(metrics(answers([(0.8, True)] * count), NAMES))
    assert held is not None
    assert ("too few labelled images to judge" in held.few) is few
    assert held.ece == ("" if few else "ECE 0.200")
    assert ("underconfident by 0.200" in held.text) is not few
    assert [(row.count, row.confidence, row.gap) for row in held.bins] == [(str(count), "0.800", "+0.200")]


def test_the_mistakes_are_the_surest_ones_surest_first() -> None:
    records = answers([(n / 20, n % 2 == 0) for n in range(20)])
    found = mistakes(records, ())
    assert [held.probability for held in found] == [f"{n / 20:.3f}" for n in range(19, 4, -2)]
    assert {(held.answer, held.label) for held in found} == {("class 1", "class 0")}


def test_mistakes_lead_to_their_cards(rendered: Path) -> None:
    evidence = Evidence(rendered / "evidence")
    made = document(evidence, results_of(evidence))
    (held,) = made.mistakes
    assert (held.number, held.href, held.answer, held.label) == ("000001", "#i000001", "dog", "cat")
    assert (held.probability, held.label_probability) == ("0.700", "0.200")
    assert held.picture is not None


def test_page_and_print_say_the_same_of_the_answers(rendered: Path) -> None:
    page = unescape((rendered / "report.html").read_text(encoding="utf-8"))
    printed = " ".join(part.extract_text() for part in PdfReader(rendered / "report.pdf").pages)
    # of so few no error of the calibration is printed, nor which way it leans
    words = ("too few labelled images to judge: 2 of at least 30", "the share right is 0.500.")
    for text in (re.sub(r"\s+", " ", page), re.sub(r"\s+", " ", printed)):
        assert all(word in text for word in words)
        assert "The most confident mistakes" in text
        assert "ECE 0" not in text and "confident by" not in text
    bins = re.search(r'<table class="bins">.*?</table>', page, re.DOTALL)
    assert bins is not None
    numbers = re.findall(r"[+−]?\d\.\d{3}", re.sub(r"<[^>]*>", " ", bins[0]))
    assert {"0.700", "0.900", "0.000", "1.000", "−0.700", "+0.100"} <= set(numbers)
    assert set(numbers) <= set(re.findall(r"[+−]?\d\.\d{3}", printed))
    table = re.search(r'<table class="confusion">.*?</table>', page, re.DOTALL)
    assert table is not None
    cells = re.findall(r'<td class="num[^>]*>(?:<b>)?(?:<a [^>]*>)?(\d+)', table[0])
    assert cells == ["1", "1", "2", "0", "0", "0"], "two labels of cat, answered cat and dog; none of dog"


def test_without_labels_there_is_no_table_and_no_diagram() -> None:
    found = metrics([{**record(0.9, 0, 0), "correct": None, "loss": None}], NAMES)
    assert (found["confusion"], found["ece"], found["calibration"]) == (None, None, None)
    assert confused(found) is None
    assert calibrated(found) is None
