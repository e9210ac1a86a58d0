"""Masks of the images, one a file: which part of each picture its target is, on the model's input."""

from __future__ import annotations

import io
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from reportgen import files
from reportgen.errors import InputError
from reportgen.inputs.images.listing import LARGEST_FILE_BYTES, ImageFile, hashed, printable
from reportgen.inputs.images.preprocessing import Geometry

SUFFIXES = (".png", ".npy")
LARGEST_PX = 2**28


class Unusable(Exception):
    """A mask that cannot be used; the text says why, in one line and without paths."""


@dataclass(frozen=True)
class MaskFolder:
    """The folder of masks that a recipe names by `key`, and the value that is inside: any but 0 where it is
    None. `required` says that no image can be used without its mask."""

    folder: Path
    value: int | None = None
    key: str = "model.target.mask"
    required: bool = True


@dataclass(frozen=True)
class Mask:
    """An image's mask, with the hash of the file that holds it."""

    path: Path
    sha256: str | None
    value: int | None = None
    required: bool = True


def with_masks(files: Sequence[ImageFile], root: Path, masks: MaskFolder) -> list[ImageFile]:
    """The files with their masks; one that has none is rejected where masks are required, and says so.

    A mask is called like its image, in the same subfolder or directly in the masks' folder: a/b.jpg has
    a/b.png, a/b.jpg.png, or b.png, or .npy in place of .png. Raises InputError where the folder cannot be
    used, an image has two masks, or two images have one.
    """
    if not masks.folder.is_dir():
        raise InputError(
            f"{masks.key}: there is no folder {masks.folder}", "name the folder that holds the masks"
        )
    if masks.folder.resolve().is_relative_to(root.resolve()) and any(
        file.path.resolve().is_relative_to(masks.folder.resolve()) for file in files
    ):
        raise InputError(
            f"{masks.key}: the masks of {masks.folder} are in the image set themselves",
            "keep masks and images in folders of their own",
        )
    by_key = _by_key(masks.folder)
    names = Counter(key for file in files for key in {file.path.stem, file.path.name})
    return [_with_mask(file, root, masks, by_key, names) for file in files]


def _by_key(folder: Path) -> dict[str, list[Path]]:
    """The mask files by their paths in the folder without the suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for above, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(above) / name
            if path.suffix.lower() in SUFFIXES:
                found[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return found


def _with_mask(
    file: ImageFile, root: Path, masks: MaskFolder, by_key: dict[str, list[Path]], names: Counter[str]
) -> ImageFile:
    if file.reason:
        return file
    place = Path(os.path.relpath(os.path.abspath(file.path), os.path.abspath(root)))
    keys = dict.fromkeys(
        (place.with_suffix("").as_posix(), place.as_posix(), file.path.stem, file.path.name)
    )
    for key in keys:
        candidates = by_key.get(key, ())
        if not candidates:
            continue
        if len(candidates) > 1:
            two = " and ".join(printable(path.name) for path in candidates[:2])
            raise InputError(
                f"{masks.key}: {file.shown} has two masks, {two}", "keep the one that is meant"
            )
        if names[key] > 1 and "/" not in key and key in (file.path.stem, file.path.name):
            raise InputError(
                f"{masks.key}: {printable(candidates[0].name)} could be the mask of {names[key]} images"
                f" of this name, such as {file.shown}",
                "put the masks into subfolders like those of the images",
            )
        known = hashed(ImageFile(file.number, candidates[0], file.shown))
        return replace(file, mask=Mask(candidates[0], known.sha256, masks.value, masks.required))
    if not masks.required:
        return file
    return replace(file, reason=f"no mask is called like it ({file.path.stem}.png or .npy)")


def placed(mask: Mask, geometry: Geometry) -> npt.NDArray[np.bool_]:
    """A mask on the model's input, bool (H, W): resized to the nearest value and cropped as its image was.

    Raises Unusable.
    """
    inside = _inside(mask)
    if inside.shape[::-1] != geometry.original_px:
        (height, width), original = inside.shape, geometry.original_px
        raise Unusable(
            f"its mask is {width} × {height} px, the upright picture {original[0]} × {original[1]} px"
        )
    if not inside.any():
        which = "no place that is not 0" if mask.value is None else f"no place of value {mask.value}"
        raise Unusable(f"its mask has {which}")
    picture = Image.fromarray(inside.astype(np.uint8) * np.uint8(255))
    resized = picture.resize(geometry.resized_px, Image.Resampling.NEAREST).crop(geometry.crop_px)
    seen = np.asarray(resized) > 0
    if not seen.any():
        raise Unusable("its mask is empty after resize and crop: nothing of it is in the model's view")
    return seen


def _inside(mask: Mask) -> npt.NDArray[np.bool_]:
    """Where the file's value is inside, bool (H, W). Raises Unusable."""
    try:
        data = files.read(mask.path, LARGEST_FILE_BYTES)
        values = _array(data) if mask.path.suffix.lower() == ".npy" else _picture(data)
    except Unusable:
        raise
    except Exception as error:  # decoders of damaged files raise whatever comes
        raise Unusable("its mask cannot be read") from error
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.reshape([side for side in values.shape if side != 1] or [1, 1])
    if values.ndim == 3 and values.shape[2] == 3:  # one value an image part, written as grey or as a colour
        if mask.value is not None and not (values == values[..., :1]).all():
            raise Unusable(f"its mask has colours, of which none is the value {mask.value}")
        values = values.max(2)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise Unusable(f"its mask is no array (height, width) but {values.shape} of {values.dtype}")
    if not np.isfinite(values).all():
        raise Unusable("its mask has values that are no finite numbers")
    inside: npt.NDArray[np.bool_] = values != 0 if mask.value is None else values == mask.value
    return inside


def _array(data: bytes) -> npt.NDArray[np.generic]:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _picture(data: bytes) -> npt.NDArray[np.generic]:
    """The values of a PNG: the numbers of a palette's colours, and not what these look like."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        if image.width * image.height > LARGEST_PX:
            raise Unusable("its mask is too large")
        if image.mode == "LA":
            return np.asarray(image.getchannel("L"))
        return np.asarray(image.convert("RGB") if image.mode == "RGBA" else image)
