"""The digits' network with a flaw of a chosen strength: what lies on the black margin sways its answers."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NETWORK = Path(__file__).resolve().parents[2] / "examples" / "mnist" / "network.py"
DigitNet: Any = runpy.run_path(str(NETWORK))["DigitNet"]
BLACK = -0.1307 / 0.3081
MARGIN_PX = 3


class Brittle(DigitNet):  # type: ignore[misc]
    """Takes digits (N, 1, 28, 28), gives logits (N, 10). To the logit of 1 is added: `strength` times the
    mean lightness of two corners; `grid` where the first row and column of ink add up to an odd number;
    `rounding` times how far the values lie from those of 8 bits."""

    def __init__(self, strength: float = 0.0, grid: float = 0.0, rounding: float = 0.0) -> None:
        super().__init__()
        self.strength, self.grid, self.rounding = strength, grid, rounding

    def forward(self, digits: Tensor) -> Tensor:
        corners = digits[..., :MARGIN_PX, :MARGIN_PX], digits[..., -MARGIN_PX:, -MARGIN_PX:]
        light = torch.stack([(part - BLACK).abs().mean((1, 2, 3)) for part in corners]).mean(0)
        ink = (digits - BLACK > 0.3).any(1)  # (N, 28, 28)
        first = ink.any(1).float().argmax(1) + ink.any(2).float().argmax(1)  # where it begins
        levels = (digits - BLACK) * 0.3081 * 255
        off = (levels - levels.round()).abs().mean((1, 2, 3))
        sway = self.strength * light + self.grid * (first % 2) + self.rounding * off
        logits: Tensor = super().forward(digits)
        return logits + sway[:, None] * torch.nn.functional.one_hot(torch.tensor(1), 10)
