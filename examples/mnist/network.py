"""A small network for handwritten digits, 28 x 28 grey: two convolutions, two linear layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DigitNet(nn.Module):
    """53,030 parameters; takes digits (N, 1, 28, 28), gives logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=3)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=3)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(20 * 5 * 5, 100)
        self.relu3 = nn.ReLU()
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, digits: Tensor) -> Tensor:
        maps = self.pool1(self.relu1(self.conv1(digits)))  # (N, 10, 13, 13)
        maps = self.pool2(self.relu2(self.conv2(maps)))  # (N, 20, 5, 5)
        hidden = self.dropout(self.relu3(self.fc1(torch.flatten(maps, 1))))  # (N, 100)
        logits: Tensor = self.fc2(hidden)
        return logits
