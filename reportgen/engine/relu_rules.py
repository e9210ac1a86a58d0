"""Guided backpropagation and the deconvnet as rules for the backward of every rectifier.

Springenberg et al. 2014, sec. 3.4, and Zeiler & Fergus 2013, sec. 2.1. The dispatcher sees the
backward of every rectifier that ran, whether it was a module, a function, in place or used twice,
so nothing has to be found, replaced or hooked in the network. A rectifier written as
`clamp(min=0)` has another backward and is not seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import assert_never

from reportgen.engine.needs import Rule

aten = torch.ops.aten


class RectifierRule(TorchDispatchMode):
    """While it is entered, rectifiers send gradients back by `rule`; `rewritten` counts them."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rule = rule
        self.rewritten = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.rule == "exact" or not _is_rectifier(func, args):
            return func(*args, **(kwargs or {}))
        self.rewritten += 1
        rectified: Tensor = aten.clamp_min.default(args[0], 0)  # g·1[g>0]
        if self.rule == "deconv":
            return rectified
        if self.rule == "guided":
            return func(rectified, *args[1:], **(kwargs or {}))  # g·1[g>0]·f'(x)
        assert_never(self.rule)


def _is_rectifier(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether this is the backward of ReLU (threshold 0) or ReLU6 (hardtanh that starts at 0)."""
    if func is aten.threshold_backward.default or func is aten.hardtanh_backward.default:
        return bool(args[2] == 0)
    return False
