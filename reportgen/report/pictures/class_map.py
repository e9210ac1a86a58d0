"""A map of classes -> a picture in one colour and hatching a class, and its legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.findings import Array
from reportgen.report.pictures.figures import SIDE_PX, distinct
from reportgen.report.pictures.rasters import Raster
from reportgen.report.wording import plural, share

NAMED = 5  # classes with a colour of their own; the rest share one
SWATCH_PX = 14
REST = np.array((150, 150, 150), np.uint8)


def class_map(values: Array, names: Sequence[str]) -> tuple[Raster, tuple[Key, ...]]:
    """Class indices (rows, columns) as cells, the most frequent class first in the legend."""
    held, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    ranks = np.full(values.shape, NAMED, np.int64)
    for rank, at in enumerate(order[:NAMED]):
        ranks[values == held[at]] = rank
    cell = max(1, round(SIDE_PX / max(values.shape)))
    picture = Raster(hatched(np.kron(ranks, np.ones((cell, cell), np.int64))))
    swatch = np.ones((SWATCH_PX, SWATCH_PX), np.int64)
    keys = [
        Key(Raster(hatched(rank * swatch)), _name(held[at], names), share(counts[at] / values.size))
        for rank, at in enumerate(order[:NAMED])
    ]
    if rest := order[NAMED:].tolist():
        told, part = (
            plural(len(rest), "other class", "other classes"),
            share(counts[rest].sum() / values.size),
        )
        keys.append(Key(Raster(hatched(NAMED * swatch)), told, part))
    return picture, tuple(keys)


def _name(index: int, names: Sequence[str]) -> str:
    return names[index] if index >= 0 else "no answer: not finite"


def hatched(ranks: Array) -> Array:
    """Ranks (h, w) as RGB: a colour each, and a hatching so that colour is not the only sign."""
    colours = np.concatenate((distinct()[:NAMED], REST[None]))
    y, x = np.indices(ranks.shape)
    lines = np.stack(
        (
            np.zeros_like(x),  # the most frequent class is plain
            (x + y) % 7 < 2,
            (x - y) % 7 < 2,
            y % 7 < 2,
            x % 7 < 2,
            np.zeros_like(x),
        )
    )  # (NAMED + 1, h, w)
    dark = np.take_along_axis(lines, ranks[None], 0)[0].astype(bool)
    pixels = colours[ranks].astype(np.float32) * np.where(dark, 0.62, 1.0)[..., None]
    return np.asarray(pixels.astype(np.uint8))


@dataclass(frozen=True)
class Key:
    """An entry of a picture's legend: a swatch as it is drawn there, its name, its share."""

    swatch: Raster
    name: str
    share: str
