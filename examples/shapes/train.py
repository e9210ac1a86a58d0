"""Trains the four networks of `networks.py` on drawn shapes, and draws the images that the recipes audit.

    python examples/shapes/train.py [--out FOLDER] [--steps 150] [NAME …]

writes a checkpoint a network to FOLDER, and the held-out images to FOLDER/images with their boxes in
FOLDER/boxes.csv. Every batch is drawn anew, so that no picture is seen twice.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import networks
import numpy as np
import torch
from drawing import CLASSES, Drawn, drawn
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

NAMES = ("resnet", "convnext", "swin", "vit")
BATCH, STEPS, RATE = 64, 150, 3e-3
MEAN, STD = 0.5, 0.25  # as the recipes have them
HELD_OUT = 40
SEED_OF_IMAGES = 1


def normalised(pixels: Tensor) -> Tensor:
    """Pixels (N, 3, H, W) in [0, 1] as the networks take them."""
    return (pixels - MEAN) / STD


def train(network: nn.Module, steps: int, seed: int = 0) -> nn.Module:
    """The network after so many steps of AdamW under one cycle of the learning rate, in eval mode."""
    draw = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.02)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=0.2)
    network.train()
    for _ in range(steps):
        batch = drawn(BATCH, draw)
        loss = F.cross_entropy(network(normalised(batch.pixels)), batch.classes)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rates.step()
    return network.eval()


def accuracy(network: nn.Module, images: Drawn) -> float:
    with torch.no_grad():
        answers = network(normalised(images.pixels)).argmax(1)
    return (answers == images.classes).float().mean().item()


def held_out() -> Drawn:
    """The images that are audited: as many of each class as chance gave."""
    return drawn(HELD_OUT, torch.Generator().manual_seed(SEED_OF_IMAGES))


def write_images(folder: Path, images: Drawn) -> None:
    """Each image as folder/images/CLASS/NN.png; the boxes as folder/boxes.csv, in pixels."""
    rows = []
    for number, (pixels, label) in enumerate(zip(images.pixels, images.classes, strict=True)):
        file = Path("images") / CLASSES[int(label)] / f"{number:02d}.png"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shown = (pixels * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(shown)).save(folder / file, optimize=True)
        rows.append([file.as_posix(), *images.boxes[number].tolist()])
    with (folder / "boxes.csv").open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["path", "left", "top", "right", "bottom"])
        writer.writerows(sorted(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description="train the shapes example")
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="networks; all where none is named")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    images = held_out()
    write_images(arguments.out, images)
    for name in arguments.names or NAMES:
        torch.manual_seed(0)
        network = train(getattr(networks, name)(), arguments.steps)
        save_file(network.state_dict(), arguments.out / f"{name}.safetensors")
        print(f"{name}: {accuracy(network, images):.1%} of {HELD_OUT} held-out images", flush=True)


if __name__ == "__main__":
    main()
