"""Arrays to pixels: maps, overlays, masks, segments, galleries. numpy and Pillow only.

Palettes are matplotlib's tables as (256, 3) uint8; nothing else of it is used.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw
from typing_extensions import assert_never

from reportgen.findings import Array
from reportgen.report.pictures.levels import RawMap
from reportgen.report.pictures.rasters import EXACT_PX, Raster
from reportgen.report.pictures.scales import UNIT, Scale, fractions, levels, scale, tile_scale

SIDE_PX = 256  # the longest side that a figure is kept at
TILE_PX = 72  # the longest side of a gallery's tile
KERNEL_PX = 11  # tiles up to this size are kernels, which need less room
GAP_PX = 4
PALETTES = ("inferno", "viridis", "cividis", "gray", "coolwarm", "PuOr")  # the last two diverge
OUTSIDE = np.array((232, 234, 238), np.float32)  # the veil over what a mask leaves out


@cache
def table(palette: str) -> Array:
    """A colour map as (256, 3) uint8."""
    from matplotlib import colormaps

    return np.asarray(colormaps[palette](np.arange(256), bytes=True)[:, :3])


@cache
def distinct() -> Array:
    """Colours that are told apart, for parts without an order, (16, 3) uint8."""
    from matplotlib import colormaps

    lists = [colormaps[name].colors for name in ("Set2", "Dark2")]  # type: ignore[attr-defined]
    return np.asarray(np.rint(np.concatenate(lists) * 255).astype(np.uint8))


def palette_css() -> str:
    """The palettes as CSS gradients, one class each, for the colour bars."""
    rules = []
    for palette in PALETTES:
        stops = ",".join(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in table(palette)[::17])
        rules.append(f".bar-{palette}{{background:linear-gradient(90deg,{stops}) no-repeat}}")
    return "\n".join(rules)


def palette_strips() -> dict[str, Raster]:
    """The palettes as pictures of one row, where gradients cost too much."""
    return {palette: Raster(table(palette)[None], exact=True) for palette in PALETTES}


def resample(values: Array, height: int, width: int) -> Array:
    """One map (h, w) on another grid, bilinear with align_corners=False (for enlargement)."""
    image = Image.fromarray(values.astype(np.float32), mode="F")
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def shown_size(height: int, width: int, limit_px: int = SIDE_PX) -> tuple[int, int]:
    """The size at which a picture is kept: as it is, or shrunk to `limit_px`."""
    factor = min(1.0, limit_px / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def photo(seen: Array) -> Array:
    """What the model saw, uint8 (H, W, C), as RGB (H, W, 3); channels past the third are left."""
    if seen.shape[2] == 2:
        seen = seen[..., :1]
    return np.repeat(seen, 3, axis=2) if seen.shape[2] == 1 else seen[..., :3]


def fit(pixels: Array, limit_px: int = SIDE_PX) -> Raster:
    """An RGB picture within `limit_px`; one of few pixels stays exact."""
    height, width = shown_size(pixels.shape[0], pixels.shape[1], limit_px)
    if (height, width) == pixels.shape[:2]:
        return Raster(pixels, exact=max(height, width) <= EXACT_PX)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return Raster(np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)))


def heat(values: Array, by: Scale) -> Raster:
    """A map alone. Grids of few cells keep their cells."""
    raw = raw_map(values, by, alone=True)
    drawn = raw.levels
    if max(drawn.shape) > SIDE_PX:
        drawn = resample(drawn, *shown_size(*drawn.shape))
    part = drawn / np.float32(by.top)
    index = np.rint(part * 255).astype(np.uint8)
    return Raster(table(by.palette)[index], exact=max(drawn.shape) <= EXACT_PX, map=raw)


def raw_map(values: Array, by: Scale, alone: bool) -> RawMap:
    """A map (h, w) as the page gets it."""
    places = np.rint(np.arange(by.top + 1) * (255 / by.top)).astype(np.uint8)
    return RawMap(levels(values, by), by, table(by.palette)[places], alone)


def overlay(values: Array, by: Scale, rgb: Array) -> Raster:
    """A map over the photograph in grey: colour is the map's alone, and stronger where it is."""
    under, raw = fit(rgb), raw_map(values, by, alone=False)
    return Raster(_blend(raw, under.pixels), under.exact, raw, small=True)


def _blend(raw: RawMap, rgb: Array) -> Array:
    """A map (h, w) over a photograph (H, W, 3) of the same place, uint8."""
    by = raw.by
    # from whole levels, as the page does: the root below would show what rounding takes near zero
    part = resample(raw.levels, *rgb.shape[:2]) / np.float32(by.top)  # (H, W)
    colour = table(by.palette)[np.rint(part * 255).astype(np.uint8)].astype(np.float32)
    strength = np.abs(2 * part - 1) if by.signed else part
    # the photograph shows where the map is 0; coolwarm is light there, and must not veil it
    opacity = 0.85 * (strength ** (0.8 if by.signed else 0.5))[..., None]  # (H, W, 1)
    mixed = luma(rgb.astype(np.float32)) * (1 - opacity) + colour * opacity
    return np.asarray(mixed.astype(np.uint8))


def luma(rgb: Array) -> Array:
    """Luma (ITU-R BT.601) of (h, w, 3) float32, (h, w, 1)."""
    return np.asarray((rgb @ np.array((0.299, 0.587, 0.114), np.float32))[..., None])


def signed_colour(values: Array) -> tuple[Raster, Scale]:
    """Raw values (3, h, w) as colours around mid-grey, one scale for the three channels."""
    by = scale(values.reshape(3, -1), signed=True)
    pixels = np.rint(fractions(values, by) * 255).astype(np.uint8).transpose(1, 2, 0)
    return fit(pixels), by


def rgb_picture(values: Array) -> Raster:
    """Colours in [0, 1], (3, h, w)."""
    return fit(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))


def mask(chosen: Array) -> Raster:
    """A choice of pixels (h, w): chosen is white."""
    return fit(np.where(chosen[..., None], np.uint8(255), np.uint8(24)).repeat(3, axis=2))


def through_mask(chosen: Array, rgb: Array) -> Raster:
    """The photograph where pixels are chosen, a veil elsewhere."""
    size = (rgb.shape[1], rgb.shape[0])
    grid = Image.fromarray(chosen.astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)
    veiled = 0.14 * luma(rgb.astype(np.float32)) + 0.86 * OUTSIDE
    return fit(np.where((np.asarray(grid) > 0)[..., None], rgb, veiled.astype(np.uint8)))


def segments(values: Array) -> Raster:
    """A partition (h, w), each part in its own colour."""
    colours = distinct()
    pixels = colours[values.astype(np.int64) % len(colours)]
    height, width = shown_size(*values.shape)
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.NEAREST)
    return Raster(np.asarray(image), exact=True)


@dataclass(frozen=True)
class Whole:
    """The image before resize and crop: a JPEG, its true size and the crop that the model saw.

    `size` is (width, height) and `crop` (left, top, right, bottom), both in the original's pixels;
    the crop reaches beyond the image where that was padded.
    """

    jpeg: bytes
    size: tuple[int, int]
    crop: tuple[float, float, float, float]

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """The crop in the pixels of the picture that is shown."""
        width, height = Image.open(io.BytesIO(self.jpeg)).size  # not decoded yet
        rows, columns = shown_size(height, width)
        factors = (columns / self.size[0], rows / self.size[1]) * 2
        left, top, right, bottom = (
            round(edge * factor) for edge, factor in zip(self.crop, factors, strict=True)
        )
        return left, top, max(right, left + 1), max(bottom, top + 1)

    @property
    def cropped(self) -> bool:
        """Whether the model saw less than all of it."""
        left, top, right, bottom = self.crop
        return left > 0.5 or top > 0.5 or right < self.size[0] - 0.5 or bottom < self.size[1] - 0.5

    @cached_property
    def shown(self) -> Image.Image:
        """The picture at the size it is shown."""
        image = Image.open(io.BytesIO(self.jpeg)).convert("RGB")
        height, width = shown_size(image.height, image.width)
        return image.resize((width, height), Image.Resampling.LANCZOS)

    @cached_property
    def grey(self) -> Image.Image:
        """`shown` in grey, RGB: what maps are laid over."""
        return self.shown.convert("L").convert("RGB")

    @cached_property
    def dimmed(self) -> Image.Image:
        """`grey` as it stands outside the crop."""
        return _dimmed(self.grey)


def original(whole: Whole) -> Raster:
    """The whole image with the crop that the model saw marked; the rest is dimmed."""
    image = whole.shown
    drawn = _framed(_dimmed(image), image, whole.box) if whole.cropped else image
    return Raster(np.asarray(drawn), exact=max(image.size) <= EXACT_PX)


def on_original(raw: RawMap, whole: Whole) -> Raster:
    """A map (h, w) of the crop, laid over the whole image where the crop was taken."""
    window = np.asarray(whole.grey.crop(whole.box))  # beyond the image it is black
    drawn = whole.grey.copy()
    drawn.paste(Image.fromarray(_blend(raw, window)), whole.box[:2])
    return Raster(np.asarray(_framed(whole.dimmed, drawn, whole.box)), small=True)


def _dimmed(image: Image.Image) -> Image.Image:
    return Image.blend(image, Image.new("RGB", image.size, (128, 128, 128)), 0.6)


def _framed(dimmed: Image.Image, bright: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """`bright` inside the box, `dimmed` outside it, a white line between them."""
    box = (max(0, box[0]), max(0, box[1]), min(dimmed.width, box[2]), min(dimmed.height, box[3]))
    framed = dimmed.copy()
    framed.paste(bright.crop(box), box[:2])
    edges = (box[0], box[1], box[2] - 1, box[3] - 1)
    ImageDraw.Draw(framed).rectangle(edges, outline=(255, 255, 255), width=2)
    return framed


def sprite(
    tiles: Array, signed: bool, scaled: Literal["each", "grid", "unit"], columns: int
) -> tuple[Raster, Scale | None]:
    """Tiles (k, h, w) or (k, 3, h, w) as one picture, row by row, with transparent gaps.

    `scaled` is `grid` for one scale for all, which is returned, `each` for tiles that are stretched
    over their own range, and `unit` for pixels in [0, 1]. A tile that is constant or not finite is
    left mid-grey.
    """
    by: Scale | None
    if scaled == "grid":
        by = tile_scale(tiles, signed, tiles.ndim == 4)
    elif scaled == "unit":
        by = UNIT
    elif scaled == "each":
        by = None
    else:
        assert_never(scaled)
    drawn = [_tile(tile, by or tile_scale(tile, signed, tiles.ndim == 4)) for tile in tiles]
    height, width = drawn[0].shape[:2]
    rows = -(-len(drawn) // columns)
    size = (rows * (height + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX)
    sheet = np.zeros((*size, 4), np.uint8)
    for place, tile in enumerate(drawn):
        row, column = divmod(place, columns)
        top, left = row * (height + GAP_PX), column * (width + GAP_PX)
        sheet[top : top + height, left : left + width, :3] = tile
        sheet[top : top + height, left : left + width, 3] = 255
    return Raster(sheet), by if scaled == "grid" else None


def _tile(values: Array, by: Scale | None) -> Array:
    """One tile as RGB (h, w, 3), small ones enlarged cell by cell."""
    height, width = values.shape[-2:]
    if by is None:
        pixels = np.full((height, width, 3), 128, np.uint8)
    elif values.ndim == 3:
        pixels = np.rint(fractions(values, by) * 255).astype(np.uint8).transpose(1, 2, 0)
    else:
        pixels = table(by.palette)[np.rint(fractions(values, by) * 255).astype(np.uint8)]
    longest = max(height, width)
    limit = TILE_PX if longest > KERNEL_PX else TILE_PX // 2
    factor = limit // longest if longest <= limit // 2 else min(1.0, limit / longest)
    resampling = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, resampling))
