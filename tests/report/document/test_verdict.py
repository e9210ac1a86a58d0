"""The findings: what is said first, what stands apart, and where each leads."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reportgen.audit.gates import FAILED, PASSED
from reportgen.audit.metrics import metrics
from reportgen.findings import Flag
from reportgen.report.document.verdict import SUREST, findings
from reportgen.report.values.card import Level, Sign
from reportgen.report.values.document import ADVICE, FindingLine

CLASSES = ("cat", "dog")
MODEL = {"classes": list(CLASSES), "notes": [], "warnings": []}
MANIFEST: dict[str, Any] = {"model": MODEL, "visualizations": []}


def answered(
    number: int, answer: int, p: float | None, label: int | None = 0, measured: bool = True
) -> dict[str, Any]:
    """The record of one scored image."""
    ranked = [] if p is None else [(answer, p), (1 - answer, 1 - p)]
    return {
        "id": f"{number:06}",
        "number": number,
        "path": f"{number}.png",
        "status": "ok",
        "measured": measured and p is not None,
        "label": None if label is None else CLASSES[label],
        "label_index": label,
        "label_probability": None if p is None or label is None else dict(ranked)[label],
        "correct": None if label is None or p is None else answer == label,
        "loss": None if label is None or p is None else 0.5,
        "predictions": [
            {"class_index": c, "class_name": CLASSES[c], "probability": q, "logit": q} for c, q in ranked
        ],
    }


def rejected(number: int, reason: str) -> dict[str, Any]:
    return {
        "id": f"{number:06}",
        "number": number,
        "path": f"{number}.png",
        "status": "rejected",
        "reason": reason,
        "measured": False,
        "correct": None,
        "label_index": None,
        "predictions": [],
    }


def gate(outcome: str) -> dict[str, Any]:
    return {"name": "accuracy ≥ 90 %", "outcome": outcome, "passed": outcome == PASSED, "reason": "50 %"}


def results(records: Sequence[dict[str, Any]], *outcomes: str) -> dict[str, Any]:
    judged = [gate(outcome) for outcome in outcomes]
    return {"gates": judged, "metrics": metrics(records, CLASSES), "checks": [], "model": {}}


def said(records: Sequence[dict[str, Any]], *outcomes: str, **more: Any) -> tuple[FindingLine, ...]:
    signs = more.pop("signs", {})
    manifest = {**MANIFEST, **more.pop("manifest", {})}
    return findings(results(records, *outcomes), manifest, records, signs, **more)


GOOD = [answered(n, 0, 0.99) for n in range(3)]


def test_findings_stand_worst_first_and_each_leads_to_its_evidence() -> None:
    records = [answered(0, 1, 0.95), answered(1, 0, 0.35), rejected(2, "not an image")]
    model = {**MODEL, "notes": ["A note"], "warnings": ["A warning"]}
    lines = said(records, PASSED, manifest={"model": model})
    order = [("bad", "warn", "note", "ok").index(line.level) for line in lines]
    assert order == sorted(order)
    places = {line.tag: (line.level, line.href) for line in lines}
    assert places["the network"] == ("bad", "#provenance")
    assert places["wrong"] == ("bad", "#images")
    assert "unsure" not in places, "a confidence below a fixed number decides nothing"
    assert places["rejected"] == ("warn", "#rejected")
    assert places["note"] == ("note", "#provenance")
    assert "gate passed" not in places
    texts = [line.text for line in lines]
    assert (
        "1 of 2 labelled answers is wrong: accuracy 50.0 % (95 % interval 9.5 % to 90.5 %):"
        " 000000 0.png, answered dog at 0.950 (its label cat has 0.050)." in texts
    )
    assert "1 of 3 images could not be used, first 2.png: not an image." in texts


def test_gates_are_no_findings_as_they_have_rows_of_their_own() -> None:
    assert said([answered(0, 0, 0.9, label=None)], FAILED) == ()


def test_what_concerns_the_operator_and_what_passed_stands_apart() -> None:
    signs = {"000000": [("mask", Sign("warn", "The mask is empty."))]}
    model = {**MODEL, "notes": ["A note"]}
    lines = said(GOOD, PASSED, manifest={"model": model}, signs=signs)
    assert {line.tag: line.kind for line in lines} == {
        "mask": "operator",
        "note": "operator",
        "right": "passed",
    }


def test_maps_that_failed_are_one_line_whatever_their_number() -> None:
    def row(title: str, level: Level, word: str) -> SimpleNamespace:
        verdict = "Does not respond to the weights"
        return SimpleNamespace(id=title, title=title, word=Sign(level, word), verdict=verdict, method=title)

    rows = [row("A", "warn", ADVICE), row("B", "warn", ADVICE), row("C", "ok", "passes")]
    lines = said(GOOD, trust=SimpleNamespace(rows=rows))
    (line,) = (line for line in lines if line.tag == ADVICE)
    assert line.text == "2 of 3 kinds of map failed their test: A and B."
    assert (line.href, line.remedy) == ("#trust", "Do not quote a map that failed its test. C passed.")
    (line,) = (line for line in said(GOOD, trust=SimpleNamespace(rows=rows[1:])) if line.tag == ADVICE)
    assert (line.text, line.href) == ("B does not respond to the weights.", "#B")


def test_of_many_wrong_answers_the_surest_are_named_in_one_line() -> None:
    records = [answered(n, 1, 0.5 + n / 100) for n in range(SUREST + 3)]
    (line,) = (line for line in said(records) if line.tag == "wrong")
    named = line.text.split("Most confident: ")[1].split("; ")
    assert [text[:6] for text in named] == [f"{n:06}" for n in range(SUREST + 2, 2, -1)]
    assert line.href == "#images"


def test_an_answer_that_is_not_finite_is_neither_right_nor_wrong_and_said_first() -> None:
    first, *rest = said([answered(0, 0, None), *(answered(n, 0, 0.9) for n in (1, 2))])
    assert (first.level, first.tag) == ("bad", "not finite")
    assert "for 1 of 3 images, first 000000 0.png" in first.text
    assert not [line for line in rest if line.tag in ("wrong", "right")]


def test_a_sentence_of_several_images_is_said_once() -> None:
    sign = Sign("warn", "The mask is empty.")
    signs = {f"{n:06}": [("mask", sign)] for n in range(4)}
    lines = said([answered(n, 0, 0.9) for n in range(5)], signs=signs)
    (line,) = (line for line in lines if line.tag == "mask")
    assert line.text == "The mask is empty (4 of 5 images: 000000, 000001, 000002, …)."
    assert (line.level, line.href) == ("warn", "#i000000")


@pytest.mark.parametrize("holds", [True, False])
def test_a_flag_of_the_whole_model_is_said_where_it_holds(holds: bool) -> None:
    flag = Flag("dead", "2 channels are dead.", np.bool_(holds), level="warn")
    lines = [line for line in said(GOOD, whole={"sums": [(flag,)]}) if line.tag == "sums"]
    assert [(line.text, line.href) for line in lines] == [("2 channels are dead.", "#model-sums")] * holds


def test_what_lacks_the_same_is_left_out_in_one_line() -> None:
    several = [
        {"name": name.lower(), "title": name, "applicable": name == "Sums", "reason": reason}
        for name, reason in (
            ("Sums", ""),
            ("LeGrad", "no attention"),
            ("CAM", "no head"),
            ("TransMM", "no attention"),
        )
    ]
    lines = [line for line in said(GOOD, manifest={"visualizations": several}) if line.tag == "left out"]
    assert [(line.text, line.href) for line in lines] == [
        ("LeGrad and TransMM were left out: no attention.", "#how-legrad"),
        ("CAM was left out: no head.", "#how-cam"),
    ]


def test_what_was_left_out_and_that_all_is_right_are_said_last() -> None:
    shown = {"name": "sums", "title": "Sums", "applicable": False, "reason": "the model has no ReLU"}
    *_, left_out, right = said(GOOD, manifest={"visualizations": [shown]})
    assert (left_out.level, left_out.text) == ("note", "Sums was left out: the model has no ReLU.")
    assert (left_out.href, right.level) == ("#how-sums", "ok")
    assert right.text.startswith("All 3 labelled answers are right (95 % interval from ")


def test_what_a_check_warns_of_stands_before_single_images() -> None:
    records = [answered(0, 1, 0.95), answered(1, 0, 0.95)]
    asked = {
        "name": "weights",
        "title": "Weights",
        "status": "warning",
        "sentence": "The weights of fc2 are as they were initialised.",
        "remedy": "Train again.",
        "explained_by": None,
        "exhibits": {"images": []},
    }
    judged = {**results(records, PASSED), "checks": [asked]}
    lines = findings(judged, MANIFEST, records, {})
    words = [line.text for line in lines]
    assert words.index("The weights of fc2 are as they were initialised.") < min(
        number for number, line in enumerate(lines) if line.tag == "wrong"
    )
