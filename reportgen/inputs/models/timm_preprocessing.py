"""How timm's evaluation transform prepares images, from the configuration that its networks carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from reportgen.inputs.images.preprocessing import RESAMPLING, Preprocessing

ORIGIN = "timm's configuration of the model"


def configuration(network: nn.Module) -> Mapping[str, Any] | None:
    """The configuration that a timm network carries, if it says what is needed."""
    cfg = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
    if cfg is not None and not isinstance(cfg, Mapping):
        cfg = getattr(cfg, "__dict__", None)
    whole = isinstance(cfg, Mapping) and all(cfg.get(k) for k in ("input_size", "mean", "std"))
    return cfg if whole else None


def preprocessing(
    cfg: Mapping[str, Any], channels: int | None, size: tuple[int, int] | None
) -> tuple[Preprocessing, list[str]]:
    """timm's evaluation transform: the shorter side is crop / crop_pct, rounded down; and notes.

    `size` is the (height, width) that the network was made for where that is not the configuration's.
    For other than its channels, timm takes the average of its means and deviations.
    """
    height, width = size or tuple(cfg["input_size"])[-2:]
    share = cfg.get("crop_pct") or 0.875
    sides = math.floor(height / share), math.floor(width / share)
    named = str(cfg.get("interpolation"))  # "random" is for training
    mode = cfg.get("crop_mode") or "center"
    count = channels or len(cfg["mean"])
    found = Preprocessing(
        resize=sides if mode != "center" or height != width else sides[0],
        crop=(height, width),
        mean=_per_channel(cfg["mean"], count),
        std=_per_channel(cfg["std"], count),
        interpolation=next((known for known in RESAMPLING if known == named), "bicubic"),
        origin=ORIGIN,
    )
    notes = []
    if len(cfg["mean"]) not in (1, count):
        notes.append(
            f"timm's configuration has means and deviations of {len(cfg['mean'])} channels, the model takes "
            f"{count}: each has their average, {found.mean[0]:.3g} and {found.std[0]:.3g}."
        )
    if mode == "border" or (mode == "center" and height != width):
        notes.append(
            f"timm's configuration keeps the proportions of an image in another way (crop mode {mode}, "
            f"{height}×{width} px): here images are scaled to that shape."
        )
    return found, notes


def _per_channel(values: Sequence[float], count: int) -> tuple[float, ...]:
    if len(values) == count:
        return tuple(float(value) for value in values)
    return (sum(values) / len(values),) * count
