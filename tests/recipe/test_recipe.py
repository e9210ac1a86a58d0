"""The recipe: defaults, errors with their place, overrides, and round trips."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reportgen.errors import RecipeError, UnknownName
from reportgen.probes import methods
from reportgen.recipe import ModelRecipe, Recipe, Visualization, load

PLACED = re.compile(r".*r\.yaml:[1-9]\d*:[1-9]\d*: \S")


@pytest.fixture
def written(tmp_path: Path):
    """Writes a recipe's text to a file and returns it."""

    def write(text: str) -> Path:
        file = tmp_path / "r.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("titel: x\n", "1:1", "unknown key 'titel' in the recipe (did you mean 'title'?)"),
        ("run:\n  devise: cpu\n", "2:3", "unknown key 'devise' in run (did you mean 'device'?)"),
        ("run: {device: cudda}\n", "1:15", "run.device must be auto, cpu, cuda"),
        ("run: {batch_size: 0}\n", "1:19", "at least 1, not 0"),
        ("run: {batch_size: true}\n", "1:19", "not true"),
        ("run: [1]\n", "1:6", "run must be a mapping"),
        ("title: 3\n", "1:8", "title must be text, not 3"),
        ("output: {pdf: 'yes'}\n", "1:15", "output.pdf must be true, false, or a mapping with cards"),
        ("output: {pdf: {cards: -1}}\n", "1:23", "whole number of at least 0: so many sheets"),
        ("output: {pdf: {card: 1}}\n", "1:16", "did you mean 'cards'?"),
        ("output: {html: {at_most_mb: -1}}\n", "1:29", "above 0"),
        ("images: {show: {choose: [wrogn]}}\n", "1:26", "did you mean 'wrong'?"),
        ("targets: [predicted, label, predicted]\n", "1:29", "there twice"),
        ("targets: top-0\n", "1:10", "no target"),
        ("targets: top-00\n", "1:10", "no target"),
        ("targets: -1\n", "1:10", "no target"),
        ("targets: []\n", "1:10", "targets must be"),
        ("gates: [{metirc: loss, max: 1}]\n", "1:10", "did you mean 'metric'?"),
        ("gates: [{metric: acuracy, min: 1}]\n", "1:18", "did you mean 'accuracy'?"),
        ("gates: [{metric: balanced_accuracy, min: 1}]\n", "1:18", "'accuracy.balanced_accuracy'?"),
        ("gates:\n  - {metric: loss}\n", "2:5", "needs min, max, min_lower or max_upper"),
        ("gates:\n  - {metric: loss, min_lower: 0.1}\n", "2:5", "loss has no interval: ask for min or max"),
        ("gates: [{metric: loss, min: 1, at_least: 0}]\n", "1:42", "whole number of at least 1"),
        ("gates: [{metric: loss, max: .nan}]\n", "1:29", "a number"),
        ("gates: [{metric: trust.grad-can.stability, min: 1}]\n", "1:18", "'trust.grad-cam.stability'?"),
        ("gates: [{metric: trust.saliency.stabilty, min: 1}]\n", "1:18", "'trust.saliency.stability'?"),
        ("gates: [{metric: trust.predictions.stability, min: 1}]\n", "1:18", "unknown metric"),
        ("gates: [{metric: 3, min: 1}]\n", "1:18", "must be one of accuracy"),
        (
            "visualizations: [cam]\ngates:\n  - {metric: trust.rise.stability, min: 0}\n",
            "3:14",
            "'rise' is not among the visualizations",
        ),
        ("trust: false\ngates: [{metric: trust.cam.stability, min: 0}]\n", "2:18", "trust is off"),
        ("trust: true\n", "1:8", "trust must be false, or a mapping with images"),
        ("trust: {image: 3}\n", "1:9", "did you mean 'images'?"),
        ("trust: {images: -1}\n", "1:17", "trust.images must be a whole number of at least 0"),
        ("trust: {steps: 1}\n", "1:16", "from 2 to 100"),
        ("trust: {random_orders: 1}\n", "1:24", "from 2 to 1000"),
        ("trust: {noise_std: 0}\n", "1:20", "above 0"),
        ("trust: {dear: -1}\n", "1:15", "trust.dear must be a whole number of at least 0"),
        ("trust: {copies: 0}\n", "1:17", "from 1 to 100"),
        ("trust: {limits: {same_class: 0}}\n", "1:30", "above 0 and up to 1"),
        ("trust: {limits: {randomised: 2}}\n", "1:30", "from 0 to 1"),
        ("trust: {limits: {beat_random_sd: 2}}\n", "1:18", "did you mean 'beats_random_sd'?"),
        ("model: {preprocessing: {crop: 8, mean: [0.5]}}\n", "1:24", "has no 'std'"),
        ("model: {preprocessing: {mean: [1], std: [1]}}\n", "1:24", "give crop"),
        ("model: {preprocessing: {crop: 8, mean: [1, 2], std: [1, 2, 3]}}\n", "1:24", "2 channels"),
        ("model: {preprocessing: {crop: 8, mean: [1], std: [0]}}\n", "1:51", "above 0"),
        ("model: {preprocessing: {crop: 0, mean: [1], std: [1]}}\n", "1:31", "crop must be"),
        ('model: {classes: "C:\\new\\table.txt"}\n', "1:18", "in double quotes a backslash begins an escape"),
        ('images:\n  labels: "\\\\share\\Next.csv"\n', "2:11", "write the value in single quotes"),
        ("model: {preprocessing: autos}\n", "1:24", "auto"),
        ("visualizations: [grad-camm]\n", "1:18", "'grad-camm' (did you mean 'grad-cam'?)"),
        ("visualizations:\n  - grad-camm: {layer: 3}\n", "2:5", "did you mean 'grad-cam'?"),
        ("visualizations: [saliency, saliency]\n", "1:28", "there twice"),
        ("visualizations: [3]\n", "1:18", "is 3"),
        ("visualizations: [{saliency: , grad-cam: }]\n", "1:18", "one visualization an item"),
        ("visualizations: [{grad-cam: 3}]\n", "1:29", "are a mapping"),
        ("visualizations: [{grad-cam: {layr: 3}}]\n", "1:30", "(did you mean 'layer'?)"),
        ("visualizations: [{grad-cam: {layer: 0.5}}]\n", "1:37", "grad-cam: layer is 0.5"),
        ("visualizations: [{occlusion: {baseline: gray}}]\n", "1:41", "did you mean 'grey'?"),
        ("visualizations: [{occlusion: {window_px: -3}}]\n", "1:42", "greater than 0"),
    ],
)
def test_an_error_says_where_and_what_was_meant(written, text: str, place: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(written(text))
    file, line, column, _ = caught.value.cause.split(":", 3)
    assert (Path(file).name, f"{line}:{column}") == ("r.yaml", place)
    assert words in caught.value.cause
    assert caught.value.remedy
    assert caught.value.exit_code == 2


WORDS = st.sampled_from(
    "title model source images labels show at_most run device visualizations grad-cam layer gates metric "
    "min accuracy output pdf true 3 -1 1e-3 auto targets top-2 preprocessing mean "
    "~ [ ] { } : , - # ' \n".split(" ")
)


@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_a_recipe_of_its_own_words_loads_or_says_where_it_is_wrong(tmp_path_factory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "r.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        recipe = load(file)
    except RecipeError as error:
        assert PLACED.match(error.cause)
        assert "\n" not in error.cause + error.remedy
    else:
        assert Recipe.model_validate(recipe.resolved()).resolved() == recipe.resolved()


def test_no_recipe_and_an_empty_one_are_the_default(written) -> None:
    assert load(None).resolved() == load(written("# nothing\n")).resolved() == Recipe().resolved()


def test_a_key_with_nothing_after_it_is_as_if_it_were_absent(written) -> None:
    text = "title:\nmodel:\n  classes:\nrun: {device: }\ngates:\nvisualizations:\n"
    assert load(written(text)).resolved() == Recipe().resolved()


def test_the_default_has_every_visualization_once() -> None:
    usual = [name for name, method in methods().items() if method.by_default]
    assert sorted(v.name for v in Recipe().visualizations) == sorted(usual)
    assert {name for name in methods() if name not in usual} == {"atlas"}


def test_the_resolved_recipe_spells_every_option_out_and_is_a_recipe(written) -> None:
    recipe = load(written("visualizations: [saliency, {grad-cam: {layer: 7}}]\ntargets: 3\n"))
    resolved = recipe.resolved()
    assert resolved["visualizations"] == [{"saliency": {}}, {"grad-cam": {"layer": 7}}]
    assert resolved["targets"] == [3]
    assert Recipe.model_validate(resolved).resolved() == resolved
    for shown in Recipe().resolved()["visualizations"]:
        ((name, options),) = shown.items()
        assert set(options) == set(methods()[name].options())


def test_prose_may_have_several_lines(written) -> None:
    recipe = load(written('title: "one\\ntwo"\nstatement:\n  limits: |\n    first\n    second\n'))
    assert (recipe.title, recipe.statement.limits) == ("one\ntwo", "first\nsecond\n")


def test_trust_is_on_by_default_and_off_by_one_key(written) -> None:
    assert Recipe().trust.images > 0
    off = load(written("trust: false\n"))
    assert off.resolved() == load(written("trust: {images: 0}\n")).resolved()
    assert off.trust.images == 0
    some = load(written("trust: {steps: 20, limits: {randomised: 0.3}}\n")).resolved()
    expected = Recipe().resolved()
    expected["trust"]["steps"] = 20
    expected["trust"]["limits"]["randomised"] = 0.3
    assert some == expected


def test_a_gate_may_name_every_number_of_every_map_that_is_tested() -> None:
    for method in ("saliency", "grad-cam", "rise"):
        for number in ("randomised", "faithfulness", "advantage", "beats_random_sd", "gain", "stability"):
            metric = f"trust.{method}.{number}"
            assert Recipe(gates=({"metric": metric, "min": 0},)).gates[0].metric == metric


def test_layers_can_be_named_one_or_several(written) -> None:
    text = "visualizations:\n  - grad-cam: {layer: [layer3, 9]}\n  - eigen-cam: {layer: layer4}\n"
    recipe = load(written(text))
    several, one = (shown.probe.layer for shown in recipe.visualizations)
    assert (tuple(several), one) == (("layer3", 9), "layer4")
    assert recipe.resolved()["visualizations"][0] == {"grad-cam": {"layer": ["layer3", 9]}}
    error = recipe.located(UnknownName("layer", "layer3", []))
    assert "r.yaml:2:24: unknown layer 'layer3'" in error.cause


def test_a_visualization_gives_its_probe_with_its_options() -> None:
    assert Visualization(name="grad-cam", options={"layer": "features.3"}).probe.layer == "features.3"
    assert Visualization.model_validate("occlusion").probe == methods()["occlusion"].probe()


def test_a_recipe_can_be_made_in_python_and_refuses_the_same() -> None:
    recipe = Recipe(
        model=ModelRecipe(source="torchvision:resnet18"),
        visualizations=("saliency", {"grad-cam": {"layer": 3}}),
        targets="top-2",
    )
    assert [v.name for v in recipe.visualizations] == ["saliency", "grad-cam"]
    assert recipe.targets == ("top-2",)
    assert (recipe.folder, recipe.file) == (Path(), None)
    with pytest.raises(ValidationError):
        Recipe(visualizations=("salency",))
    with pytest.raises(ValidationError):
        recipe.title = "frozen"


def test_relative_paths_start_at_the_recipe(written) -> None:
    file = written("model: {classes: classes.txt}\n")
    assert load(file).folder == file.parent
    assert load(file).file == file


def test_overrides_change_what_they_name_and_nothing_else(written) -> None:
    recipe = load(written("run: {seed: 5}\nmodel: {source: 'a:b', classes: c.txt}\n"))
    values = {"run.device": "cuda:1", "model.source": "x.py:f", "images.labels": "none", "output.pdf": False}
    changed = recipe.with_values(values)
    expected = recipe.resolved()
    expected["run"]["device"] = "cuda:1"
    expected["model"]["source"] = "x.py:f"
    expected["images"]["labels"] = "none"
    expected["output"]["pdf"] = False
    assert changed.resolved() == expected
    assert changed.folder == recipe.folder
    assert recipe.with_values({}).resolved() == recipe.resolved()


def test_a_wrong_override_is_a_usage_error() -> None:
    with pytest.raises(RecipeError, match="device must be auto, cpu, cuda"):
        Recipe().with_values({"run.device": "gpu"})


TEXT = """\
title: layer5
targets: [predicted, espreso]
visualizations:
  - feature-maps: {maps: 7, layers: [1, layer5, 7]}
  - grad-cam: {layer: layer5}
"""


@pytest.mark.parametrize(
    ("kind", "value", "place"),
    [
        ("layer", "layer5", "4:41"),
        ("layer with spatial maps", "layer5", "4:41"),
        ("layer", 7, "4:49"),  # not `maps: 7`
        ("class", "espreso", "2:22"),
    ],
)
def test_a_name_that_the_model_lacks_is_found_in_the_recipe(written, kind: str, value, place: str) -> None:
    recipe = load(written(TEXT)).with_values({"run.device": "cpu"})
    error = recipe.located(UnknownName(kind, value, ["layer4", "espresso"]))
    assert f"r.yaml:{place}: unknown {kind} {value!r}" in error.cause
    assert error.remedy


def test_a_name_that_the_recipe_does_not_say_has_no_place(written) -> None:
    error = load(written(TEXT)).located(UnknownName("layer", "auto", []))
    assert error.cause == "unknown layer 'auto'"
    assert Recipe().located(UnknownName("layer", "x", [])).cause == "unknown layer 'x'"


def test_an_error_about_a_key_is_found_by_the_key(written) -> None:
    recipe = load(written("title: x\nmodel:\n  source: torchvision:resnt\n"))
    error = recipe.located(RecipeError("model.source: no such model", "choose another"))
    assert error.cause.endswith("r.yaml:3:11: model.source: no such model")
    plain = RecipeError("model.classes: none", "x")
    assert recipe.located(plain).cause == plain.cause
