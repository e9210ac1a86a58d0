"""Pixels and their encoding: what a figure holds, and the bytes that a document carries."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from reportgen.findings import Array
from reportgen.report.pictures.levels import RawMap, png, shrunk, thinned

EXACT_PX = 64  # pictures up to this size are kept pixel by pixel and drawn without smoothing
LARGEST_PX = 448  # the longest side of a map that the page carries
SMALL_PX = 160  # the longest side at which the page keeps a picture that it draws again on demand


@dataclass(frozen=True)
class Raster:
    """uint8 pixels (h, w, 3), or (h, w, 4) where gaps are transparent.

    An `exact` raster has few pixels that each mean something: it is stored without loss and drawn
    unsmoothed, at any size.
    """

    pixels: Array
    exact: bool = False
    map: RawMap | None = None  # what it is drawn from, for the page to draw it again
    small: bool = False  # the page draws it larger on demand, and stores it small

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
    """How much a picture may cost: the quality of lossy pictures, a factor on their side, and
    which levels of a large map are kept: every one, every third, …, or with 0 none."""

    quality: int
    scale: float = 1.0
    step: int = 1


@dataclass(frozen=True)
class Encoded:
    """A picture as bytes of a media type."""

    data: bytes
    media_type: str


def screen(raster: Raster, encoding: Encoding) -> Encoded:
    """For the page: a map that stands alone as its own levels, without loss; the rest as WebP."""
    if raster.map is not None and raster.map.alone and carried(raster.map, encoding):
        return Encoded(png(kept(raster.map, encoding), raster.map.colours), "image/png")
    if raster.small:
        factor = min(1.0, SMALL_PX / max(raster.width, raster.height))
        return webp(raster, replace(encoding, scale=factor * encoding.scale))
    return webp(raster, encoding)


def carried(held: RawMap, encoding: Encoding) -> bool:
    """Whether the page has the values of a map, and not its picture only."""
    return bool(encoding.step) or not (held.alone and held.large)


def kept(held: RawMap, encoding: Encoding) -> Array:
    """The levels of a map that a page can afford. Small ones are whole, as are those that are laid
    over a photograph in full size: they are smooth, and their opacity shows every level near zero."""
    if not held.large:
        return held.levels
    scale = encoding.scale * min(1.0, LARGEST_PX / max(held.levels.shape))
    smaller = shrunk(held.levels, scale) if scale < 1 else held.levels
    return thinned(smaller, held.by, encoding.step) if held.alone else smaller


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
