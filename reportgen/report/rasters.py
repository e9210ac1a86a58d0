"""Pixels and their encoding: what a figure holds, and the bytes that a document carries."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reportgen.findings import Array

EXACT_PX = 64  # pictures up to this size are kept pixel by pixel and drawn without smoothing


@dataclass(frozen=True)
class Raster:
    """uint8 pixels (h, w, 3), or (h, w, 4) where gaps are transparent.

    An `exact` raster has few pixels that each mean something: it is stored without loss and drawn
    unsmoothed, at any size.
    """

    pixels: Array
    exact: bool = False

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class Encoding:
    """How much a picture may cost: the quality of lossy pictures, and a factor on their side."""

    quality: int
    scale: float = 1.0


@dataclass(frozen=True)
class Encoded:
    """A picture as bytes of a media type."""

    data: bytes
    media_type: str


def webp(raster: Raster, encoding: Encoding) -> Encoded:
    """For the screen: small, and transparent where the raster is."""
    image = _image(raster, encoding)
    out = io.BytesIO()
    if raster.exact:
        image.save(out, "WEBP", lossless=True, quality=60, method=2)
    else:
        image.save(out, "WEBP", quality=encoding.quality, method=2)
    return Encoded(out.getvalue(), "image/webp")


def jpeg_or_png(raster: Raster, encoding: Encoding) -> Encoded:
    """For print: JPEG, which a PDF takes byte for byte; PNG where every pixel counts."""
    image = _image(raster, encoding)
    if image.mode == "RGBA":  # paper is white
        paper = Image.new("RGB", image.size, (255, 255, 255))
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
    out = io.BytesIO()
    if raster.exact:
        image.save(out, "PNG")
        return Encoded(out.getvalue(), "image/png")
    image.save(out, "JPEG", quality=encoding.quality, subsampling=0)
    return Encoded(out.getvalue(), "image/jpeg")


def _image(raster: Raster, encoding: Encoding) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(raster.pixels))
    if encoding.scale < 1 and not raster.exact:
        sides = (max(1, round(n * encoding.scale)) for n in image.size)
        image = image.resize((next(sides), next(sides)), Image.Resampling.LANCZOS)
    return image
