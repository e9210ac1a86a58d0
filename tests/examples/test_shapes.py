"""The shapes example draws what it says where it says, its networks train, and its shares are shares."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("timm")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "shapes"
OWN = ("networks", "drawing", "train", "strip")


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """The example's scripts, which import each other as `python examples/shapes/train.py` has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        for name in OWN:
            patch.delitem(sys.modules, name, raising=False)
        yield {name: import_module(name) for name in OWN}
        for name in OWN:
            sys.modules.pop(name, None)


def test_the_images_are_those_that_are_drawn_and_their_boxes_hold_the_shapes(modules):
    images = modules["train"].held_out()
    with (EXAMPLE / "boxes.csv").open(newline="") as table:
        rows = {row["path"]: row for row in csv.DictReader(table)}
    assert len(rows) == len(images.classes)
    colours = modules["drawing"].COLOURS
    for path, row in rows.items():
        number, label = int(Path(path).stem), Path(path).parent.name
        assert modules["drawing"].CLASSES[int(images.classes[number])] == label
        box = [int(row[side]) for side in ("left", "top", "right", "bottom")]
        assert box == images.boxes[number].tolist()
        pixels = torch.tensor(np.asarray(Image.open(EXAMPLE / path))).float() / 255  # (64, 64, 3)
        near = (pixels - colours[int(images.classes[number])]).abs().amax(2) < 0.15
        left, top, right, bottom = box
        inside = near[top:bottom, left:right].sum()
        # but for the ground, which may have the colour by chance, all of it is in the box
        assert inside > 0.3 * (right - left) * (bottom - top) and inside > 0.9 * near.sum()


@pytest.mark.parametrize("name", ["resnet", "convnext", "swin", "vit"])
def test_a_network_takes_a_step_and_answers(name, modules, monkeypatch):
    monkeypatch.setattr(modules["train"], "BATCH", 2)
    network = getattr(modules["networks"], name)()
    before = [weight.clone() for weight in network.parameters()]
    modules["train"].train(network, 2)  # the first step of a cycle is a small one
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    with torch.no_grad():
        assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 4)


def test_shares_of_planted_maps(modules):
    share, box = modules["strip"].share, (2, 4, 6, 8)
    values = np.zeros((16, 16), np.float32)
    assert share(values, box) is None
    assert share(-np.ones_like(values), box) is None
    values[4:8, 2:6] = 3
    assert share(values, box) == 1
    values[0, 0], values[15, 15] = 16, -100  # what is negative counts for nothing
    assert share(values, box) == 0.75
    assert share(np.ones_like(values), box) == 16 / 256
