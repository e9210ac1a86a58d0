"""Clauses beside what a report has of them: measured, not decided, stated or not covered, and never more."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reportgen.checks import questions
from reportgen.report.document.crosswalk import TEXTS, crosswalk
from reportgen.report.document.provenance import STATED


def results(status: str = "clear", labelled: int = 10, trust: bool = True) -> dict[str, Any]:
    checks = [{"name": name, "title": name.title(), "status": status} for name in questions()]
    tested = {"images": 20} if trust else None
    return {"checks": checks, "metrics": {"labelled": labelled}, "trust": tested, "beside": None}


def recipe(text: str | None, **statement: str) -> dict[str, Any]:
    return {"output": {"crosswalk": text}, "statement": statement}


NOTHING = {**results(labelled=0, trust=False), "checks": []}
EVERY = dict.fromkeys(STATED, "so it is")


def signs(walk: Any) -> dict[str, str]:
    return {row.clause: row.sign.text for row in walk.rows}


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert crosswalk(recipe(None), results()) is None
    assert crosswalk({"output": {}}, results()) is None


@pytest.mark.parametrize("text", TEXTS)
def test_a_clause_names_checks_and_statements_that_there_are(text: str) -> None:
    for clause in TEXTS[text].clauses:
        assert set(clause.checks) <= set(questions())
        assert set(clause.states) <= set(STATED)
        assert bool(clause.never) != bool(clause.checks or clause.parts or clause.states), clause.name
    names = [clause.name for clause in TEXTS[text].clauses]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("text", TEXTS)
def test_of_nothing_measured_and_nothing_stated_nothing_is_covered_but_the_record(text: str) -> None:
    walk = crosswalk(recipe(text), NOTHING)
    assert walk is not None
    given = [clause.name for clause in TEXTS[text].clauses if {"record", "limits"} & set(clause.parts)]
    assert {name for name, sign in signs(walk).items() if sign != "not covered"} == set(given)
    assert all(row.missing for row in walk.rows if row.sign.text == "not covered"), (
        "each says what is missing"
    )


@pytest.mark.parametrize("text", TEXTS)
def test_what_no_report_has_is_never_covered(text: str) -> None:
    walk = crosswalk(recipe(text, **EVERY), results())
    assert walk is not None
    never = {clause.name for clause in TEXTS[text].clauses if clause.never}
    told = signs(walk)
    assert {told[name] for name in never} <= {"not covered"}
    if text != "iso-4213":
        assert never, "a text of a system asks for more than a test of its model"


def test_what_is_untested_or_undecided_is_not_measured_and_says_so() -> None:
    clause = "Article 15(4)"
    for status, sign in (("clear", "measured"), ("fault", "measured"), ("undecided", "not decided")):
        walk = crosswalk(recipe("eu-ai-act"), results(status))
        assert walk is not None and signs(walk)[clause] == sign
    walk = crosswalk(recipe("eu-ai-act"), results("untested"))
    assert walk is not None
    (row,) = (row for row in walk.rows if row.clause == clause)
    assert (row.sign.text, row.links) == ("not covered", ())
    assert "not tested: corruptions, stability, foreign" in row.missing


def test_what_is_stated_is_called_stated_and_nothing_else() -> None:
    for said, sign in (({}, "not covered"), ({"reasons": "because"}, "stated")):
        walk = crosswalk(recipe("eu-ai-act", **said), NOTHING)
        assert walk is not None and signs(walk)["Annex IV 4"] == sign


def test_no_word_says_that_a_clause_is_fulfilled() -> None:
    for text in TEXTS:
        walk = crosswalk(recipe(text, **EVERY), results())
        assert not re.search(r"compl(iant|iance|ies)|conform|fulfil|certif|satisf", repr(walk), re.I)


def test_the_lead_counts_what_is_not_covered() -> None:
    walk = crosswalk(recipe("eu-ai-act"), NOTHING)
    assert walk is not None
    missing = sum(row.sign.text == "not covered" for row in walk.rows)
    assert walk.lead.endswith(f"Of {len(walk.rows)} clauses {missing} are not covered.")
