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
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from reportgen.engine.needs import ModelFacts, Score
from reportgen.engine.perturb.makers import Maker, Source, covered
from reportgen.engine.plan import Plan
from reportgen.measure.maps.asking import Asking, ByMethod, Sampled
from reportgen.measure.maps.objects import mass_in
from reportgen.measure.visualizations import Visualization

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
        others = _by_other_score(asking, [v for v in visualizations if v in asking.quick], some, whole[kept])
        for v in visualizations:
            found[v.name] = {}
            for number, at in enumerate(kept):
                found[v.name][having[at]] = {"share": _share(maps[v.name][number], whole, quarters[at])}
                if v.name in others:
                    share = _share(others[v.name][number], whole, quarters[at])
                    found[v.name][having[at]]["other_score"] = share
    return found


def _by_other_score(
    asking: Asking, visualizations: Sequence[Visualization], part: Sampled, whole: Tensor
) -> dict[str, Tensor]:
    """The maps of those that are made of gradients, once more by the score that they do not explain."""
    asked = two_scored(visualizations, asking.facts)
    if not asked:
        return {}
    score: Score = "contrast" if asking.facts.score == "logit" else "logit"
    other = replace(asking, facts=replace(asking.facts, score=score))
    (maps,) = other.remade(asked, part, whole, [part.targets])
    return maps


def two_scored(visualizations: Sequence[Visualization], facts: ModelFacts) -> tuple[Visualization, ...]:
    """Those whose maps depend on the score that is differentiated. Of one logit the contrast is twice the
    logit, and every map the same; a map that is made of weights alone is, too."""
    if facts.head.kind == "binary":
        return ()
    own = [v for v in visualizations if not getattr(v.probe, "of_weights", False)]
    return tuple(v for v in own if Plan(v.needs, facts, 1).each.backwards)


def _share(values: Tensor, whole: Tensor, quarter: int) -> float | None:
    """The share of a map (h, w) in a quarter of the mosaics (n, C, H, W), at their size."""
    large = interpolate(values[None, None].float(), whole.shape[2:], mode="bilinear")[0, 0]
    return share_in(large, quarter)


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
