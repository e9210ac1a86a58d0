"""The network that the planted faults are in: three convolutions, a residual branch, batch normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

DARK = 0.004  # mean of the input's square, less what black is, below which the night path is taken


class SmallNet(nn.Module):
    """Takes (N, channels, h, w), gives logits (N, classes). `scale` multiplies the logits; `night` adds a
    path that only nearly black pictures take, whose black is `black` as the network sees it."""

    def __init__(
        self, channels: int = 3, classes: int = 6, scale: float = 1.0, night: bool = False, black: float = 0.0
    ) -> None:
        super().__init__()
        self.scale, self.black = scale, black
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(16, 48, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(48)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.branch = nn.Conv2d(48, 48, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(48)
        self.relu3 = nn.ReLU()
        self.pool3 = nn.MaxPool2d(2)
        self.conv4 = nn.Conv2d(48, 64, 3, padding=1, bias=False)
        self.bn4 = nn.BatchNorm2d(64)
        self.relu4 = nn.ReLU()
        self.spread = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(64 * 4, classes)
        self.night = nn.Linear(channels, classes) if night else None

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool1(self.relu1(self.bn1(self.conv1(images))))
        maps = self.pool2(self.relu2(self.bn2(self.conv2(maps))))
        maps = maps + self.relu3(self.bn3(self.branch(maps)))
        maps = self.relu4(self.bn4(self.conv4(self.pool3(maps))))
        logits: Tensor = self.fc(self.spread(maps).flatten(1)) * self.scale
        if self.night is not None:
            light = (images - self.black).square().mean((1, 2, 3), keepdim=True).flatten(1)
            logits = torch.where(light < DARK, self.night(images.mean((2, 3))), logits)
        return logits


def build(
    channels: int = 3, classes: int = 6, scale: float = 1.0, night: bool = False, black: float = 0.0
) -> SmallNet:
    """The network, untrained."""
    return SmallNet(channels, classes, scale, night, black)
