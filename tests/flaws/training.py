"""Trains the small network on a drawn set in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flaws.drawing import CLASSES, Pixels, digit, shape
from flaws.network import SmallNet

MEAN, STD = 0.5, 0.25
BATCH = 64
EPOCHS = 9
EACH = {"digits": 250, "shapes": 600}  # training pictures a class


@dataclass(frozen=True)
class Labelled:
    """Pictures with the class that each is of."""

    pictures: list[Pixels]
    labels: list[int]


def drawn(world: str, each: int | Sequence[int], seed: int) -> Labelled:
    """A set with so many pictures a class."""
    draw = np.random.default_rng(seed)
    make = digit if world == "digits" else shape
    count = len(CLASSES[world])
    wanted = [each] * count if isinstance(each, int) else list(each)
    pairs = [(make(label, draw), label) for label in range(count) for _ in range(wanted[label])]
    return Labelled([picture for picture, _ in pairs], [label for _, label in pairs])


def batched(pictures: Sequence[Pixels]) -> Tensor:
    """(N, C, h, w) as the network takes them."""
    values = torch.from_numpy(np.stack(pictures)).float() / 255
    values = values[:, None] if values.ndim == 3 else values.permute(0, 3, 1, 2)
    return (values.contiguous() - MEAN) / STD


def trained(
    drawn_set: Labelled,
    classes: int,
    seed: int,
    epochs: int = EPOCHS,
    before: Callable[[SmallNet], None] = lambda _: None,
) -> SmallNet:
    """The network after so many epochs of Adam with a rate that falls to nothing; `before` may change it
    before the first."""
    torch.manual_seed(seed)
    inputs, labels = batched(drawn_set.pictures), torch.tensor(drawn_set.labels)
    network = SmallNet(inputs.shape[1], classes)
    before(network)
    optimiser = torch.optim.Adam(
        [p for p in network.parameters() if p.requires_grad], lr=3e-3, weight_decay=1e-4
    )
    steps = epochs * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps)
    network.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs)).split(BATCH):
            loss = F.cross_entropy(network(inputs[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types there
            optimiser.step()
            schedule.step()
    return network.eval()


@torch.no_grad()
def answered(network: SmallNet, pictures: Sequence[Pixels]) -> list[int]:
    """The class of the largest logit."""
    return [int(k) for k in network.eval()(batched(pictures)).argmax(1)]
