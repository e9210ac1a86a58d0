"""The other ways to preprocess that are tried: each with the words and the keys of the recipe that say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reportgen.checks.case import View
from reportgen.engine.needs import ModelFacts

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGENET_GREY = (0.449,), (0.226,)  # the means of these
BYTE = 1 / 255  # as deviation it makes pixels from 0 to 255
KEY = "model.preprocessing"


@dataclass(frozen=True)
class Alternative:
    """A view with words that follow an accuracy, the keys of the recipe that it would be, and what to do.

    `radical` ones change a picture so much that a network which reads one reads the other only by chance.
    """

    view: View
    words: str
    remedy: str
    keys: tuple[str, ...] = (KEY,)
    radical: bool = False
    scaling: bool = False  # the numbers change, and with them the confidence


def alternatives(model: ModelFacts) -> tuple[Alternative, ...]:
    """All that are tried for a model's input."""
    channels, height, width = model.input_shape
    return (
        *_scales(channels),
        *_colours(channels),
        *_turns(square=height == width),
        *_fits(height, width),
        *_interpolations(),
    )


def _scales(channels: int) -> list[Alternative]:
    mean, std = IMAGENET if channels == 3 else IMAGENET_GREY
    found = [
        _scale("unscaled", (0.0,), (1.0,), "mean 0 and std 1 (pixels from 0 to 1)"),
        _scale("half", (0.5,), (0.5,), "mean 0.5 and std 0.5"),
        _scale("half and quarter", (0.5,), (0.25,), "mean 0.5 and std 0.25"),
        _scale("bytes", (0.0,), (BYTE,), "pixels from 0 to 255"),
    ]
    if channels in (1, 3):
        found.append(_scale("ImageNet", mean, std, "ImageNet's mean and std"))
    view = View("the images' own", mean="images", std="images")
    words = "the images' own mean and std"
    remedy = f"Set {KEY}.mean and {KEY}.std to those of the training's images."
    found.append(Alternative(view, words, remedy, (f"{KEY}.mean", f"{KEY}.std"), scaling=True))
    if channels == 3:
        view = View("bytes, BGR, less ImageNet's mean", mean=mean[::-1], std=(BYTE,), reversed=True)
        words = "pixels from 0 to 255, in the order blue, green, red, less ImageNet's mean"
        remedy = f"Set {KEY}.mean: {_list(mean[::-1])} and {KEY}.std: {_list((BYTE,) * 3)}, and turn the"
        remedy += " order of the channels round in the model's source: x.flip(1)."
        keys = f"{KEY}.mean", f"{KEY}.std", "model.source"
        found.append(Alternative(view, words, remedy, keys, scaling=True))
    return found


def _scale(name: str, mean: tuple[float, ...], std: tuple[float, ...], words: str) -> Alternative:
    remedy = f"Set {KEY}.mean: {_list(mean)} and {KEY}.std: {_list(std)}."
    keys = f"{KEY}.mean", f"{KEY}.std"
    return Alternative(View(name, mean=mean, std=std), words, remedy, keys, scaling=True)


def _list(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:.6g}' for value in values)}]"


def _colours(channels: int) -> list[Alternative]:
    found = []
    if channels == 3:
        remedy = "Find out which order the training read (OpenCV reads BGR), and give the images so, or turn"
        remedy += " the order round in the model's source: x.flip(1)."
        words = "red and blue exchanged"
        view = View("red and blue exchanged", reversed=True)
        found.append(Alternative(view, words, remedy, ("model.source",), radical=True))
    remedy = "Invert the images (255 less each value), as the training had them, or in the model's source."
    view = View("inverted", inverted=True)
    return [*found, Alternative(view, "inverted grey values", remedy, ("model.source",), radical=True)]


def _turns(square: bool) -> list[Alternative]:
    remedy = "Turn these images, or give their files the EXIF orientation that they lost."
    degrees: tuple[Any, ...] = (90, 180, 270) if square else (180,)
    return [
        Alternative(View(f"turned by {d}°", turned=d), f"a turn by {d}°", remedy, ("images",), radical=True)
        for d in degrees
    ]


def _fits(height: int, width: int) -> list[Alternative]:
    side = height if height == width else [height, width]
    return [
        Alternative(
            View("squashed", fit="squash"),
            f"images squashed to {width}×{height}",
            f"Set {KEY}.resize: [{height}, {width}] and leave {KEY}.crop out.",
            (f"{KEY}.resize", f"{KEY}.crop"),
        ),
        Alternative(
            View("cropped", fit="crop"),
            "the largest centre crop",
            f"Set {KEY}.resize: {min(height, width)} and {KEY}.crop: {side}.",
            (f"{KEY}.resize", f"{KEY}.crop"),
        ),
        Alternative(
            View("padded", fit="pad"),
            "images padded with black to keep their shape",
            "Pad the images to the shape of the model's input before the audit, as the training did.",
            (f"{KEY}.resize", f"{KEY}.crop"),
        ),
    ]


def _interpolations() -> list[Alternative]:
    kinds: tuple[Any, ...] = ("bilinear", "bicubic", "nearest")
    return [
        Alternative(
            View(kind, interpolation=kind),
            f"{kind} interpolation",
            f"Set {KEY}.interpolation: {kind}.",
            (f"{KEY}.interpolation",),
        )
        for kind in kinds
    ]
