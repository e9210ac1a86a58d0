"""What is shown of a layer's channels is the same whatever way they lie in its tensor: maps, maps with
channels last, or tokens behind a class token, with channels last or first."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from reportgen.evidence import Evidence
from reportgen.pipeline import run
from reportgen.probes.channel_health import ChannelHealth
from reportgen.probes.feature_maps import FeatureMaps
from reportgen.probes.hypercolumns import Hypercolumns
from reportgen.probes.invariance import Invariance
from reportgen.recipe import load

LAYOUTS = ("maps", "maps last", "tokens", "tokens first")


class Laid(nn.Module):
    """Patches, a layer that gives them in one of the layouts, and the mean over the patches."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout
        generator = torch.Generator().manual_seed(0)
        self.embed, self.relu, self.head = nn.Conv2d(3, 6, 4, 4), nn.ReLU(), nn.Linear(6, 4)
        with torch.no_grad():
            for weight in self.parameters():
                weight.normal_(0, 0.4, generator=generator)
            self.embed.bias[2] = -50  # a dead channel
            self.embed.weight[4] = 2 * self.embed.weight[1]  # a duplicate
            self.embed.bias[4] = 2 * self.embed.bias[1]

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x)  # (N, 6, h, w)
        if self.layout == "maps":
            return self.head(self.relu(y).mean((2, 3)))
        y = y.permute(0, 2, 3, 1)
        if self.layout == "maps last":
            return self.head(self.relu(y).mean((1, 2)))
        y = y.flatten(1, 2)
        token = torch.full((len(y), 1, 6), 9.0, device=y.device)  # larger than any patch
        y = torch.cat([token, y], 1)
        if self.layout == "tokens first":
            return self.head(self.relu(y.transpose(1, 2))[:, :, 1:].mean(2))
        return self.head(self.relu(y)[:, 1:].mean(1))


def images(count: int) -> Tensor:
    return torch.randn(count, 3, 48, 64, generator=torch.Generator().manual_seed(3))


def compared(findings: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Asserts that the findings of all layouts are equal, and gives those of maps."""
    first, *others = (findings(layout) for layout in LAYOUTS)
    for other in others:
        assert other.keys() == first.keys()
        for name, finding in first.items():
            mine, theirs = getattr(finding, "values", None), getattr(other[name], "values", None)
            if isinstance(mine, np.ndarray):
                assert mine.shape == theirs.shape, name
                assert np.allclose(mine, theirs, rtol=1e-4, atol=1e-5, equal_nan=True), name
    return first


@pytest.mark.parametrize(
    "probe",
    [
        FeatureMaps(("relu",), 4),
        Hypercolumns(("relu",), 3),
        Invariance(steps=2, layers=("relu",)),
    ],
    ids=lambda probe: type(probe).__name__,
)
def test_figures_of_an_image(probe, measured):
    found = compared(lambda layout: measured(Laid(layout).eval(), images(2), probe).findings(probe))
    assert found and all(np.isfinite(f.values).all() for f in found.values() if hasattr(f, "values"))


def test_channel_health(measured):
    """The dead channel, the duplicate, and no other: a class token is no place."""
    probe = ChannelHealth()

    def findings(layout: str) -> dict[str, Any]:
        done = measured(Laid(layout).eval(), images(4), probe)
        return {f.name: f for f in probe.conclude(probe.measure(done.tapes[0]), done.facts)}

    found = compared(findings)
    assert found["dead"].values == 1
    assert found["duplicates"].values == 1


class Mixed(nn.Module):
    """A block as transformers have them: linear layers over places, and no rectifier that is a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(3, 6, 4, 4), nn.LayerNorm(6)
        self.up, self.down, self.head = nn.Linear(6, 12), nn.Linear(12, 6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        y = y + self.down(nn.functional.gelu(self.up(self.norm(y))))
        return self.head(y.mean(1))


def test_the_channels_of_linear_layers_over_places_are_judged(measured):
    """Two of the twelve features of `up` are the same, and one never changes."""
    torch.manual_seed(0)
    network, probe = Mixed().eval(), ChannelHealth()
    with torch.no_grad():
        network.up.weight[7], network.up.bias[7] = network.up.weight[3], network.up.bias[3]
        network.up.weight[5] = 0
    done = measured(network, images(4), probe)
    found = {f.name: f for f in probe.conclude(probe.measure(done.tapes[0]), done.facts)}
    assert [row[0] for row in found["layers"].rows] == ["embed", "up", "down"]
    assert found["duplicates"].values == 1
    assert found["near-constant"].values == 1
    assert "dead" not in found or found["dead"].values == 0


RECIPE = """
model:
  source: tests_of_layouts.py:Laid
  arguments: {layout: LAYOUT}
  classes: [a, b, c, d]
  preprocessing: {resize: [48, 64], mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
run: {device: cpu, batch_size: 4}
trust: false
output: {pdf: false}
visualizations:
  - top-patches: {layers: [relu], channels: [0, 1, 3], strongest: 2}
  - evolution: {checkpoints: [early.safetensors, late.safetensors], layers: [relu], channels: [0, 1]}
"""


def test_the_strongest_images_of_the_set_and_their_projections(tmp_path, monkeypatch):
    """Top patches and evolution, through both rounds of an audit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests_of_layouts.py").write_text(inspect.getsource(sys.modules[__name__]))
    save_file(Laid("maps").state_dict(), tmp_path / "late.safetensors")
    early = {name: weight + 0.1 for name, weight in Laid("maps").state_dict().items()}
    save_file(early, tmp_path / "early.safetensors")
    (tmp_path / "images").mkdir()
    draw = np.random.default_rng(0)
    for number in range(5):
        pixels = draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")

    def findings(layout: str) -> dict[str, Any]:
        (tmp_path / "recipe.yaml").write_text(RECIPE.replace("LAYOUT", layout))
        recipe, out = load(tmp_path / "recipe.yaml"), tmp_path / layout
        done = run(recipe, tmp_path / "late.safetensors", tmp_path / "images", out)
        found = Evidence(done.folder / "evidence").model_findings()
        return {f"{name} {f.name}": f for name, slots in found.items() for f in slots[0]}

    found = compared(findings)
    assert found["top-patches relu-1-patches"].values.shape == (2, 3, 4, 4)
    assert np.ptp(found["top-patches relu-1-projections"].values) > 0
    assert found["evolution relu-projections"].values.shape[0] == 4  # two channels at two checkpoints
