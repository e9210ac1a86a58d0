"""Targets: which classes an image is explained for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import assert_never

TOP = re.compile(r"top-([0-9]{1,9})")


@dataclass(frozen=True)
class Slot:
    """One explained class an image: the k-th most probable, the label, or a fixed class."""

    kind: Literal["predicted", "label", "named"]
    number: int = 1  # the rank for `predicted` (1 is the top), the class index for `named`

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The class of each image, (N,) int64, given (N, C) logits and (N,) labels (-1: none).

        An image without a label is explained for its predicted class instead.
        """
        if self.kind == "named":
            return torch.full_like(labels, self.number)
        if self.kind == "label":
            return torch.where(labels >= 0, labels, logits.argmax(1))
        if self.kind == "predicted":
            return logits.topk(self.number, dim=1).indices[:, -1]
        assert_never(self.kind)


@dataclass(frozen=True, eq=False)
class OfClasses(Slot):
    """Classes that are known beforehand, one an image of the batch, (N,) int64."""

    kind: Literal["predicted", "label", "named"] = "named"
    classes: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))

    def __eq__(self, other: object) -> bool:
        return self is other  # several of them stand in one pass, each with its own classes

    __hash__ = object.__hash__

    def of(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.classes.to(labels)


def slots(
    wishes: Sequence[str | int],
    class_count: int,
    index_of: Callable[[str | int], int],
    rivals: bool = True,
) -> tuple[Slot, ...]:
    """The slots for a recipe's `targets`: predicted, label, top-k, class names or indices.

    `index_of` knows the classes by name; what it raises for an unknown one is passed on. A top-k
    with more ranks than there are classes is all of them. Values are no rivals: of those `predicted` and
    `label` are the first, and top-k the first k.
    """
    chosen: list[Slot] = []
    for wish in wishes:
        text = str(wish)
        if not rivals and text in ("predicted", "label"):
            chosen.append(Slot("named", 0))
        elif not rivals and (top := TOP.fullmatch(text)):
            chosen += [Slot("named", k) for k in range(min(int(top[1]), class_count))]
        elif text == "predicted":
            chosen.append(Slot("predicted"))
        elif text == "label":
            chosen.append(Slot("label"))
        elif top := TOP.fullmatch(text):
            chosen += [Slot("predicted", k + 1) for k in range(min(int(top[1]), class_count))]
        else:
            chosen.append(Slot("named", index_of(wish)))
    return tuple(dict.fromkeys(chosen))
