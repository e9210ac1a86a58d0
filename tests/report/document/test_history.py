"""The history on the page: plots of what is known, dots where a requirement was not met, the latest first."""

from __future__ import annotations

from typing import Any

from reportgen.report.document.between import Between, between
from reportgen.report.document.history import history


def audit(name: str, accuracy: float, passed: bool) -> dict[str, Any]:
    gate = {
        "name": "diff.answers_changed ≤ 1 %",
        "metric": "diff.answers_changed",
        "value": 0.02,
        "limit": 0.01,
    }
    return {
        "name": name,
        "created": f"2026-11-{name}T03:00:00+00:00",
        "checkpoint_sha256": "ab" * 32,
        "met": passed,
        "accuracy": accuracy,
        "low": accuracy - 0.01,
        "high": accuracy + 0.01,
        "gates": [{**gate, "passed": passed}],
        "checks": {"weights": "clear" if passed else "fault"},
        "seconds": 10.0,
    }


def results(*before: dict[str, Any]) -> dict[str, Any]:
    since = {
        "kind": "since",
        "what": "check.weights",
        "value": None,
        "median": None,
        "since": "02",
        "audits": 3,
    }
    jump = {"kind": "jump", "what": "seconds", "value": 90.0, "median": 10.0, "since": None, "audits": 5}
    return {
        "created": "2026-11-09T03:00:00+00:00",
        "model": {"checkpoint_sha256": "cd" * 32},
        "metrics": {"accuracy": 0.9, "accuracy_low": 0.89, "accuracy_high": 0.91},
        "gates": audit("09", 0.9, True)["gates"],
        "checks": [{"name": "weights", "title": "Weights", "status": "clear"}],
        "cost": {"seconds": {"total": 10.0, "render": None}},
        "history": {"audits": list(before), "findings": [since, jump]},
    }


def test_dots_stand_where_a_requirement_was_not_met() -> None:
    made = history(results(audit("01", 0.9, True), audit("02", 0.8, False)), reproducible=False)
    assert made is not None
    titles = [figure.title for figure in made.figures]
    assert titles == ["Accuracy", "Answers changed ≤ 1 %", "Checks at fault", "Seconds of measuring"]
    plot = made.figures[0].plot
    assert plot is not None
    places = plot.lines[0].points.split()
    assert len(places) == 3
    assert [f"{point.x:.1f},{point.y:.1f}" for point in plot.points] == [places[1]]
    assert [row.name for row in made.rows] == ["this audit", "02", "01"]
    assert made.rows[1].failed == "answers changed ≤ 1 %"
    assert made.rows[1].faults == "weights"


def test_sentences_say_since_when_and_how_far() -> None:
    made = history(results(audit("01", 0.9, True)), reproducible=False)
    assert made is not None
    assert [line.text for line in made.lines] == [
        "The check Weights finds a fault since 02: the 3rd audit in a row.",
        "The time of measuring jumped to 1 min 30 s, beyond the spread of the 5 audits before (median 10 s).",
    ]


def test_what_is_met_again_is_said_with_when_it_was_not() -> None:
    told = results(audit("01", 0.9, True))
    gate = {"kind": "mended", "what": "diff.answers_changed ≤ 1 %", "value": None, "median": None}
    told["history"]["findings"] = [
        {**gate, "since": "02", "audits": 1},
        {**gate, "what": "check.weights", "since": "02", "audits": 3},
    ]
    made = history(told, reproducible=False)
    assert made is not None
    assert [(line.level, line.text) for line in made.lines] == [
        ("ok", "Answers changed ≤ 1 % is met again: it was not in 02."),
        ("ok", "The check Weights finds no fault any more: it did in the 3 audits from 02 on."),
    ]


def test_the_section_on_changes_says_what_lies_between_baseline_and_audit() -> None:
    told = results(audit("01", 0.9, True), audit("02", 0.8, False), audit("03", 0.9, True))
    assert between(told) == Between("Since the last audit", "")  # there is no baseline
    told["baseline"] = {"old": {"name": "03", "created": "2026-11-03T03:00:00+00:00"}}
    assert between(told).title == "Since the last audit"
    told["baseline"] = {"old": {"name": "01", "created": "2026-11-01T03:00:00+00:00"}}
    assert between(told) == Between(
        "Since the baseline",
        " Between the two lie 2 audits: 02 and 03, of which 1 did not meet the requirements.",
    )


def test_where_bytes_are_to_repeat_there_is_no_duration() -> None:
    made = history(results(audit("01", 0.9, True)), reproducible=True)
    assert made is not None
    assert not any("Seconds" in figure.title for figure in made.figures)
    assert [line.tag for line in made.lines] == ["since"]


def test_the_first_audit_has_no_plots() -> None:
    made = history(results(), reproducible=False)
    assert made is not None
    assert made.figures == ()
    assert made.lead.startswith("The first audit of this title")
    assert history({**results(), "history": None}, reproducible=False) is None
