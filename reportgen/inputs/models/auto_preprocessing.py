"""`preprocessing: auto`: what the model's source knows, or a stated assumption."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import nn

from reportgen.errors import RecipeError, did_you_mean, nearest
from reportgen.inputs.images.preprocessing import RESAMPLING, Preprocessing

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

    from reportgen.recipe import Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def for_model(
    recipe: Recipe, source: str, network: nn.Module, official: WeightsEnum | None = None
) -> tuple[Preprocessing, list[str]]:
    """The recipe's preprocessing, or for `auto` the source's own, or an assumption; and notes.

    `official` is the torchvision entry that the checkpoint is, where its hash says so.
    Raises RecipeError where the channels are not those of the network's first layer.
    """
    given = recipe.model.preprocessing
    channels = first_channels(network)
    notes: list[str] = []
    if given != "auto":
        found = _from_recipe(given, channels or max(len(given.mean), len(given.std)))
    elif source.startswith("torchvision:") and channels in (3, None):
        found, notes = _torchvision(source, official)
    elif (cfg := _timm_cfg(network)) and len(cfg["mean"]) == (channels or 3):
        found = _timm(cfg)
    else:
        found, notes = _assumed(channels or 3)
    taken = {m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)}
    if channels not in (None, found.channels) and (given == "auto" or found.channels not in taken):
        raise RecipeError(
            f"model.preprocessing has {found.channels} channels, the model's first layer takes {channels}",
            f"give mean and std {channels} values, one a channel (or one for all)",
        )
    return found, notes


def for_program(
    recipe: Recipe, network: nn.Module, shape: tuple[int, int, int] | None
) -> tuple[Preprocessing, list[str]]:
    """The recipe's preprocessing of a network that is a file of its own, or for `auto` an assumption with
    the size of the images that the file was made for, `shape` (channels, height, width); and notes.

    Raises RecipeError where the channels are not the file's.
    """
    if shape is None or recipe.model.preprocessing != "auto":
        return for_model(recipe, "", network)
    channels, height, width = shape
    if channels not in (1, 3):
        raise RecipeError(
            f"model.preprocessing is auto, and the file takes images of {channels} channels",
            f"give mean and std {channels} values, one a channel (or one for all), and resize: "
            f"[{height}, {width}]",
        )
    found, _ = _assumed(channels)
    if (height, width) != found.crop:
        resize = height if height == width else (height, width)
        kind = "mean and std 0.5" if channels == 1 else "ImageNet's mean and std"
        found = replace(found, resize=resize, crop=(height, width), origin=f"assumed: {kind}")
    said = found.origin.removeprefix("assumed: ").removeprefix("28 px, ")
    note = (
        f"Images are {height}×{width}, as the file says; the rest of the preprocessing is an assumption "
        f"({said}). Set model.preprocessing."
    )
    return found, [note]


def first_channels(network: nn.Module) -> int | None:
    """The input channels of the first convolution, or None where there is none to ask.

    Modules stand in the order of their definition, where a head may come before the stem: so the
    first convolution that could take an image is meant, if there is one.
    """
    found = [m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    return next((channels for channels in found if channels in (1, 3)), next(iter(found), None))


def official_weights(source: str, sha256: str) -> WeightsEnum | None:
    """torchvision's own weights of this model that the file is: their URLs carry its hash."""
    where, _, name = source.partition(":")
    if where != "torchvision":
        return None
    for weights in _known_weights(name):
        if f"-{sha256[:8]}." in weights.url:
            return weights
    return None


def _known_weights(name: str) -> list[WeightsEnum]:
    from torchvision import models

    try:
        return list(models.get_model_weights(name.lower()))
    except ValueError:  # a name that torchvision does not know: `build` says so
        return []


def _from_recipe(given: Any, channels: int) -> Preprocessing:
    """The recipe's own values. One mean or deviation is meant for every channel."""
    mean, std = (tuple(v) * channels if len(v) == 1 else tuple(v) for v in (given.mean, given.std))
    return Preprocessing(
        resize=_size(given.resize),
        crop=_square(given.crop),
        mean=mean,
        std=std,
        interpolation=given.interpolation,
        origin="recipe",
        **_bands(given, channels),
    )


def _bands(given: Any, channels: int) -> dict[str, Any]:
    """What the recipe says of the range and of bands. Raises RecipeError for a band that is not there."""
    bands = tuple(getattr(given, "bands", None) or ())
    show = []
    for wanted in getattr(given, "show", None) or ():
        if isinstance(wanted, int):
            show.append(wanted)
        elif wanted in bands:
            show.append(bands.index(wanted))
        else:
            raise RecipeError(
                f"model.preprocessing.show: no band is '{wanted}'{did_you_mean(nearest(wanted, bands))}",
                "name bands of model.preprocessing.bands, or give their numbers from 0 on",
            )
    return {"range": getattr(given, "range", None), "bands": bands, "show": tuple(show)}


def _size(value: Any) -> int | tuple[int, int] | None:
    return value if value is None or isinstance(value, int) else (int(value[0]), int(value[1]))


def _square(value: Any) -> tuple[int, int] | None:
    size = _size(value)
    return (size, size) if isinstance(size, int) else size


def _torchvision(source: str, official: WeightsEnum | None) -> tuple[Preprocessing, list[str]]:
    known = _known_weights(source.partition(":")[2])
    if not known:
        return _assumed(3)
    weights = official or type(known[0]).DEFAULT
    preset: Any = weights.transforms()
    found = Preprocessing(
        resize=preset.resize_size[0],
        crop=_square(preset.crop_size[0]),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
        origin=f"torchvision {weights}",
    )
    notes = [
        f"Preprocessing is that of {weights}, torchvision's default for this model; the "
        "checkpoint itself does not say how its images were prepared."
    ]
    return found, [] if official else notes


def _timm_cfg(network: nn.Module) -> Mapping[str, Any] | None:
    """The configuration that a timm network carries, if it says what is needed."""
    cfg = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None)
    if cfg is not None and not isinstance(cfg, Mapping):
        cfg = getattr(cfg, "__dict__", None)
    whole = isinstance(cfg, Mapping) and all(cfg.get(k) for k in ("input_size", "mean", "std"))
    return cfg if whole else None


def _timm(cfg: Mapping[str, Any]) -> Preprocessing:
    """timm's evaluation transform: the shorter side is crop / crop_pct, rounded down."""
    _, height, width = cfg["input_size"]
    share = cfg.get("crop_pct") or 0.875
    sides = math.floor(height / share), math.floor(width / share)
    named = str(cfg.get("interpolation"))  # "random" is for training
    squash = cfg.get("crop_mode") == "squash" or height != width
    return Preprocessing(
        resize=sides if squash else sides[0],
        crop=(height, width),
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
        interpolation=next((known for known in RESAMPLING if known == named), "bicubic"),
        origin="timm's configuration of the model",
    )


def _assumed(channels: int) -> tuple[Preprocessing, list[str]]:
    if channels == 1:
        grey = "assumed: 28 px, mean and std 0.5"
        found = Preprocessing(28, (28, 28), (0.5,), (0.5,), origin=grey)
    else:
        found = Preprocessing(256, (224, 224), IMAGENET_MEAN, IMAGENET_STD, origin="assumed: ImageNet's")
    note = (
        f"Preprocessing is an assumption ({found.origin.removeprefix('assumed: ')}): the model's "
        "source does not say how its images were prepared. Set model.preprocessing."
    )
    return found, [note]
