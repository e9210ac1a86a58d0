"""The second round: channels' strongest places projected down to pixels, and the images of records.

Only images that a ranking names are seen again: one forward a batch serves every layer and channel,
and each place takes one backward of one value. Zeiler & Fergus 2013, sec. 2.1: all other values of
the layer are zero, rectifiers pass on what is positive, max-pooling routes by its switches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reportgen.engine.feed import ANY, Feed
from reportgen.engine.needs.top_images import (
    NeighboursByChannel,
    Projected,
    Projections,
    Ranking,
    Record,
    RecordHolder,
    Rule,
    TopImages,
)
from reportgen.engine.network.facts import ModelFacts, Normalisation
from reportgen.engine.network.output import Output
from reportgen.engine.relu_rules import RectifierRule
from reportgen.findings import Array

Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right
Load: TypeAlias = Callable[[Iterable[int]], Iterator[tuple[list[int], Tensor]]]


@dataclass(frozen=True)
class Job:
    """One place to project: the tile (channel's row, rank) it fills, what is sent back from where."""

    row: int
    rank: int
    channel: int
    place: tuple[int, int]
    box: Box


@dataclass
class Sheet:
    """The tiles of one need while they are filled; what no image fills stays empty."""

    need: Projected
    channels: tuple[int, ...]
    ranking: Ranking
    jobs: dict[int, list[Job]]  # by image number
    patches: Array
    projections: Array

    def finished(self) -> Projections:
        boxes = np.zeros((*self.ranking.numbers.shape, 4), np.int64)
        for job in (job for jobs in self.jobs.values() for job in jobs):
            boxes[job.row, job.rank] = job.box
        return Projections(self.channels, self.ranking, boxes, self.patches, self.projections)


@dataclass
class Projector:
    """Projects places down to the pixels on a frozen network. `load` gives images by number, in
    batches of (numbers, normalised pixels (n, C, H, W)); `progress` is told the images done of all."""

    network: nn.Module
    facts: ModelFacts
    normalisation: Normalisation
    device: torch.device
    load: Load
    output: Output = None
    feed: Feed = ANY
    progress: Callable[[int, int], None] = lambda done, total: None
    cost: dict[str, int] = field(
        default_factory=lambda: {"projection_forwards": 0, "projection_backwards": 0}
    )

    def run(
        self,
        projected: Sequence[Projected],
        rankings: Mapping[TopImages, Ranking],
        holders: Mapping[Record, tuple[float, int]],
    ) -> dict[Any, Any]:
        """Every `Projected`'s Projections, and for every record (value, image number) its RecordHolder."""
        sheets = [self._sheet(need, rankings[need.top_images]) for need in projected]
        wanted = {number for sheet in sheets for number in sheet.jobs}
        pictured = {number for _, number in holders.values()}
        holder_of: dict[Any, Any] = {}
        done = 0
        for numbers, pixels in self.load(sorted(wanted | pictured)):
            if wanted & set(numbers):
                self._project(sheets, numbers, self._placed(pixels))
            rows = dict(zip(numbers, self._unnormalised(pixels), strict=True))
            for record, (value, number) in holders.items():
                if number in rows:
                    holder_of[record] = RecordHolder(value, number, rows[number])
            done += len(numbers)
            self.progress(done, len(wanted | pictured))
        return holder_of | {sheet.need: sheet.finished() for sheet in sheets}

    def neighbours(
        self, need: NeighboursByChannel, ranking: Ranking, activation: Tensor, numbers: Sequence[int]
    ) -> Projections:
        """A row for each image of `numbers`: its own strongest map's highest place, then those of the
        images of the set that drive this map furthest. `activation` (N, C, h, w) is the layer's."""
        channels = activation.sum((2, 3)).argmax(1).tolist()  # (N,)
        rows = [
            _with_others(need, ranking, activation[n, channel], channel, number)
            for n, (channel, number) in enumerate(zip(channels, numbers, strict=True))
        ]
        whole = Ranking(*(np.stack(parts) for parts in zip(*rows, strict=True)))
        wished = Projected(need.top_images, tuple(channels), need.rule, need.side_px)
        sheet = self._filled(wished, tuple(channels), whole)
        for loaded, pixels in self.load(sorted(sheet.jobs)):
            self._project([sheet], loaded, self._placed(pixels))
        return sheet.finished()

    def _placed(self, pixels: Tensor) -> Tensor:
        return self.feed.laid(pixels.to(self.device))

    def _sheet(self, need: Projected, whole: Ranking) -> Sheet:
        channels = tuple(whole.channels(need.channels))
        rows = list(channels)
        ranking = Ranking(whole.values[rows], whole.numbers[rows], whole.places[rows])
        return self._filled(need, channels, ranking)

    def _filled(self, need: Projected, channels: tuple[int, ...], ranking: Ranking) -> Sheet:
        """A sheet with a row for each of `channels`, whose places are those of the same row of `ranking`."""
        jobs: dict[int, list[Job]] = {}
        for row, channel in enumerate(channels):
            for rank, number in enumerate(ranking.numbers[row].tolist()):
                if ranking.excited[row, rank]:
                    place = (int(ranking.places[row, rank, 0]), int(ranking.places[row, rank, 1]))
                    job = Job(row, rank, channel, place, self._box(need, place))
                    jobs.setdefault(number, []).append(job)
        size = self._tile(need)
        shape = (*ranking.numbers.shape, self.facts.input_shape[0], *size)
        empty = np.full(shape, 0.5, np.float32)
        return Sheet(need, channels, ranking, jobs, empty, np.zeros(shape, np.float32))

    def _box(self, need: Projected, place: tuple[int, int]) -> Box:
        """What a value can see at most, moved inward at the border; all of it where that is unknown."""
        _, height, width = self.facts.input_shape
        seen = self.facts.layer(need.top_images.layer).receptive
        if seen is None:
            return (0, 0, height, width)
        top, left, bottom, right = seen.box(*place)
        tall, wide = min(bottom - top, height), min(right - left, width)
        top, left = min(max(top, 0), height - tall), min(max(left, 0), width - wide)
        return (top, left, top + tall, left + wide)

    def _tile(self, need: Projected) -> tuple[int, int]:
        """The size of a tile: the patch, shrunk to `side_px`."""
        top, left, bottom, right = self._box(need, (0, 0))
        tall, wide = bottom - top, right - left
        factor = min(1.0, need.side_px / max(tall, wide))
        return max(1, round(tall * factor)), max(1, round(wide * factor))

    def _project(self, sheets: Sequence[Sheet], numbers: list[int], x: Tensor) -> None:
        """One forward of a batch and one backward for the n-th place of every image in it."""
        leaf = x.clone().requires_grad_()
        layers = tuple(dict.fromkeys(sheet.need.top_images.layer for sheet in sheets))
        with torch.enable_grad():
            _, kept = self.feed.ask(self.network, leaf, self.output, layers)
        self.cost["projection_forwards"] += len(numbers)
        pixels = self._unnormalised(x)
        for sheet in sheets:
            layer = sheet.need.top_images.layer
            a = self.facts.as_maps(layer, kept[layer])
            waiting = [sheet.jobs.get(number, []) for number in numbers]
            for turn in range(max(map(len, waiting), default=0)):
                now = {n: jobs[turn] for n, jobs in enumerate(waiting) if turn < len(jobs)}
                gradient = self._backward(a, now, leaf, sheet.need.rule)
                for n, job in now.items():
                    sheet.patches[job.row, job.rank] = cut(pixels[n], job.box, sheet.patches.shape[-2:])
                    size = sheet.projections.shape[-2:]
                    sheet.projections[job.row, job.rank] = cut(gradient[n], job.box, size)

    def _backward(self, a: Tensor, now: Mapping[int, Job], leaf: Tensor, rule: Rule) -> Tensor:
        """The projection of one value an image, (n, C, H, W); that value alone is sent back."""
        seed = torch.zeros_like(a)
        for n, job in now.items():
            at = (n, job.channel, *job.place) if a.ndim == 4 else (n, job.channel)
            seed[at] = a.detach()[at]
        with RectifierRule(rule):
            (gradient,) = torch.autograd.grad(a, leaf, seed, retain_graph=True)
        self.cost["projection_backwards"] += len(now)
        return gradient

    def _unnormalised(self, x: Tensor) -> Tensor:
        """Pixels in [0, 1] again, on the CPU."""
        mean = x.new_tensor(self.normalisation.mean)[:, None, None]
        std = x.new_tensor(self.normalisation.std)[:, None, None]
        return (x * std + mean).clamp(0, 1).cpu()


def _with_others(
    need: NeighboursByChannel, ranking: Ranking, own: Tensor, channel: int, number: int
) -> tuple[Array, Array, Array]:
    """Values, numbers and places of one row: the image's own map (h, w), then the others of the set."""
    place = divmod(int(own.argmax()), own.shape[1])
    there = np.flatnonzero(ranking.numbers[channel] != number)[: need.others]
    return (
        np.append(np.float32(own.max().cpu()), ranking.values[channel, there]),
        np.append(number, ranking.numbers[channel, there]),
        np.concatenate((np.array([place]), ranking.places[channel, there])),
    )


def cut(picture: Tensor, box: Box, size: tuple[int, ...]) -> Array:
    """The part of a picture (C, H, W) inside a box, each value of (C, *size) a mean of its pixels."""
    top, left, bottom, right = box
    part = picture[None, :, top:bottom, left:right].float()
    return np.asarray(interpolate(part, size, mode="area")[0].cpu())
