"""Top patches: which layers and channels, what is said, and the way through both rounds to the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from torch import nn

from reportgen.audit.schema import results_schema
from reportgen.engine.needs import Projected, TopImages
from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.evidence import Evidence
from reportgen.findings import Gallery, NotApplicable
from reportgen.measure.measurement import Measurement
from reportgen.pipeline import run
from reportgen.probes.top_patches import TopPatches
from reportgen.recipe import load

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CODE = [str(MNIST / "network.py")]  # that of the example, named by recipes elsewhere
CHECKPOINT = MNIST / "checkpoints" / "epoch-10.safetensors"


def facts_of(network: nn.Module):
    return replace(trace(network, (3, 32, 32)), classes=tuple("abcde"))


def test_auto_takes_the_last_rectified_maps_of_each_resolution(awkward):
    needs = TopPatches().needs(facts_of(awkward))
    # without max-pooling there are no switches for a deconvnet to go by
    assert needs == (Projected(TopImages("clip", 9), 4, "guided", 96),)
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(900, 2))
    assert TopPatches().needs(facts_of(pooled.eval())) == (Projected(TopImages("1", 9), 4, "deconv", 96),)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.Flatten())
    plain.append(nn.Linear(5 * 13 * 13, 2))
    smooth = TopPatches(strongest=3).needs(facts_of(plain.eval()))
    assert [(n.top_images.layer, n.rule) for n in smooth] == [("1", "exact"), ("2", "exact"), ("3", "exact")]
    with pytest.raises(NotApplicable, match="deconvnet"):
        TopPatches(rule="deconv").needs(facts_of(plain))


def test_what_the_model_does_not_have_is_named(awkward):
    with pytest.raises(UnknownName, match="did you mean 'last'"):
        TopPatches(layers=("lost",)).needs(facts_of(awkward))
    with pytest.raises(UnknownName, match="channel of last 12"):
        TopPatches(layers=("last",), channels=(12,)).needs(facts_of(awkward))


def recipe(folder: Path, at_most: int, batch: int) -> Path:
    head = (MNIST / "recipe.yaml").read_text(encoding="utf-8")
    head = head[head.index("model:") : head.index("images:")]
    for name in ("network.py", "classes.txt"):
        head = head.replace(name, f"{MNIST}/{name}")
    path = folder / f"recipe-{at_most}-{batch}.yaml"
    path.write_text(
        f"{head}images: {{labels: folder, show: {{at_most: {at_most}}}}}\ntrust: false\n"
        f"run: {{batch_size: {batch}}}\noutput: {{pdf: false}}\n"
        "visualizations:\n  - top-patches: {layers: [relu2], channels: [3, 15], strongest: 4}\n"
    )
    return path


def found_in(folder: Path):
    evidence = Evidence(folder / "evidence")
    return {f.name: f for f in evidence.model_findings()["top-patches"][0]}, evidence


def test_the_patches_are_those_of_a_plain_loop_in_one_round_and_in_two(tmp_path):
    from PIL import Image
    from safetensors.torch import load_file

    tiles = {}
    for at_most, batch in ((60, 7), (3, 16)):  # one round, two rounds
        file, out = recipe(tmp_path, at_most, batch), tmp_path / f"out-{at_most}"
        outcome = run(load(file, CODE), CHECKPOINT, MNIST / "digits", out, limit=40)
        found, evidence = found_in(outcome.folder)
        tiles[at_most] = {k: v for k, v in found.items() if isinstance(v, Gallery)}
    for name, one in tiles[60].items():
        two = tiles[3][name]
        assert one.numbers.tolist() == two.numbers.tolist()
        assert np.allclose(one.values, two.values, atol=1e-4 * np.abs(one.values).max())
    space: dict = {}
    exec((MNIST / "network.py").read_text(encoding="utf-8"), space)
    network = space["DigitNet"]().eval()
    network.load_state_dict(load_file(CHECKPOINT))
    paths = [MNIST / "digits" / r["path"] for r in evidence.records()]
    pixels = [torch.from_numpy(np.array(Image.open(p).convert("L"))).float() / 255 for p in paths]
    peaks = []
    for n, grey in enumerate(pixels):
        kept: list = []
        handle = network.relu2.register_forward_hook(lambda _m, _a, out, kept=kept: kept.append(out[0, 15]))
        with torch.no_grad():
            network(((grey - 0.1307) / 0.3081)[None, None])
        handle.remove()
        peaks.append((-float(kept[0].max()), n))
    expected = [n for _, n in sorted(peaks)[:4]]
    assert tiles[60]["relu2-15-patches"].numbers.tolist() == expected
    assert found["relu2-15-highest"].values == pytest.approx(-min(peaks)[0], rel=1e-4)
    patch = tiles[60]["relu2-15-patches"].values[0]
    assert patch.shape == (3, 8, 8)  # conv 3, pool 2, conv 3: 3 + 1 + 2·2
    windows = pixels[expected[0]].unfold(0, 8, 1).unfold(1, 8, 1)
    assert (windows - torch.from_numpy(patch[0])).abs().amax((2, 3)).min() < 1e-5, "it is a part of the image"


def test_an_interrupted_second_round_ends_in_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    file = recipe(tmp_path, 3, 16)
    whole = run(load(file, CODE), CHECKPOINT, MNIST / "digits", tmp_path / "whole", limit=20).folder
    real = Measurement.numbered
    with monkeypatch.context() as patch:

        def stop(self, numbers):
            yield next(real(self, numbers))
            raise KeyboardInterrupt

        patch.setattr(Measurement, "numbered", stop)
        with pytest.raises(KeyboardInterrupt):
            run(load(file, CODE), CHECKPOINT, MNIST / "digits", tmp_path / "again", limit=20)
    again = run(load(file, CODE), CHECKPOINT, MNIST / "digits", tmp_path / "again", limit=20).folder
    for name in ("evidence/model.safetensors", "evidence/manifest.json", "report.html"):
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name
    cost = Evidence(again / "evidence").manifest["cost"]
    assert cost["projection_backwards"] == 8 and 0 < cost["projection_forwards"] <= 8
    assert any("seen again" in line for line in Evidence(again / "evidence").manifest["plan"])
    jsonschema.validate(json.loads((again / "results.json").read_bytes()), results_schema())
    page = (again / "report.html").read_text(encoding="utf-8")
    assert "relu2, channel 15" in page and "deconvnet&#39;s rule" in page


def test_a_wished_channel_that_nothing_excites_is_named_and_the_others_are_shown(tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(CHECKPOINT)
    state["conv2.bias"][3] = -1000.0
    dead = tmp_path / "dead.safetensors"
    save_file(state, dead)
    file = recipe(tmp_path, 60, 16)
    outcome = run(load(file, CODE), dead, MNIST / "digits", tmp_path / "out", limit=4)
    found, _ = found_in(outcome.folder)
    assert found["silent"].text == "No image of the set drives channel 3 of relu2 above zero."
    assert "relu2-3-patches" not in found and len(found["relu2-15-patches"].values) == 4
    assert [row[:2] for row in found["strongest"].rows] == [("relu2", 3), ("relu2", 15)]


def test_a_layer_that_nothing_excites_is_said_in_words(tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    state = load_file(CHECKPOINT)
    state["conv2.bias"] = torch.full_like(state["conv2.bias"], -1000.0)
    dead = tmp_path / "dead.safetensors"
    save_file(state, dead)
    file = recipe(tmp_path, 60, 16)
    file.write_text(file.read_text().replace("channels: [3, 15]", "channels: 4"))
    outcome = run(load(file, CODE), dead, MNIST / "digits", tmp_path / "out", limit=4)
    found, _ = found_in(outcome.folder)
    assert found["silent"].values and "relu2" in found["silent"].text
    page = (outcome.folder / "report.html").read_text(encoding="utf-8")
    assert "No image of the set drives any channel of relu2 above zero." in page
