"""A network one step down the loss of some labelled images, and back.

The step of a tensor is a share of its own length, as in You, Gitman & Ginsburg 2017, Large Batch Training of
Convolutional Networks (arXiv:1708.03888), sec. 4: so one length suits layers of any scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.perturb.asking import Asker
from reportgen.findings import Array

AT_ONCE = 16  # images whose activations are kept for a gradient of the weights


@dataclass(frozen=True)
class Descent:
    """The parameters of a network, and for each the direction in which the loss falls, of its own length."""

    parameters: tuple[nn.Parameter, ...]
    directions: tuple[Tensor, ...]

    @contextmanager
    def by(self, length: float) -> Iterator[None]:
        """The network a step of this share of each tensor's length on, while it is entered. Every value
        comes back to the bit as it was."""
        stored = [parameter.detach().clone() for parameter in self.parameters]
        try:
            with torch.no_grad():
                for parameter, direction in zip(self.parameters, self.directions, strict=True):
                    parameter.add_(direction, alpha=length)
            yield
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.parameters, stored, strict=True):
                    parameter.copy_(value)


def descent(
    asker: Asker, batches: Sequence[tuple[Tensor, Tensor]], fitted: Callable[[Array, Array], float]
) -> Descent | None:
    """The steepest descent of the mean log loss of labelled batches: pixels (N, C, H, W), labels (N,) int64.

    The logits are divided by the temperature that is `fitted` to logits (n, C) and labels (n,) of the same
    images, so that answers that are only too sure or not sure enough give no direction. None where no weight
    or no finite gradient is there.
    """
    parameters = tuple(dict.fromkeys(p for p in asker.network.parameters() if p.is_floating_point()))
    if not parameters or not batches:
        return None
    temperature = fitted(*_answered(asker, batches))
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    flags = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        for x, labels in _few(batches):
            with torch.enable_grad():
                logits, _ = asker.forward(asker.feed.laid(x.to(asker.device)))
                loss = F.cross_entropy(logits / temperature, labels.to(asker.device), reduction="sum")
            asker.counted.backwards += len(x)
            for total, gradient in zip(
                sums, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
            ):
                if gradient is not None:
                    total += gradient
    finally:
        for parameter, flag in zip(parameters, flags, strict=True):
            parameter.requires_grad_(flag)
    return _normed(parameters, sums)


def _normed(parameters: tuple[nn.Parameter, ...], sums: Sequence[Tensor]) -> Descent | None:
    if not all(bool(total.isfinite().all()) for total in sums) or not any(
        bool(total.any()) for total in sums
    ):
        return None
    directions = []
    for parameter, total in zip(parameters, sums, strict=True):
        norm = total.norm()
        scale = parameter.detach().norm() / norm if norm > 0 else norm
        directions.append(-total * scale)
    return Descent(parameters, tuple(directions))


@torch.no_grad()
def _answered(asker: Asker, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Array, Array]:
    answers = [(asker.forward(asker.feed.laid(x.to(asker.device)))[0].cpu(), y.cpu()) for x, y in batches]
    return torch.cat([z for z, _ in answers]).double().numpy(), torch.cat([y for _, y in answers]).numpy()


def _few(batches: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    for x, labels in batches:
        yield from zip(x.split(AT_ONCE), labels.split(AT_ONCE), strict=True)
