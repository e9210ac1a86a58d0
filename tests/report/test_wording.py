"""Numbers as text: what is printed must still be the number."""

from __future__ import annotations

import ast
import html
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.audit.gates import ENDS
from reportgen.checks import questions
from reportgen.probes import methods
from reportgen.report.document.glossary import VERDICTS, WORDS, glossary
from reportgen.report.wording import cell, count, date, number, place, plural, probability, size


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_printed_number_is_the_number_to_three_digits(value: float) -> None:
    read = float(number(value).replace("−", "-").replace(",", ""))
    assert math.isclose(read, value, rel_tol=5.1e-3, abs_tol=1e-300)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_whole_number_is_printed_in_full(value: int) -> None:
    assert int(number(value).replace("−", "-").replace(",", "")) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(4_652_008, "4.65 M"), (385_187_552, "385 M"), (58_281_093, "58.3 M"), (53_030, "53,030")],
)
def test_counts_of_known_networks(value: int, text: str) -> None:
    assert count(value) == text


@given(st.floats(min_value=0, max_value=1))
def test_a_probability_never_reads_as_certain_unless_it_is(p: float) -> None:
    text = probability(p)
    assert (text == "1.000") == (p == 1)
    assert (text == "0.000") == (p == 0)


def test_units_dates_and_missing_values() -> None:
    assert size(18_608_032) == "17.7 MiB"
    assert date("2026-11-22T08:00:00+01:00") == "22 November 2026, 07:00 UTC"
    assert (plural(1, "image"), plural(1200, "image")) == ("1 image", "1,200 images")
    assert (cell(None), cell([8, 4]), cell(1234)) == ("–", "8×4", "1,234")
    assert number(float("nan")) == "not finite"


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [(0, 0, "upper left"), (4, 4, "centre"), (8, 4, "lower centre"), (4, 8, "middle right")],
)
def test_the_place_of_the_largest_value(row: int, column: int, words: str) -> None:
    values = np.zeros((9, 9), np.float32)
    values[row, column] = 1
    assert place(values) == words


def test_the_fields_words_are_explained_where_they_are_used() -> None:
    """Specialists' words in what visualizations say of themselves have a plain meaning beside them."""
    specialist = "baseline channel convolution gradient kernel logit pooling rectifier softmax stride"
    held = [method.words() for method in methods().values()]
    said = " ".join(str(words[key]) for words in held for key in ("definition", "reading", "limits")).lower()
    explained = [fact.label for fact in glossary()]
    assert explained == sorted(explained)
    assert {word for word in specialist.split() if word in said} <= set(explained)
    said += " ".join(fact.value for fact in glossary())
    assert not [word for word, _ in WORDS if word not in said]


def test_what_a_verdict_rests_on_is_explained_and_no_word_that_is_not_said(rendered: Path) -> None:
    asked = [str(word) for each in questions().values() for word in each.words().values()]
    page = (rendered / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'(?s)<details class="glossary">.*?</details>', " ", page)
    ends = [f"{end} end" for end in ENDS.values()]  # of gates that this report has not
    said = html.unescape(" ".join([*asked, *ends, re.sub(r"<[^>]*>", " ", page)])).lower()
    for head, _ in VERDICTS:
        for word in re.split(r",|\band\b", head.partition("(")[0]):
            assert word.strip() in said, head


NOBODY_UNDERSTOOD = (
    *("forwards + backwards", "changed copies", "scored copies", "joins of values", "input copies"),
    *("climb", "sent back", "hang on", "mended", "broken", "surest", "from one forward pass"),
)


def test_words_that_nobody_understood_do_not_reach_a_reader(rendered: Path) -> None:
    """In the page, in what visualizations and checks say, in the words of the plan and of README."""
    page = re.sub(r"(?s)<(style|script)>.*?</\1>", " ", (rendered / "report.html").read_text())
    page = html.unescape(re.sub(r"<[^>]*>", " ", page)).replace("broken.png", "")
    root = Path(__file__).parents[2]
    held = {"report.html": page, "README.md": (root / "README.md").read_text()}
    for asked in (methods(), questions()):
        held |= {name: " ".join(map(str, each.words().values())) for name, each in asked.items()}
    for path in (*root.glob("templates/**/*.j2"), *root.glob("templates/script/*.js")):
        held[path.name] = re.sub(r"(?ms)\{#.*?#\}|^\s*//[^\n]*$", " ", path.read_text())
    said_by = ("report", "probes", "checks")
    for path in (path for room in said_by for path in (root / "reportgen" / room).glob("**/*.py")):
        held[path.name] = " ".join(printed_words(ast.parse(path.read_text())))
    found = [
        (name, word)
        for name, text in held.items()
        for word in NOBODY_UNDERSTOOD
        if re.search(rf"\b{re.escape(word)}", text.lower())
    ]
    assert found == []


def printed_words(tree: ast.AST) -> list[str]:
    """The texts of a module that are more than one word: names of fields and the like are one."""
    docs = {
        id(held.body[0].value)
        for held in ast.walk(tree)
        if isinstance(held, ast.Module | ast.FunctionDef | ast.ClassDef)
        and held.body
        and isinstance(held.body[0], ast.Expr)
    }
    return [
        held.value
        for held in ast.walk(tree)
        if isinstance(held, ast.Constant)
        and isinstance(held.value, str)
        and " " in held.value.strip()
        and id(held) not in docs
    ]
