"""Activation maximisation: which units are chosen, what is said of them, and the way to the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from reportgen.engine.ascent import Climber
from reportgen.engine.needs import (
    Ascent,
    ChannelMean,
    ClassLogit,
    ModelFacts,
    Normalisation,
    Record,
    RecordHolder,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import frozen
from reportgen.engine.tape import model_tape
from reportgen.errors import RecipeError, UnknownName
from reportgen.evidence import Evidence
from reportgen.findings import NotApplicable
from reportgen.pipeline import run
from reportgen.probes.activation_maximisation import ActivationMaximisation
from reportgen.recipe import load

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CODE = [str(MNIST / "network.py")]  # that of the example, named by recipes elsewhere
NAMES = ("ant", "bee", "cat", "dog", "elk")


def facts_of(network: nn.Module, channels: int = 3) -> ModelFacts:
    return replace(trace(network, (channels, 32, 32)), classes=NAMES)


def climbed_units(probe: ActivationMaximisation, facts: ModelFacts) -> list[ClassLogit | ChannelMean]:
    """The units that are climbed; each one's record is asked for as well."""
    needs = probe.needs(facts)
    units = [need.unit for need in needs if isinstance(need, Ascent)]
    assert [need.unit for need in needs if isinstance(need, Record)] == units
    return units


@pytest.fixture
def climbed() -> Callable[[nn.Module, ActivationMaximisation], dict[str, Any]]:
    """A probe's findings by name, its ascents carried out; `held` are the images with the records."""

    def climb(
        network: nn.Module,
        probe: ActivationMaximisation,
        channels: int = 3,
        held: Mapping[ClassLogit | ChannelMean, RecordHolder] = MappingProxyType({}),
    ) -> dict[str, Any]:
        facts = facts_of(network, channels)
        needs = tuple(probe.needs(facts))
        normal = Normalisation((0.5,) * channels, (0.25,) * channels)
        ascents = [need for need in needs if isinstance(need, Ascent)]
        with frozen(network):
            ended = Climber(network, facts, normal, torch.device("cpu"), 8).run(ascents)
        holders = {need: held.get(need.unit) for need in needs if isinstance(need, Record)}
        return {f.name: f for f in probe.measure(model_tape(network, facts, needs, {**ended, **holders}))}

    return climb


def test_a_unit_has_a_picture_and_its_values_and_is_named_once(awkward, climbed):
    wished = ActivationMaximisation(
        classes=("dog", 3, 0), channels=({"layer": "last", "channel": 2}, {"layer": 1, "channel": 7}), steps=4
    )
    found = climbed(awkward, wished)
    pictures = {name: f.title for name, f in found.items() if type(f).__name__ == "Picture"}
    assert pictures == {
        "class-3": "dog",
        "class-0": "ant",
        "last-2": "last, channel 2",
        "stem-7": "stem, channel 7",
    }
    for name in pictures:
        assert found[name].values.shape == (3, 32, 32)
        assert found[f"{name}-reached"].values > found[f"{name}-start"].values
    assert not found["not-raised"].values
    assert found["climb"].text == "4 steps of gradient ascent from noise (seed 0), 32×32 px."


def test_a_picture_stands_beside_the_strongest_image_and_says_which_goes_further(awkward, climbed):
    wished = ActivationMaximisation(classes=("ant", "bee"), channels=(), steps=12)
    photo = torch.rand(3, 32, 32)
    held = {ClassLogit(0): RecordHolder(-1e6, 7, photo), ClassLogit(1): RecordHolder(1e6, 12, photo)}
    found = climbed(awkward, wished, held=held)
    assert torch.equal(torch.from_numpy(found["class-0-real"].values), photo)
    assert found["class-0-real"].quantity.startswith("000007")
    assert (found["class-0-strongest"].values, found["class-1-strongest"].values) == (-1e6, 1e6)
    assert found["surpassed"].values and "drives bee further" in found["surpassed"].text
    nobody = climbed(awkward, wished)
    assert "class-0-real" not in nobody and not nobody["surpassed"].values


def test_auto_spreads_classes_and_takes_one_layer_a_resolution(awkward):
    units = climbed_units(ActivationMaximisation(), facts_of(awkward))
    assert units == [*map(ClassLogit, (0, 1, 2, 3)), ChannelMean("last", 0)]
    deeper = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
    deeper.extend([nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    layers = climbed_units(ActivationMaximisation(classes=()), facts_of(deeper.eval()))
    assert layers == [ChannelMean("3", 0), ChannelMean("5", 0)]
    few = replace(facts_of(awkward), classes=NAMES[:2], class_count=2)
    assert climbed_units(ActivationMaximisation(channels=()), few) == [ClassLogit(0), ClassLogit(1)]


def test_a_unit_that_cannot_rise_is_flagged_and_the_others_are_not(awkward, climbed):
    with torch.no_grad():
        awkward.head.weight[1] = 0
    found = climbed(awkward, ActivationMaximisation(classes=("ant", "bee"), channels=(), steps=4))
    flag = found["not-raised"]
    assert flag.values
    assert "bee" in flag.text and "ant" not in flag.text


def test_grey_networks_get_grey_pictures(climbed):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = climbed(network, ActivationMaximisation(classes=("ant",), channels=(), steps=2), channels=1)
    values = found["class-0"].values
    assert values.shape == (3, 32, 32)
    assert (values == values[:1]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"classes": ("cta",)}, "unknown class 'cta' (did you mean 'cat'?)"),
        ({"classes": (5,)}, "unknown class 5"),
        ({"channels": ({"layer": "lost", "channel": 0},)}, "did you mean 'last'?"),
        ({"channels": ({"layer": "last", "channel": 12},)}, "unknown channel of last 12"),
    ],
)
def test_what_the_model_does_not_have_is_named(awkward, options, said):
    with pytest.raises(UnknownName) as caught:
        ActivationMaximisation(**options).needs(facts_of(awkward))
    assert said in str(caught.value)


def test_where_there_is_nothing_to_climb_it_does_not_apply(awkward):
    with pytest.raises(NotApplicable, match="no class and no channel"):
        ActivationMaximisation(classes=(), channels=()).needs(facts_of(awkward))
    infrared = replace(facts_of(awkward), input_shape=(4, 32, 32))
    with pytest.raises(NotApplicable, match="4 channels"):
        ActivationMaximisation().needs(infrared)


def test_a_channel_needs_its_layer_and_its_number_and_nothing_else():
    for wrong in ({"layer": "last"}, {"layer": "last", "channel": -1}, {"layer": "a", "channel": 0, "x": 1}):
        with pytest.raises(ValidationError):
            ActivationMaximisation(channels=(wrong,))


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str], Path]:
    """The digits' recipe with one visualization, given as YAML."""

    def write(visualization: str) -> Path:
        text = (MNIST / "recipe.yaml").read_text(encoding="utf-8")
        head = text[: text.index("visualizations:")]
        for name in ("network.py", "classes.txt"):
            head = head.replace(name, f"{MNIST}/{name}")
        path = tmp_path / "recipe.yaml"
        path.write_text(
            f"{head}visualizations:\n  - activation-maximisation: {visualization}\noutput: {{pdf: false}}\n",
            encoding="utf-8",
        )
        return path

    return write


def test_the_pictures_reach_the_evidence_and_the_report_with_their_cost(recipe, tmp_path):
    written = recipe('{classes: ["3"], channels: [{layer: conv2, channel: 19}], steps: 5}')
    checkpoint = MNIST / "checkpoints" / "epoch-10.safetensors"
    outcome = run(load(written, CODE), checkpoint, MNIST / "digits", tmp_path / "out", limit=2)
    evidence = Evidence(outcome.folder / "evidence")
    found = {f.name: f for f in evidence.model_findings()["activation-maximisation"][0]}
    assert found["class-3"].values.shape == found["conv2-19"].values.shape == (3, 28, 28)
    assert found["class-3-reached"].values > found["class-3-start"].values
    cost = evidence.manifest["cost"]
    assert (cost["ascent_forwards"], cost["ascent_backwards"], cost["forwards"]) == (14, 10, 2)
    assert any("2 pictures are driven up by gradient ascent" in line for line in evidence.manifest["plan"])
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert "conv2, channel 19" in page and "logit reached" in page
    records = {r["number"]: r for r in evidence.records()}
    best = max(records, key=lambda n: float(evidence.array(records[n], "logits")[3]))
    assert found["class-3-real"].quantity.startswith(f"{best:06d}")
    assert found["class-3-strongest"].values == evidence.array(records[best], "logits")[3]
    assert "3, strongest image" in page


def test_a_wrong_channel_is_told_with_its_place_in_the_recipe(recipe, tmp_path):
    written = recipe("{channels: [{layer: conv2, channel: 20}]}")
    checkpoint = MNIST / "checkpoints" / "epoch-10.safetensors"
    with pytest.raises(RecipeError, match=r"recipe\.yaml:\d+:\d+: unknown channel of conv2 20"):
        run(load(written, CODE), checkpoint, MNIST / "digits", tmp_path / "out")
