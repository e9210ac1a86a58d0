"""A network whose batch normalisations go by the statistics of other images than those of its training.

Nado et al. 2020, Evaluating Prediction-Time Batch Normalization for Robustness under Covariate Shift
(arXiv:2006.10963); Izmailov et al. 2018 (arXiv:1803.05407), sec. 3.2, for the pass that renews them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from reportgen.engine.perturb.asking import Asker


def tracking(network: nn.Module) -> list[_BatchNorm]:
    """The batch normalisations that keep running statistics."""
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


@contextmanager
def adapted(asker: Asker, batches: Iterable[Tensor]) -> Iterator[None]:
    """The network with statistics of these batches (N, C, H, W), the mean over them, while it is entered.
    Every value, counter and mode comes back as it was."""
    norms = tracking(asker.network)
    stored = [{name: value.clone() for name, value in norm.named_buffers(recurse=False)} for norm in norms]
    modes = [(norm.training, norm.momentum) for norm in norms]
    try:
        _renew(asker, norms, batches)
        yield
    finally:
        for norm, buffers, (training, momentum) in zip(norms, stored, modes, strict=True):
            norm.training, norm.momentum = training, momentum
            for name, value in buffers.items():
                getattr(norm, name).copy_(value)


@torch.no_grad()
def _renew(asker: Asker, norms: list[_BatchNorm], batches: Iterable[Tensor]) -> None:
    for norm in norms:
        norm.reset_running_stats()
        norm.training, norm.momentum = True, None  # the plain mean over the batches
    for x in batches:
        asker.forward(asker.feed.laid(x.to(asker.device)))
    for norm in norms:
        norm.training = False
