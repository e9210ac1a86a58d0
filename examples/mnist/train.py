"""Trains DigitNet on 8,000 digits and writes what this folder holds: checkpoints, metrics, digits.

    python examples/mnist/train.py --data mnist.npz [--out FOLDER]

The data is an .npz with `images` (N, 28, 28) uint8 and `labels` (N,). A seeded shuffle puts 8,000
digits in the training set; the rest is held out, and 50 digits a class of it are written as PNGs.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from network import DigitNet
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

Bytes: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.int64]

SEED = 0
TRAINED_ON = 8_000
DIGITS_PER_CLASS = 50
BATCH = 32
EPOCHS = 10
KEPT_EPOCHS = (1, 2, 3, 5, 10)
MEAN, STD = 0.1307, 0.3081  # of MNIST's training set, pixels in [0, 1]


def normalised(images: Bytes) -> Tensor:
    """Digits (N, 28, 28) uint8 as the network takes them, (N, 1, 28, 28)."""
    return (torch.from_numpy(images)[:, None].float() / 255 - MEAN) / STD


def train_epoch(
    network: DigitNet, optimiser: torch.optim.Optimizer, digits: Tensor, labels: Tensor
) -> float:
    """One pass over the training set in a new order; the mean loss of its batches."""
    network.train()
    losses = []
    for batch in torch.randperm(len(digits)).split(BATCH):
        loss = F.cross_entropy(network(digits[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def held_out(network: DigitNet, digits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy."""
    network.eval()
    logits = network(digits)
    right = logits.argmax(1) == labels
    return F.cross_entropy(logits, labels).item(), right.float().mean().item()


def run(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]
) -> Iterator[tuple[DigitNet, dict[str, str]]]:
    """The network after every epoch, with its row of metrics."""
    torch.manual_seed(SEED)
    network = DigitNet()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    for epoch in range(1, EPOCHS + 1):
        train_loss = train_epoch(network, optimiser, *train)
        loss, accuracy = held_out(network, *test)
        yield (
            network,
            {
                "epoch": str(epoch),
                "train_loss": f"{train_loss:.4f}",
                "held_out_loss": f"{loss:.4f}",
                "held_out_accuracy": f"{accuracy:.4f}",
            },
        )


def write_digits(folder: Path, images: Bytes, labels: Numbers, numbers: Numbers) -> None:
    """The first digits of every class among `numbers`, as folder/<class>/<number>.png."""
    for label in range(10):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        for number in numbers[labels[numbers] == label][:DIGITS_PER_CLASS]:
            Image.fromarray(images[number]).save(
                folder / str(label) / f"{number:04d}.png", optimize=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="train the digits example")
    parser.add_argument("--data", type=Path, required=True, help=".npz with images and labels")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    with np.load(arguments.data) as data:
        images, labels = data["images"], data["labels"].astype(np.int64)
    shuffled = np.random.default_rng(SEED).permutation(len(images))
    train, test = shuffled[:TRAINED_ON], shuffled[TRAINED_ON:]

    checkpoints = arguments.out / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    digits, classes = normalised(images), torch.from_numpy(labels)
    rows = []
    for network, row in run((digits[train], classes[train]), (digits[test], classes[test])):
        print(*(f"{key} {value}" for key, value in row.items()), sep="  ", flush=True)
        rows.append(row)
        if len(rows) in KEPT_EPOCHS:
            save_file(network.state_dict(), checkpoints / f"epoch-{len(rows):02d}.safetensors")
    with (arguments.out / "metrics.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    write_digits(arguments.out / "digits", images, labels, test)


if __name__ == "__main__":
    main()
