"""The ZFNet example: its known numbers, its graph, and max-pools with and without indices all the way."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from reportgen import run as audit
from reportgen.cli.commands import app
from reportgen.engine.needs import Activation, Gradient
from reportgen.engine.network.trace import trace
from reportgen.engine.tape import ModelTape
from reportgen.probes.architecture import Architecture
from reportgen.probes.deconvnet import Deconvnet
from reportgen.recipe import load

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "zfnet"
CODE = [str(EXAMPLE / "network.py")]  # that of the example, named by recipes elsewhere
PHOTO = EXAMPLE.parent / "photos" / "coffee.jpg"
SHAPES = {
    "conv1": (96, 110, 110),
    "pool1": (96, 55, 55),
    "conv2": (256, 26, 26),
    "pool2": (256, 13, 13),
    "conv3": (384, 13, 13),
    "conv4": (384, 13, 13),
    "conv5": (256, 13, 13),
    "pool5": (256, 6, 6),
}
WAYS = [{"switches": s, "contrast": c} for s in (False, True) for c in (False, True)]


def module() -> Any:
    spec = importlib.util.spec_from_file_location("zfnet_network", EXAMPLE / "network.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def bare(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return module().ZFNet(**options)


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_its_numbers_are_the_known_ones_whatever_its_pools_return(options):
    facts = trace(bare(**options), (3, 224, 224))
    found = {held.name: held for held in Architecture().measure(ModelTape(facts, {}))}
    assert {name: facts.layer(name).output_shape for name in SHAPES} == SHAPES
    assert facts.parameters == found["parameters"].values == 58_281_093
    assert round(facts.macs / 1e9, 3) == 1.164
    assert round(float(found["parameter-memory"].values), 2) == 222.32
    assert round(float(found["activation-memory"].values), 2) == 11.57
    assert all(facts.layer(name).formula_holds for name in SHAPES)


@pytest.mark.parametrize("switches", [False, True])
def test_its_graph_is_one_line(switches):
    graph = trace(bare(switches=switches, contrast=True), (3, 224, 224)).graph
    assert [held.words for held in graph.operations] == [
        *("input", "conv 7×7/2, 96", "relu", "max-pool 3×3/2", "lrn"),
        *("conv 5×5/2, 256", "relu", "max-pool 3×3/2", "lrn"),
        *("conv 3×3, 384", "relu", "conv 3×3, 384", "relu", "conv 3×3, 256", "relu", "max-pool 3×3/2"),
        *("linear 4096", "relu", "linear 4096", "relu", "linear 5", "output"),
    ]
    assert graph.edges == tuple((at, at + 1) for at in range(len(graph.operations) - 1))


def test_pools_that_return_indices_give_the_same_taps_and_the_same_deconvnet(measured):
    """The reference is the same network with pools that return their maps alone."""
    torch.manual_seed(0)
    plain = module().ZFNet(hidden=32).eval()
    switched = module().ZFNet(hidden=32, switches=True).eval()
    switched.load_state_dict(plain.state_dict())
    pixels = torch.randn(1, 3, 224, 224)

    class Taps:
        def needs(self, model):
            return (Activation("pool1"), Activation("pool5"), Gradient("pool5"), Gradient("pool1", "deconv"))

        def measure(self, tape):
            return ()

    found = [measured(network, pixels, Taps(), Deconvnet()) for network in (plain, switched)]
    tapes = [one.tapes[0] for one in found]
    for need in Taps().needs(None):
        assert tapes[0][need].abs().max() > 0
        assert torch.equal(tapes[0][need], tapes[1][need])
    assert tapes[1][Activation("pool5")].shape == (1, 256, 6, 6)
    maps = [one.findings(Deconvnet())["map"].values for one in found]
    assert np.array_equal(maps[0], maps[1]) and np.ptp(maps[0]) > 0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with narrow linear layers: 18 MB instead of 233."""
    file = tmp_path_factory.mktemp("zfnet") / "untrained.safetensors"
    script = [sys.executable, str(EXAMPLE / "untrained.py"), str(file), "--hidden", "32"]
    subprocess.run(script, check=True, capture_output=True)
    return file


def recipe(folder: Path, switches: bool, shown: str | None = None) -> Path:
    """The example's recipe for that checkpoint, with `shown` instead of its visualizations."""
    text = (EXAMPLE / "recipe.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("visualizations:\n")
    arguments = f"{{classes: 5, hidden: 32, switches: {str(switches).lower()}}}"
    assert "arguments: {classes: 5}" in head
    head = head.replace("arguments: {classes: 5}", f"arguments: {arguments}")
    head = head.replace("network.py", (EXAMPLE / "network.py").as_posix()) + "trust: false\n"
    head = re.sub(r"  parts: .*\n", "", head)  # boxes of other images than these tests take
    file = folder / "recipe.yaml"
    file.write_text(f"{head}visualizations:\n{shown or rest}", encoding="utf-8")
    return file


@pytest.mark.matrix
def test_the_study_runs_with_switches_as_without(checkpoint: Path, tmp_path: Path) -> None:
    """The whole engine twice: what both measure of the image is equal."""
    shown = """\
  - architecture
  - channel-health
  - activation-maximisation: {classes: [], channels: [{layer: pool5, channel: 0}], steps: 2, side_px: 64}
  - feature-maps: {layers: [conv1, pool1, pool5], maps: 2}
  - deconvnet
  - grad-cam: {layer: pool5}
"""
    maps = []
    for switches in (False, True):
        out = tmp_path / f"out-{switches}"
        file = recipe(tmp_path, switches, shown)
        audit(load(file, CODE).with_values({"output.pdf": False}), checkpoint, PHOTO, out, save_maps=True)
        maps.append(np.load(out / "maps" / "000000.npz"))
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        layers = {layer["name"]: layer["output_shape"] for layer in results["model"]["layers"]}
        assert layers["pool5"] == [256, 6, 6]
        assert "max-pool 3×3/2" in (out / "report.html").read_text(encoding="utf-8")
    for name in ("deconvnet", "grad-cam", "logits"):
        assert np.array_equal(maps[0][name], maps[1][name])
        assert np.ptp(maps[0][name]) > 0


def test_the_recipe_is_whole_and_inspect_tells_the_graph(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "architecture" in load(EXAMPLE / "recipe.yaml").resolved()["visualizations"][0]
    words = ["inspect", str(checkpoint), "--recipe", str(recipe(tmp_path, switches=True))]
    words += ["--allow-code", str(EXAMPLE / "network.py")]
    assert not app(words, standalone_mode=False)
    told = capsys.readouterr().out
    assert "5 convolutions, 3 linear layers, 3 pools" in told
    assert "96×110×110" in told
