"""The commands of README's part on Hugging Face and timm, as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from reportgen.cli.commands import app

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = """\
run: {device: cpu}
visualizations: [grad-cam]
trust: false
output: {pdf: false}
"""


def commands() -> list[list[str]]:
    """The lines of the part's blocks of code."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    part = re.search(r"^## Hugging Face and timm$(.+?)^## ", readme, re.M | re.S)
    lines = re.findall(r"^reportgen .+$", part[1], re.M) if part else []
    return [shlex.split(line)[1:] for line in lines]


def images(folder: Path) -> Path:
    folder.mkdir()
    for number in range(1):
        pixels = np.random.default_rng(number).integers(0, 255, (90, 120, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def vit(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.ViTConfig(
        **sizes, image_size=64, patch_size=16, id2label={0: "espresso", 1: "tripod", 2: "newt"}
    )
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size=64).save_pretrained(folder)


def test_a_folder_is_inspected_and_run_as_readme_says(tmp_path):
    inspect, run, _of_timm = commands()
    vit(tmp_path / "model")
    (tmp_path / "quick.yaml").write_text(QUICK)
    places = {"FOLDER": tmp_path / "model", "IMAGES": images(tmp_path / "images"), "report": tmp_path / "out"}
    inspect, run = ([str(places.get(word, word)) for word in command] for command in (inspect, run))
    done = CliRunner().invoke(app, [*inspect, "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["source"] == "transformers:ViTForImageClassification"
    assert (told["input_shape"], told["classes"]) == ([3, 64, 64], ["espresso", "tripod", "newt"])
    done = CliRunner().invoke(app, [*run, "--recipe", str(tmp_path / "quick.yaml"), "--quiet"])
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["model"]["source"] == "transformers:ViTForImageClassification"
    names = {answer["class_name"] for image in results["images"] for answer in image["predictions"]}
    assert names == {"espresso", "tripod", "newt"}
    assert "ViTImageProcessor" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    check = ["verify", str(tmp_path / "out"), "--checkpoint", str(tmp_path / "model")]
    verified = CliRunner().invoke(app, check)
    assert verified.exit_code == 0, verified.stderr


def test_timm_by_name_as_readme_says(tmp_path):
    timm = pytest.importorskip("timm")
    *_, run = commands()
    network = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=1, num_classes=3)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    arguments = "model: {arguments: {img_size: 64, depth: 1, num_classes: 3}}\n"
    (tmp_path / "quick.yaml").write_text(QUICK + arguments)
    places = {
        "weights.safetensors": tmp_path / "w.safetensors",
        "IMAGES": images(tmp_path / "images"),
        "report": tmp_path / "out",
    }
    command = [str(places.get(word, word)) for word in run]
    done = CliRunner().invoke(app, [*command, "--recipe", str(tmp_path / "quick.yaml"), "--quiet"])
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["model"]["source"] == "timm:vit_tiny_patch16_224"


def test_a_folder_beside_another_model_brings_its_own_network(tmp_path):
    vit(tmp_path / "model")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef make():\n"
        "    body = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "    return body.append(nn.Linear(4, 3))\n"
    )
    network = nn.Sequential(
        nn.Conv2d(3, 4, 8, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "quick.yaml").write_text(
        QUICK.replace("[grad-cam]", "[saliency]")
        + "model: {source: net.py:make, preprocessing: {crop: 64, mean: [0.5], std: [0.5]}}\n"
    )
    command = ["run", tmp_path / "w.safetensors", images(tmp_path / "images"), "--out", tmp_path / "out"]
    command += ["--recipe", tmp_path / "quick.yaml", "--beside", tmp_path / "model", "--quiet"]
    done = CliRunner().invoke(app, [str(word) for word in command])
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["beside"]["model"]["source"] == "transformers:ViTForImageClassification"
