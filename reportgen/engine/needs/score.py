"""The score that gradients are of: a class's logit, or its contrast with all others."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

Score: TypeAlias = Literal["logit", "contrast"]


def score_of(logits: Tensor, classes: Tensor, score: Score) -> Tensor:
    """The score (N,) of one class an image (N,), of logits (N, C): the logit z_c, or the class contrast
    z_c − log Σ_{k≠c} exp z_k, the log of the odds of the class."""
    chosen = classes[:, None]
    own = logits.gather(1, chosen)[:, 0]
    if score == "logit":
        return own
    others = torch.zeros_like(logits, dtype=torch.bool).scatter(1, chosen, True)
    return own - logits.masked_fill(others, -torch.inf).logsumexp(1)
