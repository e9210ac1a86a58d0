"""Networks with shuffled weights, from the bottom up, for sanity checks. Adebayo et al. 2018, sec. 3.1.

From the input on, as Hedström et al. 2023, Sanity Checks Revisited (arXiv:2401.06465) advise: shuffled from
the output down, all lower layers stay, and maps made of activations must keep some likeness.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import torch
from torch import nn

from reportgen.engine.needs import ModelFacts

KEPT_BYTES = 1 << 29  # of all copies together


@dataclass
class ShuffledCopies:
    """Copies of one network with shuffled weights, kept for the next batch of images where `count` of them
    take little room."""

    count: int
    known: dict[tuple[float, int], nn.Module] = field(default_factory=dict)

    def of(self, network: nn.Module, facts: ModelFacts, share: float, seed: int) -> nn.Module:
        """The copy of a share and a seed (see `shuffled`)."""
        key = (share, seed)
        made = self.known.get(key) or shuffled(network, facts, share, seed)
        tensors = (*network.parameters(), *network.buffers())
        if self.count * sum(tensor.nbytes for tensor in tensors) <= KEPT_BYTES:
            self.known[key] = made
        return made


def shuffled(network: nn.Module, facts: ModelFacts, share: float, seed: int) -> nn.Module:
    """A copy in which the weights of the layers nearest the input are shuffled within each tensor.

    `share` is that of the layers with weights, counted from the input; one is shuffled at least.

    Shuffling keeps the distribution of every tensor (statistics of batch norm included), so that
    activations keep their size whatever the architecture, and destroys what was learned.
    """
    bare = copy.deepcopy(network)
    modules = dict(bare.named_modules())
    weighted = [layer.name for layer in facts.leaves() if layer.weighted]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        count = max(1, math.ceil(share * len(weighted)))
        for name in weighted[:count]:
            for tensor in (*modules[name].parameters(), *modules[name].buffers()):
                if tensor.numel() > 1:
                    order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
                    tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return bare
