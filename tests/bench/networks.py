"""The networks that are measured, with seeded random weights, and photographs for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from oracles import Crossing
from PIL import Image
from torch import Tensor, nn

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Known:
    """A network by name. `source` is how a recipe names it."""

    name: str
    source: str
    side_px: int = 224

    def make(self) -> nn.Module:
        """The network with its random weights, its batch norms with the statistics of photographs: no map of
        it dies out or explodes."""
        torch.manual_seed(0)
        network = self._built()
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None  # the mean over all batches: of one, that one's
        if norms:
            with torch.no_grad():
                network.train()(photographs(8, self.side_px))
        return network.eval().requires_grad_(False)

    def _built(self) -> nn.Module:
        package, _, name = self.source.partition(":")
        if package == "torchvision":
            return torchvision.models.get_model(name, weights=None)
        if package == "timm":
            import timm

            return timm.create_model(name, pretrained=False)
        return Crossing()


KNOWN = {
    known.name: known
    for known in (
        Known("ResNet-50", "torchvision:resnet50"),
        Known("ResNet-18", "torchvision:resnet18"),
        Known("VGG-16", "torchvision:vgg16"),
        Known("VGG-11", "torchvision:vgg11"),
        Known("EfficientNet-Lite0", "timm:tf_efficientnet_lite0"),
        Known("ViT-Tiny", "timm:vit_tiny_patch16_224"),
        Known("tiny", "oracles:Crossing", 32),
        Known("tiny, 224 px", "oracles:Crossing"),
    )
}


def crops(count: int) -> list[Image.Image]:
    """So many different pictures, colour: parts of the demo's photographs, 256 px and more."""
    paths = sorted(path for path in PHOTOS.iterdir() if path.suffix in (".jpg", ".png"))
    whole = [Image.open(path).convert("RGB") for path in paths]
    draw = np.random.default_rng(0)
    found = []
    for number in range(count):
        picture = whole[number % len(whole)]
        side = int(min(picture.size) * draw.uniform(0.6, 1))
        left, top = (int(draw.integers(0, extent - side + 1)) for extent in picture.size)
        found.append(picture.crop((left, top, left + side, top + side)).resize((256, 256)))
    return found


def photographs(count: int, side_px: int) -> Tensor:
    """A batch of photographs (count, 3, side, side) float32, normalised by MEAN and STD."""
    pixels = [np.asarray(crop.resize((side_px, side_px))) for crop in crops(count)]
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    return ((batch - 0.5) / 0.5).contiguous()


def in_double(network: nn.Module) -> nn.Module:
    """A copy of the network in float64, which takes float32 too."""
    copied = copy.deepcopy(network).double()
    kind = type(copied)
    forward: Callable[..., Tensor] = kind.forward
    doubled = type("Doubled", (kind,), {"forward": lambda self, x: forward(self, x.double())})
    copied.__class__ = doubled
    return copied
