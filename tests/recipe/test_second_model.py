"""The second model of a recipe: what it leaves out is the main model's, and errors have their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.errors import RecipeError
from reportgen.recipe import Recipe, load

TEXT = """\
title: Two
model:
  source: network.py:Small
  arguments: {classes: 3}
  classes: [a, b, c]
  output: logits
  preprocessing: {crop: 28, mean: [0.5], std: [0.5]}
beside:
  checkpoint: epoch-01.safetensors
  name: epoch 1
"""


def recipe(tmp_path: Path, text: str) -> Recipe:
    file = tmp_path / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_a_recipe_has_no_second_model_unless_it_says_so() -> None:
    assert Recipe().beside is None
    assert Recipe().second() is None


def test_the_second_model_is_the_main_one_but_for_what_it_says(tmp_path: Path) -> None:
    same = recipe(tmp_path, TEXT).second()
    assert same is not None
    assert same.model == recipe(tmp_path, TEXT).model
    assert same.beside is None
    own = "  model: {preprocessing: {crop: 32, mean: [0.1], std: [0.2]}}\n"
    other = recipe(tmp_path, TEXT + own).second()
    assert other is not None
    assert other.model.source == "network.py:Small"
    assert other.model.arguments == {"classes": 3}
    assert other.model.preprocessing != same.model.preprocessing
    assert other.folder == tmp_path


def test_another_network_returns_its_logits_in_its_own_way(tmp_path: Path) -> None:
    other = recipe(tmp_path, TEXT + "  model: {source: network.py:Large}\n").second()
    assert other is not None
    assert (other.model.source, other.model.output) == ("network.py:Large", None)
    assert other.model.arguments == {"classes": 3}
    said = recipe(tmp_path, TEXT + "  model: {source: network.py:Large, output: 0, arguments: {}}\n").second()
    assert said is not None
    assert (said.model.output, said.model.arguments) == (0, {})


def test_the_resolved_recipe_is_a_recipe_that_means_the_same(tmp_path: Path) -> None:
    first = recipe(tmp_path, TEXT + "  model: {arguments: {classes: 5}}\n")
    again = Recipe.model_validate(first.resolved())
    assert again.resolved() == first.resolved()
    ours, theirs = first.second(), again.second()
    assert ours is not None and theirs is not None
    assert theirs.resolved() == ours.resolved()
    spelled = first.resolved()["beside"]["model"]
    assert (spelled["source"], spelled["arguments"]) == ("network.py:Small", {"classes": 5})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  modell: {}", r"recipe.yaml:11:3: unknown key 'modell' in beside \(did you mean 'model'\?\)"),
        ("  main: epoch 1", r"recipe.yaml:10:9: beside.name: both models are called 'epoch 1'"),
        ("  main: 3", r"recipe.yaml:11:9: beside.main must be what the main model is called"),
        ("  model: {sauce: x}", r"recipe.yaml:11:11: unknown key 'sauce' in beside.model"),
        ("  model: {preprocessing: {crop: 0, mean: [0], std: [1]}}", r"recipe.yaml:11:33: beside.model.prep"),
    ],
)
def test_what_is_wrong_with_it_has_its_place(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=f".*{message}"):
        recipe(tmp_path, f"{TEXT}{line}\n")


def test_without_a_checkpoint_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe.yaml:1:9: beside has no 'checkpoint'"):
        recipe(tmp_path, "beside: {name: epoch 1}\n")


def test_an_error_in_the_second_model_is_found_where_the_file_says_it(tmp_path: Path) -> None:
    error = RecipeError("model.source: it is unknown", "")
    own = recipe(tmp_path, TEXT + "  model: {source: nowhere}\n").second()
    assert own is not None
    assert own.located(error).cause.endswith("recipe.yaml:11:19: model.source: it is unknown")
    shared = recipe(tmp_path, TEXT).second()
    assert shared is not None
    assert shared.located(error).cause.endswith("recipe.yaml:3:11: model.source: it is unknown")


def test_the_command_line_names_another_checkpoint_and_what_it_belongs_to(tmp_path: Path) -> None:
    made = recipe(tmp_path, TEXT).with_overrides(beside="other.pt", beside_source="file.py:Net")
    assert made.beside is not None
    assert (made.beside.checkpoint, made.beside.name) == ("other.pt", None)
    second = made.second()
    assert second is not None
    assert second.model.source == "file.py:Net"
    fresh = Recipe().with_overrides(beside="other.pt")
    assert fresh.beside is not None
    assert fresh.beside.checkpoint == "other.pt"
    with pytest.raises(RecipeError, match="no checkpoint"):
        Recipe().with_overrides(beside_source="file.py:Net")


@pytest.mark.parametrize("metric", ["beside.accuracy_change", "beside.broken", "beside.mcnemar_p"])
def test_gates_may_name_what_two_models_give_together(metric: str, tmp_path: Path) -> None:
    gated = recipe(tmp_path, f"{TEXT}gates: [{{metric: {metric}, max: 1}}]\n")
    assert gated.gates[0].metric == metric
    meant = r"unknown metric 'beside.brokn' \(did you mean 'beside.broken'\?\)"
    with pytest.raises(RecipeError, match=meant):
        recipe(tmp_path, TEXT + "gates: [{metric: beside.brokn, max: 1}]\n")
