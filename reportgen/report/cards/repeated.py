"""Figures that another figure of the card equals: shown once, and said there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from reportgen.findings import Array
from reportgen.report.values.card import Block, Figure, Group
from reportgen.report.wording import listed

NEAR = 0.02  # of a scale: maps that differ by less look the same in every place


@dataclass
class Seen:
    """A figure that was met, and the titles of those that it stands for."""

    figure: Figure
    strengths: Array | None
    also: list[str] = field(default_factory=list)


def once(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups without figures that an earlier one equals: a map that is another one times a number, and a
    map of classes. The earlier one names the visualizations that it stands for. Maps that failed their test
    are passed over: they are folded, and none may stand for one that did not."""
    met: list[Seen] = []
    kept = [_without(group, met) if not group.failed else group for group in groups]
    named = {seen.figure.id: seen.also for seen in met if seen.also}
    return tuple(_naming(group, named) for group in kept)


def _without(group: Group, met: list[Seen]) -> Group:
    blocks = tuple(_new(block, met) for block in group.blocks)
    rows = tuple(tuple(_new(block, met) for block in row) for row in group.rows)
    shown = tuple(row for row in rows if any(block.pictured for block in row))
    return replace(group, blocks=blocks, rows=shown)


def _new(block: Block, met: list[Seen]) -> Block:
    """The block without figures that were met before it, which are told of it; its own join them."""
    own: list[Seen] = []
    gone: set[str] = set()
    for figure in block.figures:
        seen = Seen(figure, strengths(figure))
        same = next((other for other in met if _same(other, seen)), None)
        if same is None:
            own.append(seen)
        else:
            same.also.append(block.title)
            gone.add(figure.id)
    met += own
    if not gone:
        return block
    again = tuple(figure for figure in block.again if figure.again not in gone)
    return replace(block, figures=tuple(seen.figure for seen in own), again=again)


def _same(one: Seen, other: Seen) -> bool:
    first, second = one.figure, other.figure
    if first.keys or second.keys:  # a map of classes, told by its colours
        alike = first.keys and [(k.name, k.share) for k in first.keys] == [
            (k.name, k.share) for k in second.keys
        ]
        return bool(alike and first.picture and second.picture and _equal(first, second))
    if first.target != second.target or one.strengths is None or other.strengths is None:
        return False
    if one.strengths.shape != other.strengths.shape:
        return False
    return bool(np.abs(one.strengths - other.strengths).max() <= NEAR)


def _equal(first: Figure, second: Figure) -> bool:
    assert first.picture and second.picture
    return np.array_equal(first.picture.pixels, second.picture.pixels)


def strengths(figure: Figure) -> Array | None:
    """The values (h, w) of a map as shares of the end of its scale, from -1 to 1: equal for maps of which
    one is the other times a number, whether a scale has room for values below 0 or not. None of no map."""
    raw = figure.picture.map if figure.picture else None
    if raw is None or not np.isfinite(raw.by.high) or raw.by.high <= 0:
        return None
    values = raw.by.low + raw.levels.astype(np.float64) * (raw.by.high - raw.by.low) / raw.by.top
    return np.asarray(values / raw.by.high)


def _naming(group: Group, named: dict[str, list[str]]) -> Group:
    blocks = tuple(_told(block, named) for block in group.blocks)
    return replace(
        group, blocks=blocks, rows=tuple(tuple(_told(b, named) for b in row) for row in group.rows)
    )


def _told(block: Block, named: dict[str, list[str]]) -> Block:
    figures = tuple(_said(figure, named.get(figure.id, ())) for figure in block.figures)
    return replace(block, figures=figures)


def _said(figure: Figure, titles: Iterable[str]) -> Figure:
    others = list(dict.fromkeys(titles))
    return replace(figure, details=(*figure.details, f"the same in {listed(others)}")) if others else figure
