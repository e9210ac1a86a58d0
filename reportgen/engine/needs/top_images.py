"""Needs of the set's strongest images, class by class or channel by channel, and of projections of them.

What is asked of the whole set before anything can be asked of single images of it: the ranks of a
first round (`TopImages`, `Record`), and what a second round over those images alone gives
(`Projected`). Zeiler & Fergus 2013, sec. 2.1 and fig. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from torch import Tensor

from reportgen.engine.needs.rules import Rule as Rule
from reportgen.engine.needs.work import Work
from reportgen.engine.network.facts import LayerFacts as LayerFacts
from reportgen.engine.network.facts import LayerName as LayerName
from reportgen.engine.network.facts import ModelFacts, index_of
from reportgen.errors import UnknownName
from reportgen.findings import Array, NotApplicable


@dataclass(frozen=True)
class ClassLogit:
    """A class as something that is driven: its logit."""

    index: int


@dataclass(frozen=True)
class ChannelMean:
    """A channel as something that is driven: the mean of its map, or its value where it has no map."""

    layer: str
    channel: int


@dataclass(frozen=True)
class Direction:
    """A direction u (C,) of length 1 among a layer's channels, as something that is driven: the mean over
    the places of its map of (a·u)·max(0.1, cos(a, u))^`power`, a being the answer at a place. By the cosine,
    which is that of Carter et al. 2019, what points elsewhere counts for little."""

    layer: str
    u: tuple[float, ...]
    power: float = 2.0


Unit: TypeAlias = ClassLogit | ChannelMean
Driven: TypeAlias = Unit | Direction


@dataclass(frozen=True)
class TopImages:
    """The `k` images of the set that drive each channel of a layer furthest, one place an image: that
    of the map's highest value."""

    layer: str
    k: int = 9

    def work(self, _model: ModelFacts) -> Work:
        return Work("set", taps=(self.layer,))


@dataclass(frozen=True)
class Ranking:
    """For each of C channels the k strongest images, strongest first: `values` (C, k) of the channel,
    the images' `numbers` (C, k) in the set, and the `places` (C, k, 2), row and column of the map.
    The number is -1, and the value -inf, where the set has too few images.
    """

    values: Array
    numbers: Array
    places: Array

    @classmethod
    def of(cls, rows: Array, width: int) -> Ranking:
        """From merged `Tally.tops` (C, k, 3) of maps that are `width` values wide."""
        place = rows[..., 2].astype(np.int64)
        places = np.stack((place // width, place % width), -1)
        return cls(rows[..., 0].astype(np.float32), rows[..., 1].astype(np.int64), places)

    @property
    def excited(self) -> Array:
        """Where there is an image that drives the channel above zero, bool (C, k)."""
        return np.asarray((self.numbers >= 0) & (self.values > 0))

    def channels(self, wished: int | Sequence[int]) -> list[int]:
        """The channels to look at: the wished ones, or so many of those that some image drives above
        zero, evenly spaced by number, so that none is picked for its looks."""
        if not isinstance(wished, int):
            return list(wished)
        alive = np.flatnonzero(self.excited[:, 0]).tolist()
        count = min(wished, len(alive))
        return [alive[n * len(alive) // count] for n in range(count)]


@dataclass(frozen=True)
class Record:
    """The image of the set that drives a unit furthest: what a climbed picture is measured against."""

    unit: Unit

    def work(self, _model: ModelFacts) -> Work:
        return Work("set", taps=(self.unit.layer,) if isinstance(self.unit, ChannelMean) else ())


@dataclass(frozen=True)
class RecordHolder:
    """Who holds a record: the unit's value, the image's number and its pixels (C, H, W) in [0, 1]."""

    value: float
    number: int
    pixels: Tensor


@dataclass(frozen=True)
class Projected:
    """Channels' strongest places, each projected down to the pixels by a rule, and the patches there.

    One value of one channel is sent back, all others of the layer being zero. `channels` are named,
    or so many (see `Ranking.channels`). A patch is what the value can see at most, moved inward at
    the border; both are shrunk to `side_px`.
    """

    top_images: TopImages
    channels: int | tuple[int, ...]
    rule: Rule = "deconv"
    side_px: int = 96

    def work(self, _model: ModelFacts) -> Work:
        return Work(
            "model", requires=(self.top_images,), rules=(self.rule,), keeps_graph=True, lines=_projected_lines
        )


def seen_again(several: Sequence[Projected], images: int) -> int:
    """Images of a set of so many that are looked at again for their strongest places, at most."""
    tiles = sum(
        need.top_images.k * (need.channels if isinstance(need.channels, int) else len(need.channels))
        for need in several
    )
    return min(images, tiles)


def _projected_lines(several: Sequence[Projected], images: int) -> list[str]:
    again, tiles = seen_again(several, images), sum(need.top_images.k for need in several)
    words = (
        f"of the strongest images at most {again} are seen again, to project at most {tiles} "
        "places a channel down to the pixels"
    )
    return [words] if again else []


@dataclass(frozen=True)
class NeighboursByChannel:
    """For each image the map of a layer that it drives furthest (the largest sum over places), that
    map's highest value sent back to the pixels, and beside it those of the `others` images of the set
    that drive the same map furthest. Zeiler & Fergus 2013, fig. 7 c.

    Gives Projections with a row an image, the image itself first. The set is ranked before any image
    is asked, so all of it is scored in a first round.
    """

    layer: str
    others: int = 3
    rule: Rule = "deconv"
    side_px: int = 96

    @property
    def top_images(self) -> TopImages:
        """The ranks that it goes by; one more than `others`, as the image may be among them."""
        return TopImages(self.layer, self.others + 1)

    def work(self, _model: ModelFacts) -> Work:
        return Work(
            requires=(self.top_images,),
            taps=(self.layer,),
            rules=(self.rule,),
            keeps_graph=True,
            lines=_neighbours_lines,
        )


def _neighbours_lines(several: Sequence[NeighboursByChannel], _images: int) -> list[str]:
    return [
        f"the set is ranked by the maps of {need.layer} first; then each image that is shown is "
        f"projected with {need.others} others"
        for need in several
    ]


@dataclass(frozen=True)
class Projections:
    """Of M `channels` the k strongest places: `ranking` of these channels alone, `boxes` (M, k, 4) as
    (top, left, bottom, right) in input pixels, `patches` (M, k, C, s, t) in [0, 1] and `projections`
    (M, k, C, s, t), raw."""

    channels: tuple[int, ...]
    ranking: Ranking
    boxes: Array
    patches: Array
    projections: Array


def class_logit(model: ModelFacts, name: str | int) -> ClassLogit:
    """A class by name, or else by index. Raises UnknownName with the nearest right one."""
    return ClassLogit(index_of(name, model.classes))


def channel_mean(model: ModelFacts, name: LayerName, channel: int) -> ChannelMean:
    """A channel of a layer by name or number. Raises UnknownName, and NotApplicable where the
    layer's output is neither a stack of maps nor a vector."""
    layer = model.layer(name)
    if layer.map_shape is None:
        raise NotApplicable(f"the output of {layer.name} has no channels")
    return ChannelMean(layer.name, channel_of(layer, channel))


def channel_of(layer: LayerFacts, channel: int) -> int:
    """The channel's number. Raises UnknownName where the layer has not so many."""
    if channel >= layer.maps:
        raise UnknownName(f"channel of {layer.name}", channel, ())
    return channel
