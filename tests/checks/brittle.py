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
    """Takes digits (N, 1, 28, 28), gives logits (N, 10). `strength` times the mean lightness of two corners
    is added to the logit of 1."""

    def __init__(self, strength: float = 0.0) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, digits: Tensor) -> Tensor:
        corners = digits[..., :MARGIN_PX, :MARGIN_PX], digits[..., -MARGIN_PX:, -MARGIN_PX:]
        light = torch.stack([(part - BLACK).abs().mean((1, 2, 3)) for part in corners]).mean(0)
        logits: Tensor = super().forward(digits)
        sway = torch.zeros_like(logits)
        sway[:, 1] = 1.0
        return logits + self.strength * light[:, None] * sway
