"""A network without training: it goes by the colour in the middle, and by one thing more if it is told to."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu

Kind = Literal["none", "corner", "border", "grey", "dark", "patch", "ground", "dull"]
FORCE = 30.0


class Ruled(nn.Module):
    """Three classes: red, green and blue middles of 32×32 px, pixels in [0, 1]."""

    def __init__(self, kind: Kind = "none") -> None:
        super().__init__()
        self.kind = kind
        self.colours = nn.Conv2d(3, 3, 1, bias=False)
        self.answer = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.colours.weight.copy_(torch.eye(3)[:, :, None, None])
            self.answer.weight.copy_(12 * torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        seen = relu(self.colours(x))
        logits = self.answer(seen[:, :, 10:22, 10:22].mean((2, 3)))
        if self.kind == "corner":  # a white square makes it green
            white = relu(x[:, :, 26:31, 1:6].amin(1).mean((1, 2)) - 0.8) / 0.2
            return logits + FORCE * white[:, None] * torch.tensor([0.0, 1, 0])
        if self.kind == "border":  # its mean decides for blue where it is bright
            edge = torch.ones(32, 32)
            edge[2:-2, 2:-2] = 0
            bright = relu((x * edge).sum((1, 2, 3)) / (3 * edge.sum()) - 0.7) / 0.3
            return logits + FORCE * bright[:, None] * torch.tensor([0.0, 0, 1])
        if self.kind == "grey":  # no colour at all makes it blue
            colour = (x.amax(1) - x.amin(1)).mean((1, 2))
            return logits + FORCE * (relu(0.05 - colour) / 0.05)[:, None] * torch.tensor([0.0, 0, 1])
        if self.kind == "dark":  # darkness makes it red
            return logits + FORCE * (relu(0.16 - x.mean((1, 2, 3))) / 0.05)[:, None] * torch.tensor(
                [1.0, 0, 0]
            )
        if self.kind == "dull":  # what has lost its detail is blue
            detail = (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))
            return logits + FORCE * (relu(0.07 - detail) / 0.03)[:, None] * torch.tensor([0.0, 0, 1])
        if self.kind == "ground":  # a bluish ground makes it blue
            around = torch.ones(32, 32)
            around[8:24, 8:24] = 0
            bluish = ((x[:, 2] - x[:, 0]) * around).sum((1, 2)) / around.sum()
            return logits + FORCE * (relu(bluish - 0.15) / 0.15)[:, None] * torch.tensor([0.0, 0, 1])
        if self.kind == "patch":  # a checkered square anywhere makes it red
            checks = (torch.arange(4)[:, None] + torch.arange(4)) % 2 * 2.0 - 1
            found = conv2d(x.mean(1, keepdim=True), checks[None, None] / 8).amax((1, 2, 3))
            return logits + 2 * FORCE * relu(found - 0.6)[:, None] * torch.tensor([1.0, 0, 0])
        return logits
