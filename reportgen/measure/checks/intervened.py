"""The pixels of interventions: parts exchanged, covered, everything toned."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from reportgen.checks.intervention import Intervention, Tone
from reportgen.engine.perturb.blur import gaussian_blur
from reportgen.engine.perturb.makers import BLUR_SHARE
from reportgen.measure.checks.views import Scale

Ends: TypeAlias = tuple[float, float]
FAR = 1e-3  # of the Gaussian's weight: with less of it on what gives, a place takes the plain mean
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's


def can_be_made(
    asked: Intervention, pictures: Mapping[int, Tensor], things: Mapping[int, Tensor]
) -> bool:
    """Whether the pictures are there that an intervention is made of, and the things where it is of these."""
    needed = set(asked.pictures)
    return needed <= pictures.keys() and (not asked.thing or needed <= things.keys())


def intervened(
    asked: Sequence[Intervention],
    pictures: Mapping[int, Tensor],
    scale: Scale,
    mean: Tensor,
    things: Mapping[int, Tensor] = MappingProxyType({}),
) -> Tensor:
    """The inputs (N, C, H, W) of interventions, of the normalised pictures (C, H, W) by number. `mean` (C,)
    is that of the sample's pixels, normalised; `things` are the places, bool (H, W), of what they show."""
    return torch.stack(
        [
            _of_thing(each, pictures, things, mean) if each.thing else _one(each, pictures, scale, mean)
            for each in asked
        ]
    )


def _of_thing(
    asked: Intervention, pictures: Mapping[int, Tensor], things: Mapping[int, Tensor], mean: Tensor
) -> Tensor:
    """A picture whose thing is covered, stands alone, or stands before the background of another one."""
    x, thing = pictures[asked.number], things[asked.number]
    kept = thing if asked.outside else ~thing
    if asked.source is not None:
        other = pictures[asked.source]
        behind = ~things[asked.source]
        ground = torch.where(behind, other, spread(other, behind))
    elif asked.fill == "mean":
        ground = mean.view(-1, 1, 1).expand_as(x)
    else:
        ground = spread(x, kept)
    return torch.where(kept, x, ground)


def spread(x: Tensor, kept: Tensor) -> Tensor:
    """A picture (C, H, W) under a wide Gaussian that only some pixels (H, W) give to: the mean of these by
    their nearness, and far from all of them their plain mean."""
    side = min(x.shape[-2:])
    weights = kept.to(x.dtype)[None]
    plain = (x * weights).sum((1, 2), keepdim=True) / weights.sum()  # (C, 1, 1)
    both = torch.cat([(x - plain) * weights, weights])[None]  # (1, C + 1, H, W)
    blurred = gaussian_blur(both, side - (side + 1) % 2, side / BLUR_SHARE)[0]
    mean: Tensor = plain + blurred[:-1] / (blurred[-1:] + FAR)
    return mean


def _one(asked: Intervention, pictures: Mapping[int, Tensor], scale: Scale, mean: Tensor) -> Tensor:
    x = pictures[asked.number]
    if asked.box is None:
        other = None if asked.source is None else scale.undone(pictures[asked.source][None]).clamp(0, 1)
        return scale.done(toned(asked, scale.undone(x[None]).clamp(0, 1), other))[0]
    if asked.source is not None:
        other = pictures[asked.source]
    elif asked.fill == "mean":
        other = mean.view(-1, 1, 1).expand_as(x)
    else:
        side = min(x.shape[-2:])
        other = gaussian_blur(x[None], side - (side + 1) % 2, side / BLUR_SHARE)[0]
    top, left, bottom, right = asked.box
    below, above = (other, x) if asked.outside else (x, other)
    changed = below.clone()
    changed[:, top:bottom, left:right] = above[:, top:bottom, left:right]
    return changed


def toned(asked: Intervention, pixels: Tensor, other: Tensor | None) -> Tensor:
    """Pixels (1, C, H, W) in [0, 1] toned until they measure what those of another picture do, by bisection;
    as near as it can be where they cannot. A picture is never made sharper."""
    if asked.tone == "jpeg":
        return saved_as_jpeg(pixels, asked.quality)
    if asked.tone == "soft":
        wanted = _distance(saved_as_jpeg(pixels, asked.quality), pixels)
        return _until(pixels, _blurred, lambda x: _distance(x, pixels), (0.0, 0.1), True, wanted)
    assert asked.tone is not None and other is not None, "all else is toned by another picture"
    way, measure, ends, rising = TONES[asked.tone]
    return _until(pixels, way, measure, ends, rising, measure(other))


def _until(
    pixels: Tensor,
    way: Callable[[Tensor, float], Tensor],
    measure: Callable[[Tensor], float],
    ends: Ends,
    rising: bool,
    wanted: float,
) -> Tensor:
    """Pixels changed by the amount between two ends by which they measure what is wanted."""
    low, high = ends
    for _ in range(STEPS):
        middle = (low + high) / 2
        if (measure(way(pixels, middle)) < wanted) == rising:
            low = middle
        else:
            high = middle
    return way(pixels, (low + high) / 2)


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean())


def luminance(pixels: Tensor) -> Tensor:
    """Of pixels (1, C, H, W), (1, 1, H, W): ITU-R BT.601 of three channels, else their mean."""
    if pixels.shape[1] != len(GREY):
        return pixels.mean(1, keepdim=True)
    return (pixels * pixels.new_tensor(GREY).view(-1, 1, 1)).sum(1, keepdim=True)


def _exposed(pixels: Tensor, factor: float) -> Tensor:
    return (pixels * factor).clamp(0, 1)


def _contrasted(pixels: Tensor, factor: float) -> Tensor:
    middle = luminance(pixels).mean()
    return (middle + (pixels - middle) * factor).clamp(0, 1)


def _coloured(pixels: Tensor, factor: float) -> Tensor:
    grey = luminance(pixels)
    return (grey + (pixels - grey) * factor).clamp(0, 1)


def _blurred(pixels: Tensor, share: float) -> Tensor:
    side = min(pixels.shape[-2:])
    sigma_px = share * side
    if sigma_px < 0.05:
        return pixels
    window = min(2 * max(1, round(3 * sigma_px)) + 1, side - (side + 1) % 2)
    return gaussian_blur(pixels, window, sigma_px)


def _saturation(pixels: Tensor) -> float:
    highest, lowest = pixels.amax(1), pixels.amin(1)
    return float(((highest - lowest) / highest.clamp(min=1e-6)).mean())


def _sharpness(pixels: Tensor) -> float:
    """The variance of the Laplacian of the luminance; 0 of a picture too small to have one."""
    grey = luminance(pixels)[0, 0]
    if min(grey.shape) < 3:
        return 0.0
    inner = -4 * grey[1:-1, 1:-1] + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(inner.var(correction=0))


STEPS = 12
# by tone: how pixels are toned by an amount, what is measured, between which amounts, and whether it rises
TONES: dict[Tone, tuple[Callable[[Tensor, float], Tensor], Callable[[Tensor], float], Ends, bool]] = {
    "exposure": (_exposed, lambda x: float(luminance(x).mean()), (0.0, 8.0), True),
    "contrast": (_contrasted, lambda x: float(luminance(x).std(correction=0)), (0.0, 8.0), True),
    "colour": (_coloured, _saturation, (0.0, 8.0), True),
    "sharpness": (_blurred, _sharpness, (0.0, 0.1), False),
}


def saved_as_jpeg(pixels: Tensor, quality: int) -> Tensor:
    """Pixels (1, C, H, W) in [0, 1] of one or three channels after a JPEG of this quality; of another number
    of channels each by itself."""
    values = (pixels[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()  # (C, H, W)
    if len(values) == len(GREY):
        planes = [_through_jpeg(values.transpose(1, 2, 0), quality).transpose(2, 0, 1)]
    else:
        planes = [_through_jpeg(plane, quality)[None] for plane in values]
    return torch.from_numpy(np.concatenate(planes)).to(pixels)[None] / 255


def _through_jpeg(values: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))
