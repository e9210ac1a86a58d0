"""The height and width that a network was made for, where its arguments or the network itself say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

# what builders call the size of their input: timm, torchvision and transformers, keras' ports
ARGUMENTS = ("img_size", "image_size", "input_size")


def known_size(network: nn.Module, arguments: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width) in pixels; the arguments speak before the network's own parts. None where neither
    says anything."""
    given = [arguments.get(key) for key in ARGUMENTS]
    holders = (network, getattr(network, "patch_embed", None), getattr(network, "config", None))
    held = [getattr(holder, key, None) for holder in holders for key in ARGUMENTS[:2]]
    return next((size for value in (*given, *held) if (size := _size(value))), None)


def _size(value: Any) -> tuple[int, int] | None:
    """A side, (height, width) or (channels, height, width) as (height, width)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return (value, value)
    if isinstance(value, list | tuple) and len(value) in (2, 3):
        sides = tuple(value[-2:])
        if all(isinstance(side, int) and side > 0 for side in sides):
            return (sides[0], sides[1])
    return None
