"""The keys `checks`, `statement`, `images.training`, `images.groups`, and gates on checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.checks import questions
from reportgen.errors import RecipeError
from reportgen.recipe import Recipe, load

ALL = list(questions())


def read(tmp_path: Path, text: str) -> Recipe:
    file = tmp_path / "r.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


@pytest.mark.parametrize(
    "text, names, sample",
    [
        ("title: x", ALL, 400),
        ("checks: all", ALL, 400),
        ("checks: false", [], 400),
        ("checks: [balance]", ["balance"], 400),
        ("checks: [balance: {smallest: 0.2}]", ["balance"], 400),
        ("checks: {sample: 30}", ALL, 30),
        ("checks: {sample: 30, only: all}", ALL, 30),
        ("checks: {only: [balance]}", ["balance"], 400),
    ],
)
def test_which_checks_are_asked(tmp_path, text, names, sample):
    recipe = read(tmp_path, text)
    assert [check.name for check in recipe.checks.only] == names
    assert recipe.checks.sample == sample
    again = Recipe.model_validate(recipe.resolved())
    assert again.resolved() == recipe.resolved(), "what is resolved is itself a recipe"


def test_options_reach_the_check(tmp_path):
    recipe = read(tmp_path, "checks: [balance: {smallest: 0.2}]")
    assert recipe.checks.only[0].check.smallest == 0.2
    assert recipe.resolved()["checks"]["only"] == [{"balance": {"smallest": 0.2}}]


@pytest.mark.parametrize(
    "text, place, words, remedy",
    [
        ("checks: [balanse]", "1:10", "unknown check 'balanse' (did you mean 'balance'?)", "checks`"),
        ("checks: [balance: {smalest: 1}]", "1:20", "unknown option 'smalest' of balance", "checks balance`"),
        ("checks: [balance: {smallest: x}]", "1:30", "balance: smallest is 'x'", "checks balance`"),
        ("checks: [balance, balance]", "1:19", "the check 'balance' is there twice", ""),
        ("checks: {sample: 0}", "1:18", "checks.sample must be a whole number of at least 1", ""),
        ("checks: {smaple: 3}", "1:10", "unknown key 'smaple' in checks", "sample, only"),
        ("gates: [{check: balanse}]", "1:17", "unknown check 'balanse' (did you mean 'balance'?)", ""),
        ("gates: [{check: balance, min: 1}]", "1:9", "has no min and no max", ""),
        ("gates: [{metric: accuracy, min: 1, at_worst: clear}]", "1:9", "at_worst is of a gate on a", ""),
        ("gates: [{min: 1}]", "1:9", "a gate needs a metric or a check", ""),
        ("checks: false\ngates: [{check: balance}]", "2:17", "it is not among the checks", ""),
        ("statement: {owners: me}", "1:13", "unknown key 'owners' in statement (did you mean 'owner'?)", ""),
    ],
)
def test_a_complaint_says_where(tmp_path, text, place, words, remedy):
    with pytest.raises(RecipeError) as error:
        read(tmp_path, text)
    assert f"r.yaml:{place}: " in error.value.cause and words in error.value.cause
    assert remedy in error.value.remedy


def test_what_is_stated_is_kept(tmp_path):
    recipe = read(tmp_path, "statement: {intended_use: counting flowers, owner: A. B.}")
    assert recipe.resolved()["statement"] == {
        "intended_use": "counting flowers",
        "images": None,
        "limits": None,
        "owner": "A. B.",
        "reasons": None,
    }
