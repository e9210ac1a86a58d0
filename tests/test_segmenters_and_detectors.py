"""Whole audits of networks that answer every pixel or box: what is explained, and what is not measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reportgen.errors import InputError, RecipeError
from reportgen.pipeline import Outcome, run
from reportgen.recipe import load

NETS = """
import torch
from torch import nn

class Segmenter(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.classifier = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 3, 1)
        self.aux_classifier = nn.Conv2d(5, 3, 1)

    def forward(self, x):
        features = torch.relu(self.backbone(x))
        return {"out": self.classifier(features), "aux": self.aux_classifier(features)}

class Detector(nn.Module):
    # one box an image, as large as a quarter of it, whose score rises with the red in its upper left

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, images):
        found = []
        for image in images:
            maps = self.conv(image[None])[0].relu()
            scores = torch.stack([maps[0, :8, :8].mean(), maps[1].mean()]).sigmoid()
            boxes = image.new_tensor([[0.0, 0, 8, 8], [4, 4, 16, 16]])
            found.append({"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": scores})
        return found
"""
FIGURES = "[predictions, saliency, grad-cam: {layer: LAYER}, occlusion: {window_px: 8, stride_px: 8}]"


def audited(
    folder: Path, net: str, target: str, more: str = "", layer: str = "auto", checks: str = "false"
) -> Outcome:
    (folder / "net.py").write_text(NETS)
    space: dict = {}
    exec(NETS, space)
    torch.manual_seed(0)
    torch.save(space[net]().state_dict(), folder / "c.pt")
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / "images").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / "images" / f"{name}.png")
    figures = FIGURES.replace("LAYER", layer)
    (folder / "r.yaml").write_text(
        f"model:\n  source: net.py:{net}\n  classes: [ground, cat, dog]\n  target: {target}\n"
        "  preprocessing: {resize: null, crop: 16, mean: [0], std: [1]}\n"
        f"trust: {{images: 1}}\nchecks: {checks}\noutput: {{pdf: false}}\nvisualizations: {figures}\n{more}"
    )
    return run(load(folder / "r.yaml"), folder / "c.pt", folder / "images", folder / "out")


def told(folder: Path) -> tuple[dict, str]:
    page = re.sub(r'<span class="nb">(.*?)</span>', r"\1", (folder / "out" / "report.html").read_text())
    return json.loads((folder / "out" / "results.json").read_text()), page


def of_maps(folder: Path, name: str) -> np.ndarray:
    """What the network of the audit gives for an image, (3, 16, 16), by plain torch."""
    space: dict = {}
    exec(NETS, space)
    network = space["Segmenter"]()
    network.load_state_dict(torch.load(folder / "c.pt"))
    pixels = np.asarray(Image.open(folder / "images" / f"{name}.png")).transpose(2, 0, 1) / np.float32(255)
    with torch.no_grad():
        return network(torch.tensor(pixels)[None])["out"][0].numpy()


def measures_nothing_of_classes(results: dict, page: str) -> None:
    for metric in ("accuracy", "loss", "ece", "top_5_accuracy", "macro_f1"):
        assert results["metrics"].get(metric) is None
    assert "It is no classifier, and nothing here measures how right" in results["model"]["head"]["reading"]
    assert "It is no classifier" in page
    for image in results["images"]:
        assert all(found["probability"] is None for found in image["predictions"])


def test_a_segmenter_by_a_box(tmp_path: Path) -> None:
    audited(tmp_path, "Segmenter", "{box: [2, 4, 10, 12], class: dog}")
    results, page = told(tmp_path)
    measures_nothing_of_classes(results, page)
    assert results["model"]["head"]["region"]["masked"] is False
    assert "the box [2, 4, 10, 12]" in results["model"]["head"]["reading"]
    expected = of_maps(tmp_path, "a")[:, 4:12, 2:10].mean((1, 2))
    by_name = {p["class_name"]: p["logit"] for p in results["images"][0]["predictions"]}
    assert [by_name[name] for name in ("ground", "cat", "dog")] == pytest.approx(expected.tolist(), abs=1e-5)
    assert "grad-cam" in results["images"][0]["findings"]


def test_a_segmenter_by_masks(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    masks = {name: np.zeros((16, 16), np.uint8) for name in "ab"}
    masks["a"][2:7, 3:9], masks["b"][8:, :5], masks["b"][0] = 2, 2, 1
    for name, mask in masks.items():
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    audited(tmp_path, "Segmenter", "{mask: masks, value: 2, class: 2}", checks="[slices, preprocessing]")
    results, page = told(tmp_path)
    measures_nothing_of_classes(results, page)
    assert results["model"]["head"]["region"]["masked"] is True
    assert "the mask of its image" in results["model"]["head"]["reading"]
    assert results["recipe"]["model"]["target"] == {"box": None, "mask": "masks", "value": 2, "class": 2}
    for image, name in zip(results["images"], "ab", strict=True):
        expected = of_maps(tmp_path, name)[:, masks[name] == 2].mean(1)
        by_name = {p["class_name"]: p["logit"] for p in image["predictions"]}
        assert [by_name[k] for k in ("ground", "cat", "dog")] == pytest.approx(expected.tolist(), abs=1e-5)
    assert "mask: 12 % of the model" in page  # 30 of 256 places


def test_an_image_without_a_mask_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.ones((16, 16), np.uint8)).save(tmp_path / "masks" / "a.png")
    audited(tmp_path, "Segmenter", "{mask: masks}")
    results, page = told(tmp_path)
    assert [image["status"] for image in results["images"]] == ["ok", "rejected"]
    assert results["images"][1]["reason"] == "no mask is called like it (b.png or .npy)"
    assert "no mask is called like it" in page


def test_a_detector_by_a_box(tmp_path: Path) -> None:
    audited(tmp_path, "Detector", "{box: [0, 0, 8, 8], class: cat}", layer="conv")
    results, page = told(tmp_path)
    measures_nothing_of_classes(results, page)
    region = results["model"]["head"]["region"]
    assert region["detects"] and region["box"] == [0, 0, 8, 8]
    first = {p["class_name"]: p["logit"] for p in results["images"][0]["predictions"]}
    assert first["ground"] == 0 and first["cat"] > 0.4  # a sigmoid of what is not negative, times one
    assert 0 < first["dog"] < 16 / (64 + 144 - 16)
    numbers = results["images"][0]["findings"]
    assert {"saliency", "occlusion"} <= numbers.keys()


def test_masks_for_a_detector_and_for_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its answers are boxes"):
        audited(tmp_path, "Detector", "{mask: masks}")
    with pytest.raises(InputError, match="there is no folder"):
        audited(tmp_path, "Segmenter", "{mask: masks}")


@pytest.mark.parametrize(
    ("target", "more", "words"),
    [
        ("{box: [0, 0, 8, 8], mask: masks}", "", "a box and a mask"),
        ("{value: 3}", "", "model.target.mask names none"),
        ("{mask: masks, class: dog}", "targets: cat\n", "names the class already"),
        ("{mask: masks, clas: dog}", "", "class"),
    ],
)
def test_what_a_target_cannot_say(tmp_path: Path, target: str, more: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        audited(tmp_path, "Segmenter", target, more)
