"""`preprocessing: auto`: what the model's source knows, or a stated assumption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from reportgen.errors import RecipeError, did_you_mean, nearest
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.inputs.models import image_processor, timm_preprocessing
from reportgen.inputs.models.huggingface import network_of
from reportgen.inputs.models.input_size import known_size
from reportgen.inputs.models.saved_folders import folder_of

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

    from reportgen.recipe import Recipe

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DETECTED_PX = 320  # what torchvision's small detectors take


def for_model(
    recipe: Recipe,
    source: str,
    network: nn.Module,
    official: WeightsEnum | None = None,
    *,
    arguments: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
) -> tuple[Preprocessing, list[str]]:
    """The recipe's preprocessing, or for `auto` the source's own, or an assumption; and notes.

    `official` is the torchvision entry that the checkpoint is, where its hash says so; `arguments` are
    those that the network was made with, and beside `checkpoint` lies what transformers saved.
    Raises RecipeError where the channels are not those of the network's first layer.
    """
    given = recipe.model.preprocessing
    channels = first_channels(network)
    notes: list[str] = []
    if given != "auto":
        found = _from_recipe(given, channels or max(len(given.mean), len(given.std)))
    else:
        size = known_size(network, arguments or {})
        found, notes = _of_the_source(source, network, official, channels, size, checkpoint)
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
    found, _ = _assumed(channels, None)
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


def _of_the_source(
    source: str,
    network: nn.Module,
    official: WeightsEnum | None,
    channels: int | None,
    size: tuple[int, int] | None,
    checkpoint: Path | None,
) -> tuple[Preprocessing, list[str]]:
    """What the model's source says of how its images are prepared, or an assumption; and notes. `size` is
    the (height, width) that the network was made for, where that is known."""
    if source.startswith("torchvision:") and channels in (3, None):
        return _torchvision(source, official, size)
    if cfg := timm_preprocessing.configuration(network):
        return timm_preprocessing.preprocessing(cfg, channels, size)
    if network_of(network) is not None and checkpoint is not None:
        folder = folder_of(checkpoint)
        if image_processor.is_in(folder):
            return image_processor.preprocessing(folder, channels)
    return _assumed(channels or 3, size)


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


def _torchvision(
    source: str, official: WeightsEnum | None, size: tuple[int, int] | None
) -> tuple[Preprocessing, list[str]]:
    known = _known_weights(source.partition(":")[2])
    if not known:
        return _assumed(3, size)
    weights = official or type(known[0]).DEFAULT
    preset: Any = weights.transforms()
    if not hasattr(preset, "crop_size"):
        return _of_dense(preset, f"torchvision {weights}")
    side, crop = preset.resize_size[0], preset.crop_size[0]
    if size and size != (crop, crop):  # as large beside its crop as the preset's
        side = round(side * min(size) / crop)
    found = Preprocessing(
        resize=side,
        crop=size or (crop, crop),
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


def _of_dense(preset: Any, origin: str) -> tuple[Preprocessing, list[str]]:
    """Of torchvision's segmentation networks the preset's side, as a square; its detectors resize and
    normalise by themselves, and take pixels in [0, 1]."""
    if hasattr(preset, "mean"):
        side = preset.resize_size[0]
        mean, std = tuple(preset.mean), tuple(preset.std)
        found = Preprocessing(side, (side, side), mean, std, preset.interpolation.value, origin=origin)
        said = f"Preprocessing is that of {origin}, with a centre crop of {side} px: all inputs are as large."
        return found, [said]
    found = Preprocessing((DETECTED_PX, DETECTED_PX), None, (0.0,) * 3, (1.0,) * 3, origin=origin)
    side = f"{DETECTED_PX} × {DETECTED_PX} px"
    return found, [f"Images are resized to {side}, an assumption; the network normalises them itself."]


def _assumed(channels: int, size: tuple[int, int] | None) -> tuple[Preprocessing, list[str]]:
    if channels == 1:
        crop = size or (28, 28)
        grey = f"assumed: {min(crop)} px, mean and std 0.5"
        found = Preprocessing(min(crop), crop, (0.5,), (0.5,), origin=grey)
    else:
        crop = size or (224, 224)
        side = round(min(crop) * 256 / 224)
        found = Preprocessing(side, crop, IMAGENET_MEAN, IMAGENET_STD, origin="assumed: ImageNet's")
    words = found.origin.removeprefix("assumed: ")
    if size and channels != 1:
        words += f", at the model's {size[0]}×{size[1]} px"
    note = (
        f"Preprocessing is an assumption ({words}): the model's "
        "source does not say how its images were prepared. Set model.preprocessing."
    )
    return found, [note]
