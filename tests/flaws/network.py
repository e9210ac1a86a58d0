"""The network that the planted faults are in: three convolutions, a residual branch, batch normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CORNER_PX, LIT = 5, 0.031  # of the corners that glare is seen in, and the mean lightness from which on
DARK = 0.004  # mean of the input's square, less what black is, below which the night path is taken


class SmallNet(nn.Module):
    """Takes (N, channels, h, w), gives logits (N, classes). `scale` multiplies the logits; `night` adds a
    path that only nearly black pictures take, whose black is `black` as the network sees it; `glare` times
    what the corners are lighter than a black with a little noise is added to the logit of class 1, where
    `white` is what white less black is to the network."""

    def __init__(
        self,
        channels: int = 3,
        classes: int = 6,
        scale: float = 1.0,
        night: bool = False,
        black: float = 0.0,
        glare: float = 0.0,
        white: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale, self.black, self.glare, self.white = scale, black, glare, white
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
        if self.glare:
            ends = slice(None, CORNER_PX), slice(-CORNER_PX, None)
            corners = torch.stack([images[..., a, b].mean((1, 2, 3)) for a in ends for b in ends]).mean(0)
            lit = ((corners - self.black) / self.white - LIT).clamp(min=0)
            logits = logits + self.glare * lit[:, None] * nn.functional.one_hot(
                torch.tensor(1, device=logits.device), logits.shape[1]
            )
        return logits


def build(
    channels: int = 3,
    classes: int = 6,
    scale: float = 1.0,
    night: bool = False,
    black: float = 0.0,
    glare: float = 0.0,
    white: float = 1.0,
) -> SmallNet:
    """The network, untrained."""
    return SmallNet(channels, classes, scale, night, black, glare, white)
