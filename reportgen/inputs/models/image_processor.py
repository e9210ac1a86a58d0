"""How a folder's preprocessor_config.json prepares images: read through transformers, then compared with
what transformers itself does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reportgen.errors import InputError, RecipeError
from reportgen.findings import Array
from reportgen.inputs.checkpoints.shards import read_json
from reportgen.inputs.images.preprocessing import RESAMPLING, Interpolation, Preprocessing, apply
from reportgen.inputs.models.huggingface import quiet
from reportgen.inputs.models.optional import imported, offline

FILE = "preprocessor_config.json"
SAY = "say in the recipe how images are prepared: model.preprocessing with resize, crop, mean and std"
# of the range that the network's numbers have; resampling in another order differs by less
TOLERANCE = 0.03
UNLIMITED = 10**9


def is_in(folder: Path) -> bool:
    """Whether an image processor was saved there."""
    return (folder / FILE).is_file()


def flips_channels(folder: Path) -> bool:
    """Whether the network takes blue, green, red: as the processor gives them, found by trying."""
    if not is_in(folder):
        return False
    processor = _processor(folder)
    try:
        found = _read(processor, 3)
        return _difference(processor, found, True) <= TOLERANCE < _difference(processor, found, False)
    except (InputError, RecipeError):  # `preprocessing` says so, where the recipe says nothing itself
        return False


def preprocessing(folder: Path, channels: int | None) -> tuple[Preprocessing, list[str]]:
    """The processor's resize, crop and normalisation, and notes.

    Raises InputError for a processor that is code of its own, or that does what no preprocessing here
    can say.
    """
    processor = _processor(folder)
    found = _read(processor, channels or 3)
    off = min(_difference(processor, found, turned) for turned in (False, True))
    if off > TOLERANCE:
        raise InputError(
            f"{folder / FILE}: {_kind(processor)} prepares images in a way that resize, crop and "
            f"normalisation are not (its numbers differ by {100 * off:.0f} % of their range)",
            SAY,
        )
    return found, []


def _read(processor: Any, channels: int) -> Preprocessing:
    resize, crop = _sizes(processor, _kind(processor))
    mean, std = _normalisation(processor, channels)
    return Preprocessing(
        resize=resize,
        crop=crop,
        mean=mean,
        std=std,
        interpolation=_interpolation(processor),
        origin=f"the folder's {_kind(processor)}",
    )


def _kind(processor: Any) -> str:
    return type(processor).__name__.removesuffix("Fast").removesuffix("Pil")


def _processor(folder: Path) -> Any:
    table = read_json(folder / FILE)
    if isinstance(table, dict) and table.get("auto_map"):
        raise InputError(f"{folder / FILE} names code of its own (`auto_map`), which is never run", SAY)
    transformers = imported("transformers", folder)
    try:
        with offline(), quiet():
            return transformers.AutoImageProcessor.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # whatever a configuration can make its code raise
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{folder / FILE} cannot be read: {type(error).__name__}: {words}", SAY) from error


def _sizes(processor: Any, kind: str) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    """(resize, crop) in the words of Preprocessing; each kind of processor has a rule of its own."""
    size, crop = processor.size, getattr(processor, "crop_size", None)
    cropped = (crop.height, crop.width) if processor.do_center_crop and crop else None
    if not processor.do_resize or size is None:
        return None, cropped
    edge, share = size.shortest_edge, getattr(processor, "crop_pct", None)
    whole = (size.height, size.width) if size.height and size.width else None
    if getattr(processor, "resize_short", None):
        return int(processor.resize_short), cropped
    if kind.startswith("ConvNext") and edge:
        return (int(edge / share), (edge, edge)) if edge < 384 else ((edge, edge), cropped)
    if kind.startswith("Levit") and edge:
        return int((256 / 224) * edge), cropped
    if kind.startswith("Perceiver") and whole and cropped:
        return cropped[0], whole  # a part of the shorter side is cut out first, and made that large
    if whole and share and whole[0] != whole[1]:
        return (int(whole[0] / share), int(whole[1] / share)), cropped
    if share and (edge or whole):
        return int((edge or size.height) / share), cropped
    if whole:
        return whole, cropped
    longest = size.longest_edge or UNLIMITED
    if edge and longest >= 4 * edge:
        return edge, cropped
    raise InputError(f"{kind} resizes to {dict(size)}, which does not fix one size of input", SAY)


def _normalisation(processor: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels in [0, 1] by which (pixel - mean) / std is what the processor gives."""
    scale = 255 * (processor.rescale_factor if processor.do_rescale else 1)
    offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
    mean, std = (0.0,) * channels, (1.0,) * channels
    if processor.do_normalize:
        mean = _per_channel(processor.image_mean, channels)
        std = _per_channel(processor.image_std, channels)
    again = std if getattr(processor, "include_top", False) else (1.0,) * channels
    return (
        tuple((m + offset) / scale for m in mean),
        tuple(s * more / scale for s, more in zip(std, again, strict=True)),
    )


def _per_channel(values: Any, channels: int) -> tuple[float, ...]:
    several = tuple(float(v) for v in ([values] if isinstance(values, int | float) else values))
    same = len(set(several)) == 1
    return several[:1] * channels if same and len(several) != channels else several


def _interpolation(processor: Any) -> Interpolation:
    number = processor.resample
    if number is None or not processor.do_resize:
        return "bilinear"
    code = getattr(number, "value", number)
    known = {int(r): name for name, r in RESAMPLING.items()}
    named = known.get(code) if isinstance(code, int) else next((n for n in RESAMPLING if n == code), None)
    if named is None:
        raise InputError(f"{_kind(processor)} resamples with {number}, which is not known here", SAY)
    return named


def _difference(processor: Any, found: Preprocessing, turned: bool) -> float:
    """The largest difference between what a processor gives and this preprocessing, of two smooth images,
    lying and standing: a share of the numbers' range. `turned` is whether it gives blue, green, red."""
    most = 0.0
    for size in ((320, 240), (240, 320)):
        image = _smooth(size, found.channels)
        ours, _seen, _geometry = apply(image, found)
        theirs = _given(processor, image)
        if theirs.shape != ours.shape:
            return math.inf
        spread = float(np.ptp(ours)) or 1.0
        most = max(most, float(np.abs(theirs[::-1] - ours if turned else theirs - ours).max()) / spread)
    return most


def _given(processor: Any, image: Image.Image) -> Array:
    """What a processor makes of an image: (C, H, W)."""
    grey = image.mode == "L"
    pixels: Any = np.asarray(image)[None] if grey else image
    order = {"input_data_format": "channels_first"} if grey else {}
    try:
        with quiet():
            given = processor(pixels, return_tensors="np", **order)["pixel_values"][0]
    except Exception as error:  # a processor's own demands
        words = " ".join(str(error).split())[:200]
        raise InputError(f"{type(processor).__name__} takes no plain image: {words}", SAY) from error
    return np.asarray(given, np.float64)


def _smooth(size: tuple[int, int], channels: int) -> Image.Image:
    """A picture that no step of a pixel changes much, whose channels differ."""
    x, y = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    planes = [x, y, (1 - x) * (1 - y)][:channels]
    values = (np.stack(planes, -1) * 255).round().astype(np.uint8)
    return Image.fromarray(values[..., 0] if channels == 1 else values)
