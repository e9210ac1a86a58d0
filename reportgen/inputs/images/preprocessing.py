"""From a photograph to the model's input: resize, crop, normalise, and where the pixels lie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from reportgen.engine.needs import Normalisation
from reportgen.errors import RecipeError

Interpolation: TypeAlias = Literal["bilinear", "bicubic", "nearest", "lanczos"]
RESAMPLING: dict[Interpolation, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
}


LARGEST_PX = 89_478_485  # Pillow's own limit: where it warns of a decompression bomb
MOST_CHANNELS = 16


@dataclass(frozen=True)
class Preprocessing:
    """Resize, centre crop, scale to [0, 1], normalise: torchvision's presets on a PIL image.

    `resize` is the shorter side in pixels, or (height, width), or None; `crop` is (height, width)
    or None. `mean` and `std` have one value a channel. `origin` says in words who decided.
    Raises RecipeError where the values do not fix one size of input, or contradict each other.
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Interpolation = "bilinear"
    origin: str = "recipe"
    # what is black and what is white in the file's own numbers; None: the range of its kind of numbers
    range: tuple[float, float] | None = None
    bands: tuple[str, ...] = ()  # names, one a channel
    show: tuple[int, ...] = ()  # the one or three channels that are shown as a picture
    largest_px: int = LARGEST_PX

    def __post_init__(self) -> None:
        if self.crop is None and not isinstance(self.resize, tuple):
            raise RecipeError(
                "model.preprocessing does not fix the size of the model's input",
                "set model.preprocessing.crop to the side that the model takes, in pixels",
            )
        if not 1 <= self.channels <= MOST_CHANNELS or len(self.std) != self.channels:
            raise RecipeError(
                f"model.preprocessing has {self.channels} means and {len(self.std)} deviations",
                f"give mean and std one value for each channel of the model's input, 1 to {MOST_CHANNELS}",
            )
        if self.bands and len(self.bands) != self.channels:
            raise RecipeError(
                f"model.preprocessing names {len(self.bands)} bands, the model's input has {self.channels}",
                "give model.preprocessing.bands one name for each channel",
            )
        if len(self.shown) not in (1, 3) or not all(0 <= n < self.channels for n in self.shown):
            raise RecipeError(
                f"model.preprocessing.show {list(self.shown)} is not one or three of {self.channels}",
                "give the names of one or three bands, or their numbers from 0 on",
            )
        sides = [side for size in (self.resize, self.crop) for side in _as_tuple(size)]
        if not all(np.isfinite(self.mean)) or not all(0 < s < np.inf for s in self.std):
            raise RecipeError(
                f"model.preprocessing: mean {self.mean} and std {self.std} cannot normalise",
                "give finite means and deviations above zero",
            )
        if min(sides) < 1 or self.interpolation not in RESAMPLING:
            raise RecipeError(
                f"model.preprocessing: sides {sides} or interpolation {self.interpolation!r}",
                f"give sides of at least 1 pixel and one of {', '.join(RESAMPLING)}",
            )

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB, more for other bands."""
        return len(self.mean)

    @property
    def shown(self) -> tuple[int, ...]:
        """The channels that are shown as a picture: the first three, or the first, where nothing is said."""
        return self.show or ((0, 1, 2) if self.channels >= 3 else (0,))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the model's input."""
        size = self.crop or self.resize
        assert isinstance(size, tuple)  # __post_init__ saw to it
        return (self.channels, *size)

    @property
    def normalisation(self) -> Normalisation:
        """The part of it that turns pixels in [0, 1] into the network's numbers."""
        return Normalisation(self.mean, self.std)

    def as_json(self) -> dict[str, Any]:
        """Its fields as JSON values: tuples are lists."""
        unsaid = {"range": None, "bands": (), "show": (), "largest_px": LARGEST_PX}
        fields = {k: v for k, v in asdict(self).items() if k not in unsaid or v != unsaid[k]}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items()}

    def resized_px(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after the resize; the longer side is cut to whole pixels."""
        if self.resize is None:
            return width, height
        if isinstance(self.resize, tuple):
            return self.resize[1], self.resize[0]
        if width <= height:
            return self.resize, int(self.resize * height / width)
        return int(self.resize * width / height), self.resize


@dataclass(frozen=True)
class Geometry:
    """Where the model's input lies on the photograph. Sizes are (width, height) in pixels.

    `crop_px` is (left, top, right, bottom) in pixels of the resized image; it reaches beyond the
    image where the crop is larger, and black was put there.
    """

    original_px: tuple[int, int]
    resized_px: tuple[int, int]
    crop_px: tuple[int, int, int, int]

    @property
    def crop_original_px(self) -> tuple[float, float, float, float]:
        """The crop (left, top, right, bottom) in pixels of the original image."""
        x = self.original_px[0] / self.resized_px[0]
        y = self.original_px[1] / self.resized_px[1]
        left, top, right, bottom = self.crop_px
        return left * x, top * y, right * x, bottom * y

    def on_input(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box (left, top, right, bottom) of the original image in pixels of the model's input, beyond
        which it may reach."""
        x = self.resized_px[0] / self.original_px[0]
        y = self.resized_px[1] / self.original_px[1]
        left, top = self.crop_px[:2]
        return box[0] * x - left, box[1] * y - top, box[2] * x - left, box[3] * y - top

    def as_json(self) -> dict[str, list[float]]:
        """All four as lists."""
        fields = {**asdict(self), "crop_original_px": self.crop_original_px}
        return {name: list(value) for name, value in fields.items()}


def apply(
    image: Image.Image, p: Preprocessing
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], Geometry]:
    """The network's input (C, H, W) float32, what the model saw (H, W, C) uint8, and where it lies.

    Equal, to the bit, to torchvision's Resize, CenterCrop, ToTensor, Normalize on a PIL image.
    """
    picture = image.convert("L" if p.channels == 1 else "RGB")
    resized = p.resized_px(*picture.size)
    if resized != picture.size:
        picture = picture.resize(resized, RESAMPLING[p.interpolation])
    box = centre(resized, p.crop)
    if box != (0, 0, *resized):
        picture = picture.crop(box)  # PIL puts black outside of the image
    seen = np.array(picture, dtype=np.uint8).reshape(picture.height, picture.width, p.channels)
    mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (p.mean, p.std))
    pixels = (seen.transpose(2, 0, 1).astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(pixels), seen, Geometry(image.size, resized, box)


def centre(size: tuple[int, int], crop: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """The centred box (l, t, r, b) of crop (h, w) on size (w, h), rounded as torchvision does."""
    if crop is None:
        return (0, 0, *size)
    start = []
    for side, wanted in zip(size, reversed(crop), strict=True):
        spare = side - wanted
        # torchvision pads first, the smaller half before, and rounds a half to even when it cuts
        start.append(round(spare / 2.0) if spare >= 0 else -(-spare // 2))
    left, top = start
    return left, top, left + crop[1], top + crop[0]


def _as_tuple(value: int | tuple[int, int] | None) -> tuple[int, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)
