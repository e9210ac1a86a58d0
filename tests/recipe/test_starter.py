"""The starter recipe and the JSON Schema agree with the loader."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from reportgen.errors import RecipeError
from reportgen.recipe import Recipe, load, schema, starter
from reportgen.recipe.source import parse

CHECKER = jsonschema.Draft202012Validator(schema())


def test_the_starter_is_the_default(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(starter(), encoding="utf-8")
    assert load(file).resolved() == Recipe().resolved()


def test_the_starter_has_every_key_that_there_is() -> None:
    def keys(value: object, path: str = "") -> set[str]:
        if not isinstance(value, dict):
            return set()
        return {f"{path}.{key}" for key in value}.union(*(keys(v, f"{path}.{k}") for k, v in value.items()))

    assert keys(parse(starter(), "starter").data) == keys(Recipe().resolved())


def test_the_schema_is_a_schema_and_knows_every_option() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    CHECKER.validate(parse(starter(), "starter").data)
    CHECKER.validate(Recipe().resolved())


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "title: x",
        "title: 3",
        "titel: x",
        "gates:",
        "targets: top-3",
        "targets: [1, label]",
        "targets: {}",
        "run: {batch_size: 4}",
        "run: {batch_size: 0}",
        "run: {device: gpu}",
        "model: {classes: [a, b]}",
        "model: {classes: [1]}",
        "model: {preprocessing: {crop: [8, 9], mean: [0], std: [1]}}",
        "model: {preprocessing: {crop: 8, mean: [0], std: [0]}}",
        "model: {preprocessing: {crop: 8, mean: [0]}}",
        "gates: [{metric: loss, max: 1}]",
        "gates: [{metric: lost, max: 1}]",
        "visualizations: [saliency, {grad-cam: {layer: 3}}, {occlusion: }]",
        "trust: false",
        "trust: true",
        "trust:",
        "trust: {images: 0, limits: {randomised: 0.7}}",
        "trust: {images: 1.5}",
        "trust: {limit: {}}",
        "gates: [{metric: trust.grad-cam.randomised, max: 0.5}]",
        "gates: [{metric: trust.grad-cam.randomized, max: 0.5}]",
        "gates: [{metric: trust.filters.randomised, max: 0.5}]",
        "beside: {checkpoint: x.pt, name: a, model: {arguments: {n: 1}}}",
        "beside: {name: a}",
        "beside:",
        "gates: [{metric: beside.broken, max: 0}]",
        "visualizations: [{layer-cam: {layer: [3, features.2]}}]",
        "visualizations: [salency]",
        "visualizations: [{grad-cam: {layr: 3}}]",
        "visualizations: [{occlusion: {mask: none}}]",
        "visualizations: [{saliency: {}, grad-cam: {}}]",
    ],
)
def test_the_schema_takes_what_the_loader_takes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file)
        loads = True
    except RecipeError:
        loads = False
    assert CHECKER.is_valid(parse(text, "recipe.yaml").data) == loads
