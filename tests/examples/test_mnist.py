"""The digits example is what its README says: network, checkpoints and held-out digits."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist"
EPOCHS = (1, 2, 3, 5, 10)


def digit_net() -> Any:
    spec = importlib.util.spec_from_file_location("digits_network", EXAMPLE / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.DigitNet()


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """The 500 held-out digits, (500, 1, 28, 28) normalised, and their labels."""
    files = sorted((EXAMPLE / "digits").glob("*/*.png"))
    grey = np.stack([np.asarray(Image.open(file)) for file in files])
    assert grey.dtype == np.uint8
    x = (torch.from_numpy(grey)[:, None].float() / 255 - 0.1307) / 0.3081
    return x, torch.tensor([int(file.parent.name) for file in files])


def accuracy(epoch: int, digits: tuple[Tensor, Tensor]) -> float:
    network = digit_net().eval()
    network.load_state_dict(load_file(EXAMPLE / "checkpoints" / f"epoch-{epoch:02d}.safetensors"))
    with torch.inference_mode():
        return float((network(digits[0]).argmax(1) == digits[1]).double().mean())


def test_the_network_has_53030_parameters_and_takes_28_px() -> None:
    network = digit_net()
    assert sum(p.numel() for p in network.parameters()) == 53_030
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_500_digits_50_a_class_in_the_order_of_classes_txt(digits: tuple[Tensor, Tensor]) -> None:
    assert digits[0].shape == (500, 1, 28, 28)
    assert torch.bincount(digits[1]).tolist() == [50] * 10
    classes = (EXAMPLE / "classes.txt").read_text(encoding="utf-8").split()
    assert classes == [str(digit) for digit in range(10)]


def test_no_digit_was_trained_on() -> None:
    """A file's name is its row; the training set is the head of the seeded shuffle of train.py."""
    trained_on = set(np.random.default_rng(0).permutation(10_000)[:8_000].tolist())
    shown = {int(file.stem) for file in (EXAMPLE / "digits").glob("*/*.png")}
    assert len(shown) == 500
    assert not shown & trained_on


def test_the_last_checkpoint_is_right_on_96_percent(digits: tuple[Tensor, Tensor]) -> None:
    assert accuracy(10, digits) >= 0.96


def test_the_first_checkpoint_is_below_the_recipes_gate(digits: tuple[Tensor, Tensor]) -> None:
    """So the example shows both: a gate that passes and one that fails."""
    assert 0.5 < accuracy(1, digits) < 0.95


def test_metrics_follow_the_epochs_and_agree_with_the_digits(
    digits: tuple[Tensor, Tensor],
) -> None:
    """500 of the 2,000 held-out digits: the two accuracies differ by sampling alone (< 0.03)."""
    with (EXAMPLE / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["epoch"]): row for row in csv.DictReader(file)}
    assert sorted(rows) == list(range(1, 11))
    for epoch in EPOCHS:
        assert abs(float(rows[epoch]["held_out_accuracy"]) - accuracy(epoch, digits)) < 0.03


def test_checkpoints_are_state_dicts_of_at_most_250_kb() -> None:
    files = sorted((EXAMPLE / "checkpoints").iterdir())
    assert [file.name for file in files] == [f"epoch-{epoch:02d}.safetensors" for epoch in EPOCHS]
    for file in files:
        assert file.stat().st_size <= 250_000
        assert load_file(file).keys() == digit_net().state_dict().keys()
