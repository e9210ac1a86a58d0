"""ZFNet, 224 x 224 px: Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, fig. 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ZFNet(nn.Module):
    """Takes images (N, 3, 224, 224), gives logits (N, classes); 58,281,093 parameters for 5 classes.

    With `switches` the max-pools return, beside their maps, where each maximum was found, as a deconvnet
    written by hand needs it. With `contrast` maps are normalised across channels after the first two
    pools, as in the article. Neither changes a parameter, so a checkpoint fits either way; `hidden` is
    the width of the two hidden linear layers.
    """

    def __init__(
        self, classes: int = 5, switches: bool = False, contrast: bool = False, hidden: int = 4096
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=7, stride=2, padding=1)
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1, return_indices=switches)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, stride=2)
        self.pool2 = nn.MaxPool2d(3, stride=2, padding=1, return_indices=switches)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1)
        self.pool5 = nn.MaxPool2d(3, stride=2, return_indices=switches)
        for number in (1, 2, 3, 4, 5, 6, 7):
            self.add_module(f"relu{number}", nn.ReLU())
        self.norms = nn.ModuleList(nn.LocalResponseNorm(5, k=2.0) for _ in range(2 if contrast else 0))
        self.fc6 = nn.Linear(256 * 6 * 6, hidden)
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(hidden, hidden)
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu1(self.conv1(images))  # (N, 96, 110, 110)
        maps = self.normalised(pooled(self.pool1(maps)), 0)  # (N, 96, 55, 55)
        maps = self.relu2(self.conv2(maps))  # (N, 256, 26, 26)
        maps = self.normalised(pooled(self.pool2(maps)), 1)  # (N, 256, 13, 13)
        maps = self.relu3(self.conv3(maps))  # (N, 384, 13, 13)
        maps = self.relu4(self.conv4(maps))  # (N, 384, 13, 13)
        maps = self.relu5(self.conv5(maps))  # (N, 256, 13, 13)
        features = torch.flatten(pooled(self.pool5(maps)), 1)  # (N, 9216)
        hidden = self.drop6(self.relu6(self.fc6(features)))
        hidden = self.drop7(self.relu7(self.fc7(hidden)))
        logits: Tensor = self.fc8(hidden)
        return logits

    def normalised(self, maps: Tensor, number: int) -> Tensor:
        """The maps as they are, or with their contrast normalised."""
        return self.norms[number](maps) if len(self.norms) else maps


def pooled(result: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """A max-pool's maps, without the switches where it returns them too."""
    return result[0] if isinstance(result, tuple) else result
