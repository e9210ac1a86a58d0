"""Pictures as arrays of numbers: any count of bands, deep data with a stated range, DICOM."""

from __future__ import annotations

import importlib
import importlib.util
import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from reportgen.inputs.images.preprocessing import RESAMPLING, Geometry, Preprocessing, centre

Values = npt.NDArray[np.float32]
NPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
DICOM = b"DICM"  # at byte 128
MOST_BANDS = 16


class Refused(Exception):
    """A picture that cannot be used; the text says why, in one line."""


def is_array(data: bytes, p: Preprocessing) -> bool:
    """Whether a picture is read here, as numbers, and not as a photograph of 8 bit and 1 or 3 bands."""
    return data.startswith(NPY) or data[128:132] == DICOM or p.range is not None or p.channels not in (1, 3)


def read(data: bytes, p: Preprocessing) -> tuple[Values, list[str]]:
    """The picture (H, W, bands) from 0 to 1, with the bands that the model takes; and notes.

    Raises Refused, and whatever decoders raise for damaged files.
    """
    if data.startswith(NPY):
        values, full, notes = _npy(data, p)
    elif data[128:132] == DICOM:
        values, full, notes = _dicom(data, p)
    elif data.startswith(TIFF) and (found := _tiff(data)) is not None:
        values, full, notes = found, p.range or _full(found), []
    else:
        values, full, notes = _picture(data, p)
    if values.shape[0] * values.shape[1] > p.largest_px:
        raise Refused(too_large((values.shape[1], values.shape[0]), p.largest_px))
    values = _banded(values, p)
    low, high = p.range or full
    scaled = (values.astype(np.float32) - np.float32(low)) / np.float32((high - low) or 1)
    if not np.isfinite(scaled).all():
        raise Refused("its values are not finite")
    beyond = int(((scaled < 0) | (scaled > 1)).any(2).sum())
    notes.append(f"values {low:g} to {high:g} scaled to 0 to 1" + (", others cut off" if beyond else ""))
    if beyond:
        notes.append(f"pixels with values beyond that range: {beyond}")
    return np.clip(scaled, 0, 1), notes


def apply(
    values: Values, p: Preprocessing
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], Geometry, Image.Image]:
    """The network's input (C, H, W), what is shown of it (H, W, 1 or 3), where it lies, and the original
    as shown. Bands are resized one by one in float32, not rounded to 8 bit."""
    height, width = values.shape[:2]
    resized = p.resized_px(width, height)
    box = centre(resized, p.crop)
    planes = []
    for band in range(values.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(values[..., band]), mode="F")
        if resized != plane.size:
            plane = plane.resize(resized, RESAMPLING[p.interpolation])
        planes.append(np.asarray(plane.crop(box) if box != (0, 0, *resized) else plane))
    stack = np.clip(np.stack(planes), 0, 1).astype(np.float32)
    mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (p.mean, p.std))
    seen = as_shown(stack.transpose(1, 2, 0), p)
    original = as_shown(values, p)
    photo = Image.fromarray(original[..., 0] if original.shape[2] == 1 else original).convert("RGB")
    pixels = np.ascontiguousarray((stack - mean) / std)
    return pixels, seen, Geometry((width, height), resized, box), photo


def as_shown(values: Values, p: Preprocessing) -> npt.NDArray[np.uint8]:
    """The bands that a reader is shown, uint8 (H, W, 1 or 3)."""
    return np.rint(255 * values[..., list(p.shown)]).astype(np.uint8)


def too_large(size: tuple[int, int] | None, largest_px: int) -> str:
    """Why a picture of (width, height) is left out, and what lets it in."""
    named = f"{size[0]} × {size[1]} px, " if size else ""
    return (
        f"{named}more than {largest_px / 1e6:.0f} million pixels; images.at_most_megapixels in the recipe "
        "raises the limit"
    )


def _npy(data: bytes, p: Preprocessing) -> tuple[npt.NDArray[Any], tuple[float, float], list[str]]:
    """A numpy array (H, W), (H, W, bands) or (bands, H, W). Never one of objects, which would run code."""
    values = np.load(io.BytesIO(data), allow_pickle=False)
    if values.dtype.kind not in "buif" or values.ndim not in (2, 3):
        raise Refused(f"an array of {values.dtype} with {values.ndim} dimensions is no picture")
    if values.ndim == 3:
        first, last = values.shape[0] == p.channels, values.shape[2] == p.channels
        if first and last:
            raise Refused(f"the bands of an array of shape {values.shape} can be its first or its last axis")
        values = values.transpose(1, 2, 0) if first else values
    return values, p.range or _full(values), ["numpy array"]


def _full(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The range of a kind of numbers: all of it for whole numbers without sign, 0 to 1 for fractions."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(values.dtype).max)
    if values.dtype.kind == "b" or (values.size and values.min() >= 0 and values.max() <= 1):
        return 0.0, 1.0
    raise Refused(
        f"values of {values.dtype} from {values.min():g} to {values.max():g} have no range of their own: set "
        "model.preprocessing.range in the recipe to [what is black, what is white]"
    )


def _tiff(data: bytes) -> npt.NDArray[Any] | None:
    """The bands of a TIFF as (H, W, bands), read by tifffile; None where that is not installed."""
    try:
        tifffile = importlib.import_module("tifffile")
    except ImportError:
        return None
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        series = file.series[0]
        values, axes = series.asarray(), series.axes
    if values.ndim == 2:
        return np.asarray(values)
    if values.ndim != 3:
        raise Refused(f"a TIFF of shape {values.shape} ({axes}) is no picture of bands")
    spatial = axes.index("Y") if "Y" in axes else 0
    return np.asarray(np.moveaxis(values, 0, 2) if spatial == 1 else values)


def _picture(data: bytes, p: Preprocessing) -> tuple[npt.NDArray[Any], tuple[float, float], list[str]]:
    """Any other file by Pillow: its own bands, or one band a page."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > p.largest_px:
            raise Refused(too_large(image.size, p.largest_px))
        pages = getattr(image, "n_frames", 1)
        if pages == p.channels > 1 and len(image.getbands()) == 1:
            planes = []
            for page in range(pages):
                image.seek(page)
                planes.append(np.asarray(image))
            values = np.stack(planes, 2)
            return values, p.range or _full(values), ["one band a page"]
        image.load()
        if image.mode in ("P", "PA", "1", "LA", "CMYK", "YCbCr"):
            picture = image.convert("RGBA" if p.channels == 4 else "RGB")
        else:
            picture = image
        values = np.asarray(picture)
        if image.mode.startswith("I;16") or (
            image.mode == "I" and values.min() >= 0 and values.max() < 65536
        ):
            values = values.astype(np.uint16)
    return values, p.range or _full(values), []


def _dicom(data: bytes, p: Preprocessing) -> tuple[npt.NDArray[Any], tuple[float, float], list[str]]:
    """The first picture of a DICOM file, by its own slope and intercept, white as bright."""
    try:
        pydicom = importlib.import_module("pydicom")
    except ImportError as error:
        raise Refused("DICOM, which `pip install pydicom` makes readable") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on values that do not follow the standard
        held = pydicom.dcmread(io.BytesIO(data))
        values = np.asarray(held.pixel_array)
    notes = ["DICOM"]
    if int(getattr(held, "NumberOfFrames", 1) or 1) > 1:
        notes.append(f"first of {values.shape[0]} frames")
        values = values[0]
    kind = str(getattr(held, "PhotometricInterpretation", ""))
    if kind not in ("MONOCHROME1", "MONOCHROME2", "RGB"):
        raise Refused(f"DICOM of the kind {kind or 'unknown'}: save it as grey or RGB")
    slope = float(getattr(held, "RescaleSlope", 1) or 1)
    shift = float(getattr(held, "RescaleIntercept", 0) or 0)
    bits = int(getattr(held, "BitsStored", 16))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if values.dtype.kind == "i" else (0, 2**bits - 1)
    full = low * slope + shift, high * slope + shift
    scaled = values.astype(np.float32) * np.float32(slope) + np.float32(shift)
    if kind == "MONOCHROME1":  # the largest number is black
        low, high = p.range or full
        scaled = np.float32(low + high) - scaled
        notes.append("MONOCHROME1 turned, so that large is bright")
    return scaled, full, notes


def _banded(values: npt.NDArray[Any], p: Preprocessing) -> npt.NDArray[Any]:
    """The picture (H, W, bands) with the bands that the model takes: one grey band serves for three."""
    values = values[..., None] if values.ndim == 2 else values
    bands = values.shape[2]
    if bands == p.channels:
        return values
    if bands == 1 and p.channels == 3:
        return np.repeat(values, 3, axis=2)
    if bands == 4 and p.channels == 3 and values.dtype == np.uint8 and bool((values[..., 3] == 255).all()):
        return values[..., :3]
    more = ""
    if importlib.util.find_spec("tifffile") is None:
        more = "; `pip install tifffile` reads TIFFs of many bands"
    raise Refused(f"it has {bands} bands, the model takes {p.channels}{more}")
