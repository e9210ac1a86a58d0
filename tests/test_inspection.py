"""`inspect` says what a network's outputs are, and lists its layers whatever they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reportgen.pipeline.inspection import inspected
from reportgen.recipe import load

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, *end):
        super().__init__(nn.Flatten(), nn.Linear(12, {count}){end})
"""


def head_of(folder: Path, count: int, end: str = "", head: str = "auto"):
    (folder / "net.py").write_text(NET.format(count=count, end=end and f", nn.{end}"))
    space: dict = {}
    exec((folder / "net.py").read_text(), space)
    torch.save(space["Net"]().state_dict(), folder / "c.pt")
    (folder / "r.yaml").write_text(
        f"model:\n  source: net.py:Net\n  head: {head}\n"
        "  preprocessing: {resize: null, crop: 2, mean: [0, 0, 0], std: [1, 1, 1]}\n"
    )
    return inspected(load(folder / "r.yaml"), folder / "c.pt", None)


@pytest.mark.parametrize(
    ("count", "end", "head", "words"),
    [
        (4, "", "auto", "4 classes, one an image; its outputs are read as logits, by softmax"),
        (4, "Softmax(1)", "auto", "4 classes, one an image; The network gives probabilities already"),
        (1, "", "auto", "two classes by one output"),
        (4, "", "sigmoid", "4 labels, each by itself"),
        (1, "", "scores", "1 value"),
        (1, "Softmax(1)", "auto", "not known: the network has one output and takes its softmax"),
    ],
)
def test_the_head_is_said(tmp_path, count, end, head, words):
    found = head_of(tmp_path, count, end, head)
    assert found.head.startswith(words)
    assert found.as_json()["head_words"] == found.head
    assert any(layer["name"] == "1" for layer in found.as_json()["layers"])
