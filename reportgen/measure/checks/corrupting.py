"""Changes of pixels, an image at a time: what comes of one depends on its pixels and a seed, and not on the
batch that it is in."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from reportgen.checks.changes import Change, Kind

GREY = 0.299, 0.587, 0.114  # ITU-R BT.601, as Pillow's L
TRUNCATED = 4.0  # sigmas, where a Gaussian ends (scipy's and scikit-image's)
FOUR = (0, 1), (0, -1), (1, 0), (-1, 0)  # rows, columns
STEPS = 255  # of 8 bits

Maker: TypeAlias = Callable[[Tensor, Change, np.random.Generator], Tensor]


def corrupted(pixels: Tensor, change: Change, seed: int) -> Tensor:
    """Images (N, C, H, W) in [0, 1], changed, in [0, 1]. Each by its own pixels and the seed."""
    return torch.stack([_of_one(image, change, seed) for image in pixels])


def _of_one(image: Tensor, change: Change, seed: int) -> Tensor:
    draw = np.random.default_rng(_content(image, change.kind, seed))
    return MAKERS[change.kind](image.clamp(0, 1), change, draw).clamp(0, 1).float()


def _content(image: Tensor, kind: Kind, seed: int) -> int:
    """A seed by what an image shows. Its values are rounded: undoing a normalisation leaves some dust."""
    values = (image.clamp(0, 1) * 65535).round().numpy().astype(np.uint16)
    digest = hashlib.blake2b(values.tobytes(), key=f"{seed} {kind}".encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _noise(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    return x + change.amount * torch.from_numpy(draw.standard_normal(x.shape, dtype=np.float32))


def _shot_noise(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    photons = draw.poisson(x.double().numpy() * change.amount)
    return torch.from_numpy(photons / change.amount)


def _blur(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    return blurred(x, change.amount)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """(C, H, W) after a Gaussian blur; beyond the edge the picture goes on as its last pixel."""
    reach = int(TRUNCATED * sigma + 0.5)
    if reach < 1:
        return x
    at = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).to(x.dtype)
    wide = F.pad(x[:, None], (reach,) * 4, mode="replicate")  # (C, 1, H + 2r, W + 2r)
    return F.conv2d(F.conv2d(wide, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))[:, 0]


def _motion_blur(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """Half a Gaussian along a line that leaves each pixel at an angle of -45 to 45 degrees."""
    angle = math.radians(draw.uniform(-45, 45))
    count = math.ceil(change.more) + 1
    along = np.linspace(0, change.more, count)
    weights = np.exp(-(along**2) / (2 * change.amount**2))
    return lined(x, along * math.sin(angle), along * math.cos(angle), weights / weights.sum())


def lined(
    x: Tensor,
    rows: np.ndarray[tuple[int], np.dtype[np.float64]],
    columns: np.ndarray[tuple[int], np.dtype[np.float64]],
    weights: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Tensor:
    """The weighted mean of (C, H, W) at some offsets (T,) from each pixel, between pixels linearly; beyond
    the edge the picture goes on as its last pixel."""
    reach = math.ceil(max(np.abs(rows).max(), np.abs(columns).max()))
    kernel = torch.zeros(2 * reach + 2, 2 * reach + 2, dtype=torch.float64)
    for row, column, weight in zip(rows, columns, weights, strict=True):
        top, left = math.floor(row), math.floor(column)
        down, right = row - top, column - left
        for y, share in ((0, 1 - down), (1, down)):
            for z, part in ((0, 1 - right), (1, right)):
                kernel[top + y + reach, left + z + reach] += weight * share * part
    kernel = kernel[:-1, :-1]  # the last row and column are there for offsets of whole pixels, and empty
    wide = F.pad(x[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(wide, kernel[None, None].to(x.dtype))[:, 0]


def _brighter(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """V of HSV is raised; hue and saturation stay, so that all three colours grow by one factor."""
    if len(x) != 3:
        return x + change.amount
    value = x.amax(0, keepdim=True)
    raised = (value + change.amount).clamp(max=1)
    return torch.where(value > 0, x * (raised / value.clamp(min=1e-12)), raised)


def _darker(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    return x * change.amount


def _contrast(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    mean = x.mean((1, 2), keepdim=True)
    return (x - mean) * change.amount + mean


def _saturation(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """S of HSV times a factor, plus what is added; what has no hue is taken for red, as HSV has it."""
    value, least = x.amax(0, keepdim=True), x.amin(0, keepdim=True)
    saturation = (value - least) / value.clamp(min=1e-12)
    raised = (saturation * change.amount + change.more).clamp(0, 1)
    coloured = value - (value - x) * (raised / saturation.clamp(min=1e-12))
    red = torch.cat([value, value * (1 - raised), value * (1 - raised)])
    return torch.where(saturation > 0, coloured, red)


def _grey(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    grey = (x * torch.tensor(GREY, dtype=x.dtype).view(3, 1, 1)).sum(0, keepdim=True)
    return x + change.amount * (grey - x)


def _jpeg(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """Saved by Pillow with its usual subsampling, and read again."""
    values = (x * STEPS).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    picture = Image.fromarray(values[..., 0] if len(x) == 1 else values)
    picture.save(file, "JPEG", quality=round(change.amount))
    again = np.array(Image.open(file)).reshape(values.shape)
    return torch.from_numpy(again).permute(2, 0, 1) / STEPS


def _pixelation(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """Made smaller and larger again, both by the mean over boxes."""
    _, height, width = x.shape
    small = max(1, int(width * change.amount)), max(1, int(height * change.amount))
    box = Image.Resampling.BOX
    planes = [Image.fromarray(plane.numpy(), mode="F") for plane in x]
    return torch.stack(
        [torch.from_numpy(np.array(p.resize(small, box).resize((width, height), box))) for p in planes]
    )


def _shift(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    rows, columns = FOUR[int(draw.integers(4))]
    return shifted(x, rows * round(change.amount), columns * round(change.amount))


def shifted(x: Tensor, rows: int, columns: int) -> Tensor:
    """(C, H, W) moved by whole pixels; what comes in is the mirror image at the edge."""
    _, height, width = x.shape
    down, across = np.arange(height) - rows, np.arange(width) - columns
    return x[:, _mirrored(down, height)][:, :, _mirrored(across, width)]


def _mirrored(places: np.ndarray[tuple[int], np.dtype[np.int64]], side: int) -> Tensor:
    """Places along a side, those beyond its ends mirrored at the first and the last."""
    period = max(1, 2 * (side - 1))
    folded = np.abs(places) % period
    return torch.from_numpy(np.minimum(folded, period - folded))


def _turn(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    turn = math.radians(change.amount) * (1 if draw.random() < 0.5 else -1)
    return moved(x, turn, 1.0)


def _scale(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    return moved(x, 0.0, change.amount if draw.random() < 0.5 else 1 / change.amount)


def moved(x: Tensor, turn: float, factor: float) -> Tensor:
    """(C, H, W) turned counter-clockwise by radians and enlarged by a factor about its middle, between pixels
    linearly; what comes in is the mirror image at the edge."""
    _, height, width = x.shape
    y = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    z = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    cosine, sine = math.cos(turn) / factor, math.sin(turn) / factor
    rows = cosine * y[:, None] + sine * z[None] + (height - 1) / 2  # where each pixel comes from
    columns = cosine * z[None] - sine * y[:, None] + (width - 1) / 2
    if factor < 1:  # what is made smaller is smoothed first, or fine patterns would alias
        x = blurred(x, math.sqrt(1 / factor**2 - 1) / 2)
    ends = max(height - 1, 1), max(width - 1, 1)
    grid = torch.stack([2 * columns / ends[1] - 1, 2 * rows / ends[0] - 1], -1)[None]
    found = F.grid_sample(
        x[None].double(), grid, mode="bilinear", padding_mode="reflection", align_corners=True
    )
    return found[0]


def _patch(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """A square of mid-grey, wholly within the picture."""
    _, height, width = x.shape
    side = min(max(1, round(change.amount)), height, width)
    top, left = (int(draw.random() * (length - side + 1)) for length in (height, width))
    covered = x.clone()
    covered[:, top : top + side, left : left + side] = 0.5
    return covered


def _rounding(x: Tensor, change: Change, draw: np.random.Generator) -> Tensor:
    """Rounded to 8 bits. What has only these already, which rounding leaves, is moved by what rounding can
    have taken from it: up to half a step."""
    levels = x * STEPS
    if (levels - levels.round()).abs().max() > 0.01:
        return levels.round() / STEPS
    return x + change.amount * torch.from_numpy(draw.uniform(-1, 1, x.shape).astype(np.float32))


MAKERS: dict[Kind, Maker] = {
    "noise": _noise,
    "shot-noise": _shot_noise,
    "blur": _blur,
    "motion-blur": _motion_blur,
    "brighter": _brighter,
    "darker": _darker,
    "contrast": _contrast,
    "saturation": _saturation,
    "grey": _grey,
    "jpeg": _jpeg,
    "pixelation": _pixelation,
    "shift": _shift,
    "turn": _turn,
    "scale": _scale,
    "patch": _patch,
    "rounding": _rounding,
}
