"""Does a map find the right picture?

Four images that were answered with confidence, of which one alone has the class that is explained, are put
into one picture, each at half its size; the share of the map's positive values that lies in the right quarter
is 0.25 where it knows nothing. Only mosaics count where the experiment says that the score rests on that
quarter: blurring it has to lower the score more than blurring any other.

Arias-Duart et al. 2022, Focus! (arXiv:2109.15035); the grid pointing game of Böhle et al. 2021
(arXiv:2104.00032) and Rao et al. 2022 (arXiv:2205.10435).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reportgen.engine.perturb.makers import Maker, Source, covered
from reportgen.measure.maps.asking import Asking, ByMethod, Sampled
from reportgen.measure.maps.objects import mass_in

QUARTERS = 4


@dataclass(frozen=True)
class Mosaic:
    """Which place of the sample is in which quarter: the one that is explained, and where it stands."""

    places: tuple[int, int, int, int]  # row by row
    quarter: int


def arranged(answers: Sequence[int], sure: Sequence[bool], seed: int) -> dict[int, Mosaic]:
    """A mosaic for every place of the sample that was answered with confidence, by place; none where too few
    others were answered otherwise. `answers` are the classes (N,)."""
    found = {}
    able = [place for place, is_sure in enumerate(sure) if is_sure]
    for place in able:
        draw = random.Random(f"{seed} {place}")
        others = [other for other in able if answers[other] != answers[place]]
        draw.shuffle(others)
        # of different classes, as far as there are any
        fresh = {answers[other]: other for other in reversed(others)}
        first = [other for other in others if fresh[answers[other]] == other]
        chosen = (first + [other for other in others if other not in first])[: QUARTERS - 1]
        if len(chosen) < QUARTERS - 1:
            continue
        quarter = draw.randrange(QUARTERS)
        chosen.insert(quarter, place)
        one, two, three, four = chosen
        found[place] = Mosaic((one, two, three, four), quarter)
    return found


def halved(pixels: Tensor, height: int, width: int) -> Tensor:
    """Images (n, C, H, W) at the size of a quarter of an input (n, C, h, w)."""
    size = (height, width)
    return interpolate(pixels.float(), size, mode="bilinear", align_corners=False, antialias=True)


def boxes(height: int, width: int) -> Tensor:
    """The quarters as (4, 4) of top, left, bottom, right."""
    y, x = height // 2, width // 2
    return torch.tensor([(0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width)])


def finds_the_picture(
    asking: Asking, mosaics: Mapping[int, Mosaic], pixels: Mapping[int, Tensor]
) -> ByMethod:
    """The share of each map's positive values that lies in the right quarter, for the images that have a
    mosaic whose score rests on it; `pixels` (C, H, W) by place."""
    batch = asking.batch
    having = [row for row, place in enumerate(batch.places) if place in mosaics]
    if not having or not asking.visualizations:
        return {}
    whole = torch.stack([_laid(mosaics[batch.places[row]], pixels) for row in having])
    quarters = [mosaics[batch.places[row]].quarter for row in having]
    part = batch.rows(having)
    resting = _resting(asking, part, whole, quarters)
    found: ByMethod = {}
    for visualizations, rows in asking.groups():
        kept = [at for at, row in enumerate(having) if resting[at] and row in rows]
        if not kept:
            continue
        some = part.rows(kept)
        (maps,) = asking.remade(visualizations, some, whole[kept], [some.targets])
        for v in visualizations:
            large = interpolate(maps[v.name][:, None].float(), whole.shape[2:], mode="bilinear")[:, 0]
            found[v.name] = {
                having[at]: {"share": share_in(large[number], quarters[at])} for number, at in enumerate(kept)
            }
    return found


def _laid(mosaic: Mosaic, pixels: Mapping[int, Tensor]) -> Tensor:
    """The picture (C, H, W)."""
    whole = torch.empty_like(next(iter(pixels.values())))
    for place, (top, left, bottom, right) in zip(
        mosaic.places, boxes(*whole.shape[1:]).tolist(), strict=True
    ):
        whole[:, top:bottom, left:right] = halved(pixels[place][None], bottom - top, right - left)[0]
    return whole


@torch.no_grad()
def _resting(asking: Asking, part: Sampled, whole: Tensor, quarters: Sequence[int]) -> list[bool]:
    """Of which mosaics (n, C, H, W) the score falls most where the right quarter is blurred."""
    engine = asking.engine
    x = whole.to(engine.device)
    fill = Source(x, engine.normalisation, {}).baseline("blur")
    under = covered(boxes(*whole.shape[2:]).to(x.device), *whole.shape[2:])  # (4, 1, H, W)
    made = Maker(QUARTERS, lambda image, n: torch.where(under[n], fill[image], x[image]))
    scores = engine.scores(x, made).cpu()  # (n, 4, classes)
    targets = part.targets[:, None, None].expand(-1, QUARTERS, 1)
    lowest = scores.gather(2, targets)[..., 0].argmin(1).tolist()
    return [found == quarter for found, quarter in zip(lowest, quarters, strict=True)]


def share_in(values: Tensor, quarter: int) -> float | None:
    """The share of a map's (H, W) positive values that lies in a quarter; None where it has none."""
    inside = torch.zeros(values.shape, dtype=torch.bool)
    top, left, bottom, right = boxes(*values.shape)[quarter].tolist()
    inside[top:bottom, left:right] = True
    return mass_in(values, inside)
