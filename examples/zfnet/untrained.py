"""Writes a checkpoint of ZFNet, or of AlexNet, with seeded random weights: untrained.py zfnet.safetensors"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torchvision
from network import ZFNet
from safetensors.torch import save_file


def main() -> None:
    """He et al. 2015: normal weights of variance 2 / inputs, so that activations keep their size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="the file to write (233 MB)")
    parser.add_argument("--alexnet", action="store_true", help="torchvision's AlexNet in place of ZFNet")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=4096, help="width of the hidden linear layers")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    network = (
        torchvision.models.alexnet(num_classes=given.classes)
        if given.alexnet
        else ZFNet(classes=given.classes, hidden=given.hidden)
    )
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)
            torch.nn.init.zeros_(module.bias)
    save_file(network.state_dict(), given.checkpoint)


if __name__ == "__main__":
    main()
