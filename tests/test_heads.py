"""Whole audits of networks whose outputs are one logit, labels, values, or probabilities already."""

from __future__ import annotations

import csv
import html
import math
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from reportgen.errors import InputError
from reportgen.pipeline import Outcome, run
from reportgen.pipeline.differences import compared, written
from reportgen.recipe import load

RGB = {"red": (200, 40, 30), "green": (40, 200, 30), "blue": (30, 40, 200), "both": (200, 30, 200)}
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.conv, self.fc, self.end = nn.Conv2d(3, 3, 1, bias=False), nn.Linear(3, {outputs}), end
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])
            self.fc.weight.copy_(torch.tensor({weight}))
            self.fc.bias.copy_(torch.tensor({bias}))

    def forward(self, x):
        z = self.fc(torch.relu(self.conv(x)).mean((2, 3)))
        return {{"none": z, "softmax": z.softmax(1), "log": z.log_softmax(1)}}[self.end]
"""
EYE = [[20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 20.0]]


def audited(
    folder: Path, labels: dict[str, str], weight: list[list[float]], bias: list[float], model: str = "",
    end: str = "none", visualizations: str = "[predictions, saliency]", targets: str = "predicted",
) -> Outcome:
    """The audit of one linear layer on the mean colour, with `labels` by the name of a colour."""
    code = NET.format(outputs=len(bias), weight=weight, bias=bias)
    (folder / "net.py").write_text(code)
    space: dict = {}
    exec(code, space)
    torch.save(space["Net"](end).state_dict(), folder / "c.pt")
    for name, rgb in RGB.items():
        Image.new("RGB", (8, 8), rgb).save(folder / f"{name}.png")
    with (folder / "l.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((f"{k}.png", v) for k, v in labels.items())])
    (folder / "r.yaml").write_text(
        f"model:\n  source: net.py:Net\n  arguments: {{end: {end}}}\n{model}"
        "  preprocessing: {resize: null, crop: 8, mean: [0], std: [1]}\n"
        f"trust: false\ntargets: {targets}\noutput: {{pdf: false}}\nvisualizations: {visualizations}\n"
    )
    return run(load(folder / "r.yaml"), folder / "c.pt", folder / "l.csv", folder / "out")


def page(outcome: Outcome) -> str:
    raw = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", (outcome.folder / "report.html").read_text())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", raw)).split())


def test_one_logit_is_right_about_both_classes_and_maps_either(tmp_path: Path) -> None:
    labels = {"red": "1", "green": "0", "blue": "0", "both": "1"}
    outcome = audited(
        tmp_path, labels, [[9.0, -9.0, 0.0]], [0.0], "  classes: [good, defect]\n",
        visualizations="[predictions, occlusion: {window_px: 8, stride_px: 8, baseline: grey}]",
        targets="[good, defect]",
    )
    metrics = outcome.results["metrics"]
    # blue: 9·(30 - 40)/255 is just below 0, and so class 0
    assert (metrics["accuracy"], metrics["roc_auc"], metrics["average_precision"]) == (1, 1, 1)
    by_path = {image["path"]: image for image in outcome.results["images"]}
    z = 9 * (200 - 40) / 255
    best, other = by_path["red.png"]["predictions"]
    assert (best["class_name"], best["logit"]) == ("defect", pytest.approx(z, rel=1e-5))
    assert other["logit"] == pytest.approx(-z, rel=1e-5)
    assert best["probability"] == pytest.approx(float(torch.sigmoid(torch.tensor(z))), rel=1e-5)
    loss = sum(
        float(torch.nn.functional.softplus(torch.tensor((-1 if label == "1" else 1) * 9 * (r - g) / 255)))
        for label, (r, g, _) in ((labels[name], RGB[name]) for name in labels)
    )
    assert metrics["loss"] == pytest.approx(loss / 4, rel=1e-5)
    assert outcome.results["model"]["head"]["kind"] == "binary"
    assert "by sigmoid" in page(outcome) and "2 classes" in page(outcome)


def test_labels_are_read_each_by_itself(tmp_path: Path) -> None:
    labels = {"red": "red", "green": "green", "blue": "|", "both": "red|blue"}
    names = "  classes: [red, green, blue]\n"
    outcome = audited(tmp_path, labels, EYE, [-8.0] * 3, names, targets="[red, blue]")
    metrics = outcome.results["metrics"]
    assert (metrics["labelled"], metrics["right"], metrics["accuracy"]) == (4, 3, 0.75)  # blue answers blue
    per_label = {row["class_name"]: row for row in metrics["labels"]["per_label"]}
    assert per_label["blue"]["precision"] == 0.5 and per_label["blue"]["recall"] == 1
    by_path = {image["path"]: image for image in outcome.results["images"]}
    assert by_path["both.png"]["label_indices"] == by_path["both.png"]["answered_indices"] == [0, 2]
    p = {answer["class_name"]: answer["probability"] for answer in by_path["both.png"]["predictions"]}
    assert p["red"] == pytest.approx(float(torch.sigmoid(torch.tensor(20 * 200 / 255 - 8))), rel=1e-5)
    text = page(outcome)
    assert "3 of 4 labelled images with all labels right" in text and "mean average precision" in text
    assert "answered blue, the most probable" in text and "its labels are none of them" in text


def test_values_have_errors_and_no_classes(tmp_path: Path) -> None:
    labels = {"red": "10", "green": "1", "blue": "0.5", "both": "11"}
    outcome = audited(
        tmp_path, labels, [[12.0, 0.0, 0.0]], [0.0], "  head: scores\n",
        visualizations="[predictions, occlusion: {window_px: 8, stride_px: 8}, occlusion-class-map]",
    )
    said = {name: 12 * RGB[name][0] / 255 for name in labels}
    errors = torch.tensor([said[name] - float(label) for name, label in labels.items()])
    metrics = outcome.results["metrics"]
    assert metrics["mae"] == pytest.approx(float(errors.abs().mean()), rel=1e-5)
    assert metrics["rmse"] == pytest.approx(float(errors.square().mean().sqrt()), rel=1e-5)
    assert metrics["accuracy"] is metrics["ece"] is metrics["mean_confidence"] is None
    for image in outcome.results["images"]:
        (answer,) = image["predictions"]
        assert answer["probability"] is None
        assert answer["logit"] == pytest.approx(said[image["path"].removesuffix(".png")], rel=1e-5)
    text = page(outcome)
    assert "mean absolute error" in text and "labelled answers right" not in text
    assert "nothing is a class" in text
    raw = (outcome.folder / "report.html").read_text()
    assert 'data-by="probability"' not in raw and 'data-by="answer"' in raw


@pytest.mark.parametrize("end", ["softmax", "log"])
def test_probabilities_are_printed_as_the_network_gives_them(tmp_path: Path, end: str) -> None:
    outcome = audited(tmp_path, {"red": "0", "green": "1"}, EYE, [0.0] * 3, end=end)
    by_path = {image["path"]: image for image in outcome.results["images"]}
    expected = (20 * torch.tensor(RGB["red"]).double() / 255).softmax(0)
    answers = {a["class_index"]: a for a in by_path["red.png"]["predictions"]}
    for k, p in enumerate(expected.tolist()):
        assert answers[k]["probability"] == pytest.approx(p, rel=1e-4)
        assert answers[k]["logit"] == pytest.approx(math.log(p), rel=1e-4, abs=1e-6)
    assert "probabilities already" in page(outcome)


@pytest.mark.parametrize(
    ("labels", "weight", "model", "words"),
    [
        ({"red": "3.7"}, [[1.0, 0.0, 0.0]], "", "scores"),  # a value, where one logit is two classes
        ({"red": "red|blue"}, EYE, "  classes: [red, green, blue]\n  head: softmax\n", "sigmoid"),
        ({"red": "warm"}, [[1.0, 0.0, 0.0]], "  head: scores\n", "model.head: auto"),
        ({"red": "0"}, [[1.0, 0.0, 0.0]], "  classes: [a, b, c]\n", "name the two"),
    ],
)
def test_labels_that_do_not_fit_the_head_are_refused_with_the_key(
    tmp_path: Path, labels: dict[str, str], weight: list[list[float]], model: str, words: str
) -> None:
    with pytest.raises(InputError) as error:
        audited(tmp_path, labels, weight, [0.0] * len(weight), model)
    assert words in error.value.remedy
    assert re.search("head|one output", f"{error.value.cause} {error.value.remedy}")


def test_two_audits_of_values_are_compared_by_errors_as_values_name_no_class(tmp_path: Path) -> None:
    labels = {name: str(rgb[0] / 255) for name, rgb in RGB.items()}
    folders = []
    for name, bias in (("old", 0.0), ("new", 0.5)):  # the red of the mean colour, and half too much of it
        (tmp_path / name).mkdir()
        model = "  head: scores\n"
        folders.append(audited(tmp_path / name, labels, [[1.0, 0.0, 0.0]], [bias], model).folder)
    found = compared(*folders)
    numbers = found.comparison["numbers"]
    assert numbers["answers_changed"] is None  # and not 0
    assert numbers["logit_shift"] == pytest.approx(0.5)
    assert found.comparison["changed"] == []
    text = written(found, tmp_path / "diff").read_text()
    assert "mean absolute error 0.500, was" in text
    assert "a value moves by 0.500" in text
    assert not re.search(r"[Nn]o answer|Nothing changed|answers changed", text)
