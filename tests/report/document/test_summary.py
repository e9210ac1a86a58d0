"""The first screen: two statements, requirements with their margins, and what it is all about."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.gates import evaluate
from reportgen.audit.identity import identity
from reportgen.report.document import requirements
from reportgen.report.document.summary import alike, needed
from reportgen.report.values.summary import Asked
from reportgen.stats import wilson

TITLES = [{"name": "duplicates", "title": "Duplicates", "status": "clear", "sentence": "None.", "n": 9}]


def judged(right: int, labelled: int, *gates: dict[str, Any], checks: Any = ()) -> dict[str, Any]:
    """Results of a set of which so many labelled answers are right."""
    low, high = wilson(right, labelled) if labelled else (None, None)
    totals = {
        "accuracy": right / labelled if labelled else None,
        "accuracy_low": low,
        "accuracy_high": high,
        "labelled": labelled,
        "unanswered": 0,
        "unanswered_labelled": 0,
        "per_class": None,
        "labels": None,
    }
    return {"gates": evaluate(gates, totals, checks=checks), "metrics": totals, "checks": list(checks)}


def statements(results: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    sign, why = requirements.evidence(results)
    return requirements.met(results["gates"]).text, sign.text, why


MIN, LOWER = {"metric": "accuracy", "min": 0.95}, {"metric": "accuracy", "min_lower": 0.95}


@pytest.mark.parametrize(
    ("results", "met", "evidence", "why"),
    [
        (judged(490, 500, MIN), "Requirements: 1 of 1 met", "Evidence: sufficient", ()),
        (judged(490, 500, LOWER), "Requirements: 1 of 1 met", "Evidence: sufficient", ()),
        (judged(400, 500, MIN), "Requirements: 0 of 1 met", "Evidence: sufficient", ()),
        (
            judged(6, 6, MIN),
            "Requirements: 1 of 1 met",
            "Evidence: not sufficient",
            ("6 labels of at least 30",),
        ),
        (
            judged(0, 0, MIN),
            "Requirements: 0 of 1 met, 1 cannot be judged",
            "Evidence: not sufficient",
            ("no image has a label", "accuracy cannot be judged"),
        ),
        (
            judged(97, 100, MIN | {"at_least": 200}),
            "Requirements: 0 of 1 met, 1 cannot be judged",
            "Evidence: not sufficient",
            ("accuracy cannot be judged",),
        ),
        (
            judged(97, 100, MIN),
            "Requirements: 1 of 1 met",
            "Evidence: not sufficient",
            ("the interval of accuracy holds its limit of 95 %",),
        ),
        (judged(490, 500), "No requirement set", "Evidence: there is no requirement to hold it against", ()),
    ],
)
def test_the_two_statements(results: dict[str, Any], met: str, evidence: str, why: tuple[str, ...]) -> None:
    said = statements(results)
    assert said[:2] == (met, evidence)
    assert said[2][: len(why)] == why
    assert bool(said[2]) == bool(why)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.01, 0.99))
def test_the_words_of_a_row_say_what_the_numbers_do(counts: tuple[int, int], limit: float) -> None:
    results = judged(*counts, {"metric": "accuracy", "min": limit})
    (row,) = requirements.required(results)
    (gate,) = results["gates"]
    short = gate["value"] < limit
    assert row.words.startswith("at the limit") or ("short" in row.words) == short
    if gate["value"] != limit:
        surely = gate["low"] >= limit or gate["high"] < limit
        assert ("not excluded" in row.words or "not by the lower" in row.words) != surely


def test_a_near_miss_does_not_read_as_if_it_were_met() -> None:
    (row,) = requirements.required(judged(89999, 100000, {"metric": "accuracy", "min": 0.9}))
    assert (row.found, row.required, row.result.text) == ("89.999 %", "≥ 90 %", "not met")
    assert row.words.startswith("0.0010 points short")


def test_a_gate_on_a_check_is_told_in_the_words_of_the_check() -> None:
    (row,) = requirements.required(judged(9, 9, {"check": "duplicates"}, checks=TITLES))
    assert (row.name, row.required, row.found) == ("Duplicates", "no fault", "clear")
    assert (row.n, row.href) == ("9", "#check-duplicates")


@given(st.floats(0.5, 0.999), st.floats(0.01, 0.2))
def test_the_labels_that_are_asked_for_clear_the_limit(accuracy: float, margin: float) -> None:
    limit = accuracy - margin
    n = needed(accuracy, limit)
    assert n is not None
    assert wilson(accuracy * n, n)[0] >= limit
    if n > 10:  # and not many fewer would
        fewer = int(n / 1.25)
        assert wilson(accuracy * fewer, fewer)[0] < limit
    assert needed(0.9, 0.9) is None


def record(path: str, sha256: str | None, label: str | None, status: str = "ok") -> dict[str, Any]:
    return {"path": path, "sha256": sha256, "label": label, "status": status}


def test_the_identity_is_of_the_files_and_not_of_their_order() -> None:
    broken = record("c.png", None, None, "rejected")
    records = [record("b.png", "bb", "dog"), record("a.png", "aa", "cat"), broken]
    found = identity(records, {"b": 1, "a": "ü"})
    by_hand = hashlib.sha256(b"-  c.png\naa  a.png\nbb  b.png\n").hexdigest()
    assert found["images"] == by_hand
    assert found["labels"] == hashlib.sha256(b"a.png\tcat\nb.png\tdog\n").hexdigest()
    assert found["recipe"] == hashlib.sha256('{"a":"ü","b":1}'.encode()).hexdigest()
    assert found["classes"] == {"cat": 1, "dog": 1}
    assert identity(records[::-1], {"a": "ü", "b": 1}) == found
    renamed = [*records[1:], record("d.png", "bb", "dog")]
    assert identity(renamed, {})["images"] != found["images"]
    relabelled = [*records[1:], record("b.png", "bb", "cat")]
    assert identity(relabelled, {})["labels"] != found["labels"]
    assert identity([record("a.png", "aa", None)], {})["labels"] is None


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3), st.sampled_from("abc"))))
def test_what_is_said_of_several_questions_is_told_once_and_none_is_lost(said: list[tuple[str, str]]) -> None:
    rows = [Asked(title, text, f"#check-{n}") for n, (title, text) in enumerate(said)]
    found = alike(rows)
    assert [part.text for part in found] == list(dict.fromkeys(text for _, text in said))
    for part in found:
        assert list(part.rows) == [row for row in rows if row.text == part.text]


def test_the_first_line_begins_with_the_fault_and_not_with_how_many_are_right() -> None:
    from reportgen.report.document import requirements

    def check(status: str, sentence: str, by: str = "") -> dict[str, str]:
        return {"status": status, "sentence": sentence, "explained_by": by}

    checks = [
        check("warning", "It may be so."),
        check("fault", "It follows from the next: so.", "place-shortcut"),
        check("fault", "3 rests on the lower left corner (9×9 px): pasted, it makes 58.9 % of them 3."),
        check("fault", "1.5 % of the pictures have copies. They count twice."),
    ]
    results = {**judged(9, 10, {"metric": "accuracy", "min": 0.5}), "checks": checks}
    results["metrics"] = {**results["metrics"], "right": 9, "rejected": 0}
    said = list(requirements.counts(results))
    pasted = "3 rests on the lower left corner (9×9 px): pasted, it makes 58.9 % of them 3."
    assert said[0] == f"Fault: {pasted} And 1 more fault."
    assert said[1] == "9 of 10 labelled answers right"
    others = list(requirements.counts({**results, "checks": [checks[3]]}))
    assert others[0] == "Fault: 1.5 % of the pictures have copies. They count twice."
    named = {**results, "checks": [check("fault", "St. Bernard: a dog rests on " + "its collar and " * 30)]}
    (first, *_) = requirements.counts(named)
    assert first.startswith("Fault: St. Bernard: a dog rests on its collar and") and first.endswith(" …")
    assert len(first) <= 200
    assert list(requirements.counts({**results, "checks": checks[:2]})) == said[1:]
