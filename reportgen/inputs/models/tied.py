"""Weights that a network has under several names, as a decoder has its encoder's, or a layer that is used
twice: one tensor, of which a file may hold one copy only, as `safetensors.torch.save_model` writes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from reportgen.errors import InputError
from reportgen.inputs.checkpoints.keys import few


def names_of_one(network: nn.Module) -> list[tuple[str, ...]]:
    """The names in the state of what is one and the same tensor, for those that have several."""
    by_tensor: dict[int, list[str]] = defaultdict(list)
    for name, value in network.state_dict(keep_vars=True).items():
        by_tensor[id(value)].append(name)
    return [tuple(names) for names in by_tensor.values() if len(names) > 1]


def completed(
    network: nn.Module, state: dict[str, Tensor], own: Mapping[str, Tensor], name: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state with what is there under one of a tensor's names under its others, and a note of these.

    Raises InputError where a tensor of the network has different values under its names: one of them would be
    lost without a word.
    """
    absent: dict[str, Tensor] = {}
    for names in names_of_one(network):
        given = [key for key in names if key in state]
        for key in given[1:]:
            if not _equal(state[given[0]], state[key]):
                raise InputError(
                    f"{given[0]} and {key} are one tensor in the model and two different ones in {name}",
                    "make the model as it was trained: without tying these weights",
                )
        absent |= {key: state[given[0]] for key in names if given and key not in state}
    note = f"{few(list(absent))}: the checkpoint has what the model ties to it under another name."
    whole = {**state, **absent}
    if absent:  # in the network's order, as its own state has it
        whole = {key: whole[key] for key in (*own, *whole) if key in whole}
    return whole, [note] if absent else []


def _equal(a: Tensor, b: Tensor) -> bool:
    if a is b or a.is_meta or b.is_meta:
        return True
    same = a.shape == b.shape and a.dtype == b.dtype
    return same and bool(torch.equal(torch.nan_to_num(a), torch.nan_to_num(b)))
