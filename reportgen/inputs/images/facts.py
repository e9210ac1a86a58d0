"""The facts of a picture, whatever the network makes of it: size, colours, sharpness, hashes. Measured while
it is decoded, a fixed number of them an image."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn

from reportgen.inputs.images.enlarged import period

Values: TypeAlias = npt.NDArray[np.floating[Any]]

FORMATS = ("other", "JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF", "HEIF")
MODES = ("other", "1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA", "I", "I;16", "F", "PA")
GREY_PX = 64  # the side of the small grey picture that two pictures are compared by
MEASURED_PX = 256  # the longer side at which contrast, sharpness and colours are measured
BORDER_SHARE = 0.08  # how deep the border is, as a share of the shorter side
RADII = 64  # bins of the frequencies up to Nyquist's
BLOCK_PX = 8  # the side of a block of JPEG's
ENERGY = 0.999  # what holds this share of the energy is all that a picture holds
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
PLACES = ("border", *CORNERS)
FIELDS = (
    "width",
    "height",
    "bytes",
    "format",  # place in FORMATS
    "mode",  # place in MODES
    "orientation",  # EXIF, 1 where nothing is said
    "jpeg_quality",  # as libjpeg counts it, 0 of other formats
    "luminance",  # mean of the grey values, 0 to 1
    "contrast",  # their standard deviation
    "saturation",  # mean of (max - min) / max over the colours
    "colour",  # largest difference between two colours of a pixel, 0 to 1: 0 of a grey picture
    "sharpness",  # variance of the Laplacian of the grey values
    "cutoff",  # share of the frequencies, from the lowest, that hold 99.9 % of the energy
    "interpolated",  # the period in px of what enlarging leaves in the middle of it, 0 for no trace
    "blocks",  # how much larger the steps are at every eighth pixel than elsewhere, as JPEG leaves them
    *(f"{place}_{colour}" for place in PLACES for colour in ("red", "green", "blue")),
)


@dataclass(frozen=True)
class Facts:
    """One picture's facts: `values` in the order of FIELDS, the hash of its upright pixels (16,) uint8, its
    perceptual hash and that of its mirror image (2,) uint64, and its small grey picture (64, 64) uint8."""

    values: Values
    pixels: npt.NDArray[np.uint8]
    perceptual: npt.NDArray[np.uint64]
    grey: npt.NDArray[np.uint8]


def facts_of(picture: Image.Image, data: bytes) -> Facts:
    """The facts of an upright RGB picture that was decoded from `data`."""
    small = picture.copy() if max(picture.size) <= MEASURED_PX else _reduced(picture)
    colours = np.asarray(small, dtype=np.float32) / np.float32(255)  # (h, w, 3)
    grey = np.asarray(picture.convert("L").resize((GREY_PX, GREY_PX), Image.Resampling.BILINEAR))
    values = {**_of_file(data, picture.size), **_of_colours(colours), "cutoff": _cutoff(picture)}
    values["interpolated"] = period(_middle(picture), FORMATS[int(values["format"])] == "JPEG")
    values["blocks"] = blockiness(_middle(picture))
    return Facts(
        np.array([values[name] for name in FIELDS], dtype=np.float64),
        np.frombuffer(hashlib.sha256(_content(picture)).digest()[:16], dtype=np.uint8),
        np.array([perceptual_hash(grey), perceptual_hash(grey[:, ::-1])], dtype=np.uint64),
        grey,
    )


def perceptual_hash(grey: npt.NDArray[np.uint8]) -> int:
    """64 bits that a picture keeps when it is resized or saved again: whether each of the lowest 8×8
    frequencies of its small grey picture, but for the mean, lies above their median.

    Zauner 2010, Implementation and Benchmarking of Perceptual Image Hash Functions, sec. 3.2.1 (DCT).
    """
    lowest = dctn(grey.astype(np.float64), norm="ortho")[:8, :8].ravel()
    above = lowest > np.median(lowest[1:])
    above[0] = False  # the mean says nothing of what is shown
    return int(np.packbits(above).view(">u8")[0])


def _content(picture: Image.Image) -> bytes:
    return f"{picture.size}".encode() + picture.tobytes()


def _reduced(picture: Image.Image) -> Image.Image:
    scale = MEASURED_PX / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)


def _of_file(data: bytes, size: tuple[int, int]) -> dict[str, float]:
    """What the file says of itself, as far as Pillow knows its kind."""
    known: dict[str, float] = {"width": size[0], "height": size[1], "bytes": len(data)}
    known |= {"format": 0, "mode": 0, "orientation": 1, "jpeg_quality": 0}
    try:
        with Image.open(io.BytesIO(data)) as file:
            known["format"] = FORMATS.index(file.format) if file.format in FORMATS else 0
            known["mode"] = MODES.index(file.mode) if file.mode in MODES else 0
            known["orientation"] = int(file.getexif().get(0x0112, 1) or 1)
            tables = getattr(file, "quantization", None)
            known["jpeg_quality"] = _jpeg_quality(tables) if tables else 0
    except Exception:  # an array, or a damaged EXIF block: it was decoded by other means
        return known
    return known


# the sum of libjpeg's luminance table at quality 50
STANDARD_SUM = 3691


def _jpeg_quality(tables: dict[int, list[int]]) -> float:
    """The quality whose scaled luminance table has the sum of this one (IJG, jpeg_quality_scaling)."""
    scale = 100 * sum(next(iter(tables.values()))) / STANDARD_SUM  # percent of the table at 50
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return float(min(100.0, max(1.0, round(quality))))


def _of_colours(colours: Values) -> dict[str, float]:
    """What the colours (h, w, 3) from 0 to 1 are like."""
    grey = colours @ np.array([0.299, 0.587, 0.114], np.float32)  # (h, w)
    red, green, blue = (colours[..., k] for k in range(3))
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    saturation = (highest - lowest) / np.where(highest > 0, highest, 1)
    known = {
        "luminance": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(saturation.mean()),
        "colour": float((highest - lowest).max()),
        "sharpness": _sharpness(grey),
    }
    for place, mean in _places(colours).items():
        known |= {f"{place}_{name}": float(v) for name, v in zip(("red", "green", "blue"), mean, strict=True)}
    return known


def _sharpness(grey: Values) -> float:
    """The variance of the Laplacian (Pech-Pacheco et al. 2000); 0 of a picture too small to have one."""
    if min(grey.shape) < 3:
        return 0.0
    inner = -4 * grey[1:-1, 1:-1] + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(inner.var())


def _places(colours: Values) -> dict[str, Values]:
    """The mean colour of the border and of each corner."""
    height, width = colours.shape[:2]
    deep = max(1, round(BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), dtype=bool)
    border[deep : height - deep, deep : width - deep] = False
    corner = max(1, min(height, width) // 5)
    ends = (slice(0, corner), slice(-corner, None))
    parts = [colours[rows, columns].reshape(-1, 3) for rows in ends for columns in ends]
    means = {name: part.mean(0) for name, part in zip(CORNERS, parts, strict=True)}
    return {"border": colours[border].mean(0), **means}


def _cutoff(picture: Image.Image) -> float:
    """The share of the frequencies, from the lowest, that hold 99.9 % of the energy of the middle of the
    picture, under a window that takes its edges away; 0 of a picture of one colour."""
    grey = _middle(picture)
    side = len(grey)
    window = np.hanning(side + 2)[1:-1]
    spectrum = np.abs(np.fft.rfft2((grey - grey.mean()) * window[:, None] * window)) ** 2
    total = spectrum.sum()
    if side < 8 or total < 1e-9:
        return 0.0
    bins = _radius_bins(side)
    within = np.cumsum(np.bincount(bins.ravel(), spectrum.ravel(), RADII))
    return float(np.searchsorted(within, ENERGY * total) + 1) / RADII


def blockiness(grey: Values) -> float:
    """How much larger, as a ratio, the steps of grey values (h, w) are at every eighth pixel than elsewhere,
    at the offset where that is most, along rows and columns together; 1 of a picture without any.

    After Wang, Bovik & Evans 2000, Blind measurement of blocking artifacts in images.
    """
    if min(grey.shape) < 2 * BLOCK_PX:
        return 1.0
    found = 1.0
    across, down = (np.abs(np.diff(grey, axis=axis)).mean(1 - axis) for axis in (1, 0))
    for steps in (across, down):
        at = [steps[offset::BLOCK_PX].mean() for offset in range(BLOCK_PX)]
        others = (sum(at) - max(at)) / (BLOCK_PX - 1)
        found *= float((max(at) + 1e-3) / (others + 1e-3))
    return float(np.sqrt(found))


def _middle(picture: Image.Image) -> Values:
    """The grey values (side, side) from 0 to 255 of the middle of a picture, as they are in the file."""
    side = min(*picture.size, MEASURED_PX)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return np.asarray(picture.crop((left, top, left + side, top + side)).convert("L"), dtype=np.float64)


@lru_cache(maxsize=8)
def _radius_bins(side: int) -> npt.NDArray[np.int64]:
    """The bin of each frequency of a square's half spectrum by its radius; the last one from Nyquist's on."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) / 0.5
    bins: npt.NDArray[np.int64] = np.minimum((radius * RADII).astype(np.int64), RADII - 1)
    return bins
