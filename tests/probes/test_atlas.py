"""Activation atlas: what its cells vote for, and its way to the evidence, the page and the results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from reportgen.engine.needs import Atlas, Cell, Charted, Weights, linear_head
from reportgen.engine.network.trace import trace
from reportgen.evidence import Evidence
from reportgen.findings import NotApplicable, PictureGrid
from reportgen.pipeline import run
from reportgen.probes import methods
from reportgen.probes.atlas import AtlasOfLayer
from reportgen.recipe import load

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"


class Bench(dict):  # type: ignore[type-arg]
    """Answers by need, and the facts."""

    model = None


def small(head: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def cell(row: int, column: int, mean: list[float], answers: tuple[tuple[int, int], ...]) -> Cell:
    picture = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(row))
    return Cell(row, column, 5, 2, torch.tensor(mean).numpy(), answers, picture, 0.0, 1.0)


def compared(network: nn.Module, channels: int) -> dict[str, object]:
    """The means of layer 1's maps and the logits of a few images."""
    x = torch.randn(4, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return {"means": network[:2](x).mean((2, 3)).numpy(), "logits": network(x).numpy()}  # type: ignore[index]


def measured(network: nn.Module, charted: Charted, channels: int = 3) -> dict[str, object]:
    facts = replace(trace(network, (channels, 16, 16)), classes=("ant", "bee", "cat"))
    probe, bench = AtlasOfLayer(layer="1"), Bench()
    bench.model = facts  # type: ignore[assignment]
    modules = dict(network.named_modules())
    charted = replace(charted, **compared(network, channels))
    for need in probe.needs(facts):
        if isinstance(need, Atlas):
            bench[need] = charted
        elif isinstance(need, Weights):
            bench[need] = modules[need.layer].weight.detach()  # type: ignore[union-attr]
    return {finding.name: finding for finding in probe.measure(bench)}  # type: ignore[arg-type]


CELLS = (cell(0, 1, [1, 0, 0, 0], ((2, 2),)), cell(2, 0, [0, 3, 0, 0], ((0, 1), (1, 1))))
CHARTED = Charted(CELLS, 12, 4, 10, "by t-SNE")


def test_a_cell_votes_by_the_weights_of_the_linear_layer_that_reads_the_means() -> None:
    head = nn.Linear(4, 3)
    with torch.no_grad():
        head.weight[:] = torch.tensor([[1.0, 0, 0, 0], [0, 2, 0, 0], [0.5, 1, 0, 0]])
        head.bias[:] = 100 * torch.eye(3)[2]
    found = measured(small(head), CHARTED)
    grid = found["atlas"]
    assert isinstance(grid, PictureGrid)
    assert grid.labels == ("ant, cat", "bee, cat")  # not by the bias
    assert "bee (6), cat (3), ant (0)" in grid.words[1]
    assert grid.words[1].startswith("row 3, column 1: 5 places")
    assert grid.places.tolist() == [[0, 1], [2, 0]] and grid.sides == (3, 3)
    assert "votes" in found["cells-of"].columns  # type: ignore[attr-defined]


def test_where_another_layer_stands_between_the_answers_to_its_images_stand_there() -> None:
    network = small(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)))
    facts = trace(network, (3, 16, 16))
    assert linear_head(facts, facts.layer("1")) is None
    found = measured(network, CHARTED)
    assert found["atlas"].labels == ("cat", "ant, bee")  # type: ignore[attr-defined]
    assert "answers" in found["cells-of"].columns  # type: ignore[attr-defined]


def test_where_something_else_than_means_is_read_the_answers_stand_there() -> None:
    network = small(nn.Linear(4, 3))
    network[4].forward = lambda x: nn.functional.linear(x.square(), network[4].weight)  # type: ignore[index]
    facts = trace(network, (3, 16, 16))
    assert linear_head(facts, facts.layer("1")) is not None
    found = measured(network, CHARTED)
    assert found["atlas"].labels == ("cat", "ant, bee")  # type: ignore[attr-defined]
    assert "most frequent answers" in str(found["how"]) and "answers" in found["cells-of"].columns  # type: ignore[attr-defined]


def test_too_few_places_are_said_and_drawn_as_nothing() -> None:
    found = measured(small(nn.Linear(4, 3)), Charted((), 0, 0, 0, ""))
    assert "atlas" not in found and found["too-few"].values  # type: ignore[attr-defined]


def test_it_is_asked_for_by_name_alone_and_not_of_infrared() -> None:
    assert not methods()["atlas"].by_default
    facts = replace(trace(small(nn.Linear(4, 3)), (3, 16, 16)), input_shape=(4, 16, 16))
    with pytest.raises(NotApplicable, match="4 channels"):
        AtlasOfLayer().needs(facts)


def test_it_reaches_evidence_page_and_results_with_its_cost(tmp_path: Path) -> None:
    text = (MNIST / "recipe.yaml").read_text(encoding="utf-8")
    head = text[: text.index("visualizations:")]
    for name in ("network.py", "classes.txt"):
        head = head.replace(name, f"{MNIST}/{name}")
    recipe = tmp_path / "recipe.yaml"
    asked = "{layer: relu2, steps: 2, side: 2, places: 60}"
    recipe.write_text(
        f"{head}visualizations: [{{atlas: {asked}}}, predictions]\nchecks: false\ntrust: false\n"
        "output: {pdf: false}\n",
        encoding="utf-8",
    )
    checkpoint = MNIST / "checkpoints" / "epoch-10.safetensors"
    loaded = load(recipe, allow_code=[str(MNIST / "network.py")])
    out = run(loaded, checkpoint, MNIST / "digits", tmp_path / "out", limit=12).folder
    evidence = Evidence(out / "evidence")
    found = {f.name: f for f in evidence.model_findings()["atlas"][0]}
    grid = found["atlas"]
    assert isinstance(grid, PictureGrid) and 0 < len(grid.values) <= 4
    assert grid.values.shape[1:] == (3, 28, 28)
    cost = evidence.manifest["cost"]
    spent = (cost["ascent_forwards"], cost["ascent_backwards"])
    assert spent == (4 * len(grid.values), 2 * len(grid.values))
    assert any("of an atlas at most" in line for line in evidence.manifest["plan"])
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<td title=\"row ") == len(grid.values)
    results = json.loads((out / "results.json").read_bytes())
    assert "cells-of" in json.dumps(results)
