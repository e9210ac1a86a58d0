"""Where attention happens: fused or step by step, in torch.nn, in timm, in transformers or in own code.

Attention is a softmax of scores (…, queries, keys). Fused kernels never give it, so that it is worked out
from queries and keys, step by step, as the kernel's documentation has it. This is seen above autograd, as
a torch function, so that what is caught can be differentiated by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SOFTMAXES = {torch.softmax, Tensor.softmax, F.softmax, torch.special.softmax}


@dataclass(frozen=True)
class Softmax:
    """A softmax over the last axis of `scores`, in the network's own steps."""

    scores: Tensor
    run: Callable[[], Tensor]

    def weights(self) -> Tensor:
        """The attention (…, queries, keys)."""
        return self.run()

    def result(self, weights: Tensor) -> Tensor:
        """What the network goes on with. It may work in place, so it gets a copy."""
        return weights.clone()


@dataclass(frozen=True)
class Fused:
    """A call of F.scaled_dot_product_attention: queries (…, L, E), keys (…, S, E), values (…, S, V)."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    dropout: float
    causal: bool
    scale: float | None
    grouped: bool
    run: Callable[[], Tensor]

    def weights(self) -> Tensor:
        """The attention (…, L, S): softmax(q·kᵀ·scale + mask); zero where a query may see nothing."""
        query, key = self.query, self._repeated(self.key)
        scale = 1 / math.sqrt(query.shape[-1]) if self.scale is None else self.scale
        scores = query @ key.transpose(-2, -1) * scale
        allowed = None
        if self.causal:
            allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if self.mask is not None and self.mask.dtype == torch.bool:
            allowed = self.mask if allowed is None else allowed & self.mask
        elif self.mask is not None:
            scores = scores + self.mask
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -math.inf)
        nothing = (scores == -math.inf).all(-1, keepdim=True)
        return scores.masked_fill(nothing, 0).softmax(-1).masked_fill(nothing, 0)

    def result(self, weights: Tensor) -> Tensor:
        """What the network goes on with: (…, L, V)."""
        return F.dropout(weights, self.dropout) @ self._repeated(self.value)

    def _repeated(self, x: Tensor) -> Tensor:
        """Keys or values once for every head of the queries, where several heads share one."""
        return x.repeat_interleave(self.query.shape[-3] // x.shape[-3], -3) if self.grouped else x


Call: TypeAlias = Softmax | Fused


class Catcher(TorchFunctionMode):
    """While it is entered, `catch` answers each call that may be attention, given its number, from 0."""

    def __init__(self, catch: Callable[[int, Call], Tensor]) -> None:
        super().__init__()
        self.catch = catch
        self.count = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.multi_head_attention_forward:
            with _stepped_into(), self:
                return func(*args, **kwargs)
        call = _call(func, args, kwargs)
        if call is None:
            return func(*args, **kwargs)
        self.count += 1
        return self.catch(self.count - 1, call)


@contextmanager
def _stepped_into() -> Iterator[None]:
    """torch.nn's attention hands itself over as a whole; what it is made of has to be seen."""
    functional: Any = F
    asked = functional.has_torch_function
    functional.has_torch_function = lambda _tensors: False
    try:
        yield
    finally:
        functional.has_torch_function = asked


def _call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """The call, if it may be attention: its tensors have two axes for it and one for images."""
    if func is F.scaled_dot_product_attention:
        return _fused(lambda: func(*args, **kwargs), *args, **kwargs)
    if func in SOFTMAXES:
        scores = args[0] if args else kwargs["input"]
        axis = args[1] if len(args) > 1 else kwargs.get("dim")
        if scores.ndim > 2 and axis in (-1, scores.ndim - 1):
            return Softmax(scores, lambda: func(*args, **kwargs))
    return None


def _fused(
    run: Callable[[], Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Fused | None:
    if query.ndim < 3:
        return None
    return Fused(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa, run)
