"""A small network with batch normalisations, for the checks that look inside."""

from __future__ import annotations

from torch import Tensor, nn


class Normed(nn.Module):
    """Takes digits (N, 1, 28, 28), gives logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(24)
        self.fc = nn.Linear(24 * 16, 10)

    def forward(self, digits: Tensor) -> Tensor:
        maps = nn.functional.max_pool2d(self.bn1(self.conv1(digits)).relu(), 2)
        maps = nn.functional.adaptive_max_pool2d(self.bn2(self.conv2(maps)).relu(), 4)
        logits: Tensor = self.fc(maps.flatten(1))
        return logits
