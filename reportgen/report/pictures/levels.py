"""A map as it travels to the page: whole levels of its scale on its own grid, as a small PNG.

One sample a place, so that the page reads raw values back and colours them as the reader likes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from reportgen.findings import Array
from reportgen.report.pictures.scales import Scale

FEW_PX = 64  # maps up to this side are cheap, and keep every level and place
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, INDEXED = 0, 3  # PNG colour types
NO_FILTER, UP = 0, 2  # PNG filters
EFFORT = 6  # of zlib's nine: the last three save half a hundredth, and take more than twice as long


@dataclass(frozen=True)
class RawMap:
    """Levels (h, w), uint8, of a scale. `alone` is a map that is drawn without the photograph."""

    levels: Array
    by: Scale
    colours: Array  # (by.top + 1, 3) uint8: the palette, a colour a level
    alone: bool

    @property
    def large(self) -> bool:
        """Whether it has so many places that it may cost less than it could."""
        return bool(max(self.levels.shape) > FEW_PX)


def thinned(levels: Array, by: Scale, step: int) -> Array:
    """Every `step`-th level only, counted from the one that zero has: `step` 3 is off by at most 1."""
    middle = by.top // 2 if by.signed else 0
    steps = np.rint((levels.astype(np.float32) - middle) / step)
    return np.asarray(np.clip(middle + step * steps, 0, by.top).astype(np.uint8))


def shrunk(levels: Array, scale: float) -> Array:
    """Levels on a grid of `scale` times the side: means over the places that become one."""
    height, width = (max(1, round(side * scale)) for side in levels.shape)
    image = Image.fromarray(np.ascontiguousarray(levels))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def png(levels: Array, colours: Array | None = None) -> bytes:
    """Levels (h, w), uint8, as a PNG of one byte a place: grey, or drawn in `colours`.

    Written here because image libraries repack a palette, and then a sample is no level any more.
    """
    height, width = levels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, GREY if colours is None else INDEXED, 0, 0, 0)
    parts = [_chunk(b"IHDR", head)]
    if colours is not None:
        parts.append(_chunk(b"PLTE", colours.tobytes()))
    parts.append(_chunk(b"IDAT", _packed(levels)))
    return b"".join((SIGNATURE, *parts, _chunk(b"IEND", b"")))


def _packed(levels: Array) -> bytes:
    """Rows behind their filter byte, deflated: as they are, or as differences from the row above."""
    up = np.diff(levels, axis=0, prepend=np.zeros_like(levels[:1]))  # modulo 256
    smooth = _bits(up) < _bits(levels)
    rows, kind = (up, UP) if smooth else (levels, NO_FILTER)
    marks = np.full((len(rows), 1), kind, np.uint8)
    # in noise the few repeats that deflate finds cost more than they save
    strategy = zlib.Z_DEFAULT_STRATEGY if smooth else zlib.Z_FILTERED
    packer = zlib.compressobj(EFFORT, strategy=strategy)
    return packer.compress(np.concatenate((marks, rows), axis=1).tobytes()) + packer.flush()


def _bits(samples: Array) -> float:
    """Bits a sample that a code of their frequencies would take: Shannon's entropy."""
    share = np.bincount(samples.ravel(), minlength=256) / samples.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
