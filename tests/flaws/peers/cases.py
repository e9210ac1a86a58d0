"""A planted flaw as a folder: pictures, probabilities, features, network; a peer needs nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from flaws.drawing import Pixels
from flaws.network import SmallNet
from flaws.planting import Planted

PLANTED = "planted.json"  # beside a flaw's pictures: what was planted
TRAINING = "training/"  # before the path of a training picture that stands among audited ones
Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Pictures in order, the class of each, and what the network makes of them."""

    paths: tuple[str, ...]
    pictures: tuple[Pixels, ...]  # as they lie on the disc
    labels: Ints  # (n,), places in the list of classes
    inputs: Floats  # (n, channels, h, w), as the network takes them
    probabilities: Floats  # (n, classes)
    features: Floats  # (n, f), the input of the last layer

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Case:
    """One audit's inputs as a peer gets them; `training` where there is a folder of it."""

    name: str
    folder: Path
    classes: tuple[str, ...]
    network: SmallNet
    audited: Part
    training: Part | None

    def together(self) -> Part:
        """The audited pictures, and after them those of the training, where there are any."""
        if self.training is None:
            return self.audited
        one, two = self.audited, self.training
        return Part(
            one.paths + tuple(f"{TRAINING}{path}" for path in two.paths),
            one.pictures + two.pictures,
            np.concatenate([one.labels, two.labels]),
            np.concatenate([one.inputs, two.inputs]),
            np.concatenate([one.probabilities, two.probabilities]),
            np.concatenate([one.features, two.features]),
        )


def write(planted: Planted, folder: Path) -> None:
    """Writes a planted set as PNGs in a folder a class, what the network says of them, and its weights."""
    about = {"classes": planted.classes, "arguments": dict(planted.arguments), "recipe": dict(planted.recipe)}
    for part, pictures in (("images", planted.pictures), ("training", planted.training)):
        for path, picture in pictures.items():
            file = folder / part / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
        if pictures:
            _answer(planted, pictures, folder / f"{part}.npz")
    torch.save(planted.network.state_dict(), folder / "network.pt")
    (folder / "case.json").write_text(json.dumps(about, indent=1))


def read(folder: Path) -> Case:
    """Reads what `write` wrote."""
    about = json.loads((folder / "case.json").read_text())
    network = SmallNet(**about["arguments"])
    network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
    classes = tuple(about["classes"])
    training = _part(folder, "training", classes) if (folder / "training.npz").exists() else None
    return Case(folder.name, folder, classes, network.eval(), _part(folder, "images", classes), training)


def _part(folder: Path, name: str, classes: tuple[str, ...]) -> Part:
    with np.load(folder / f"{name}.npz") as held:
        paths = tuple(held["paths"].tolist())
        pictures = tuple(np.asarray(Image.open(folder / name / path)) for path in paths)
        labels = np.array([classes.index(path.split("/")[0]) for path in paths])
        return Part(paths, pictures, labels, held["inputs"], held["probabilities"], held["features"])


@torch.no_grad()
def _answer(planted: Planted, pictures: Mapping[str, Pixels], file: Path) -> None:
    inputs = prepared(list(pictures.values()), planted.recipe["preprocessing"])
    features: list[Tensor] = []
    network = planted.network.eval()
    hook = network.fc.register_forward_pre_hook(lambda _, given: features.append(given[0]))
    probabilities = network(inputs).softmax(1)
    hook.remove()
    np.savez(
        file,
        paths=np.array(list(pictures)),
        inputs=inputs.numpy(),
        probabilities=probabilities.numpy(),
        features=features[0].numpy(),
    )


def prepared(pictures: list[Pixels], recipe: Mapping[str, Any]) -> Tensor:
    """(n, channels, h, w): resized and cropped by the recipe as torchvision does, then normalised."""
    wide = [_fitted(Image.fromarray(picture), recipe) for picture in pictures]
    values = torch.from_numpy(np.stack([np.asarray(picture) for picture in wide])).float() / 255
    values = values[:, None] if values.ndim == 3 else values.permute(0, 3, 1, 2)
    mean, std = float(recipe["mean"][0]), float(recipe["std"][0])
    return ((values - mean) / std).contiguous()


def _fitted(picture: Image.Image, recipe: Mapping[str, Any]) -> Image.Image:
    size, (width, height) = recipe["resize"], picture.size
    if isinstance(size, int):  # the shorter side
        scale = size / min(width, height)
        wanted = (round(width * scale), round(height * scale))
    else:
        wanted = (size[1], size[0])
    if picture.size != wanted:
        picture = picture.resize(wanted, Image.Resampling.BILINEAR)
    if "crop" not in recipe:
        return picture
    side = recipe["crop"]
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
