"""Options that speak for a key of the recipe: the table, the commands' parameters and the recipe agree."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from reportgen.cli import audits, questions
from reportgen.cli.options import RECIPE_KEYS, recipe_values
from reportgen.recipe import Recipe

GIVEN: dict[str, Any] = {
    "device": "cpu",
    "model": "file.py:Net",
    "labels": "here/labels.csv",
    "foreign": Path("here/strangers"),
    "preset": "quick",
    "budget": "10min",
    "beside": Path("here/other.pt"),
    "beside_model": "file.py:Other",
    "history": Path("here/reports"),
    "no_pdf": True,
}


def test_every_option_of_the_table_is_one_of_run_and_changes_the_recipe() -> None:
    parameters = inspect.signature(audits.run).parameters
    assert RECIPE_KEYS.keys() == GIVEN.keys() <= parameters.keys()
    recipe = Recipe()
    changed = recipe.with_values(recipe_values(GIVEN, Path("here"))).resolved()
    for path, _ in RECIPE_KEYS.values():
        value, before = changed, recipe.resolved()
        for key in path.split("."):
            value, before = value[key], (before or {}).get(key)
        assert value != before, path


def test_paths_of_the_command_line_are_the_working_folder_s_not_the_recipe_s() -> None:
    values = recipe_values(GIVEN, Path("here"))
    assert (values["images.labels"], values["beside.checkpoint"]) == ("labels.csv", "other.pt")
    assert values["images.foreign"] == "strangers"
    assert recipe_values({"labels": "none"}, Path("here")) == {"images.labels": "none"}


@pytest.mark.parametrize("command", [audits.run, audits.demo, questions.inspect])
def test_what_is_not_given_changes_nothing(command: Any) -> None:
    parameters = inspect.signature(command).parameters.values()
    assert recipe_values({p.name: p.default for p in parameters if p.default is not p.empty}, Path()) == {}
