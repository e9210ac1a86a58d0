"""What boxes cost: patches as far as they pay, then whole maps. Counted, and never timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reportgen.engine.incremental.boxes import Boxes, Ints
from reportgen.engine.incremental.steps import MOVED, Program, Step

DENSE_FROM = 0.7  # of a map: larger patches cost what the map costs, with cutting and setting in
FINEST = 5  # groups along one side at most


@dataclass(frozen=True)
class Cost:
    """In multiply-adds; `macs` are only those. `numbers` is the most that one image holds at once."""

    total: float
    macs: float
    numbers: int


def whole_cost(program: Program) -> Cost:
    """What one image costs in full."""
    numbers = max([step.places * step.channels for step in program.steps] + [program.tail_numbers])
    own = sum(_in_full(step) for step in program.steps)
    macs = sum(step.places * step.macs for step in program.steps)
    return Cost(own + program.tail, macs + program.tail_macs, numbers)


def patched_cost(program: Program, boxes: Boxes, dense_from: float = DENSE_FROM) -> Cost:
    """What a group of patches costs, by the same steps that it will take."""
    at: list[Boxes | None] = []
    total, macs, numbers = float(program.tail), float(program.tail_macs), program.tail_numbers
    called = 0
    for step in program.steps:
        out = _after(step, [at[n] for n in step.inputs], boxes, dense_from)
        at.append(out)
        if out is None:
            total += _in_full(step)
            macs += step.macs * step.places
            numbers = max(numbers, step.places * step.channels)
            continue
        share = out.share
        total += _in_full(step) * share
        macs += step.macs * step.places * share
        called += not step.view
        seen = 0
        if step.kind == "window" and step.windows is not None:
            seen = out.context(step.windows).places * program.steps[step.inputs[0]].channels
        elif len(step.inputs) > 1:
            seen = out.places * step.channels
        total += 2 * seen * MOVED
        numbers = max(numbers, int(out.places * step.channels) + seen)
    # a last layer of many weights takes longer to read than to multiply by, for few patches at once
    once = called * program.called + MOVED * program.weights
    return Cost(boxes.count * total + once, boxes.count * macs, numbers)


def _in_full(step: Step) -> float:
    return 0 if step.view else step.places * (step.macs + MOVED * step.channels)


def _after(step: Step, before: Sequence[Boxes | None], start: Boxes, dense_from: float) -> Boxes | None:
    """Where the patches lie after a step; None where it is made in full."""
    if step.kind == "start":
        return start
    known = [boxes for boxes in before if boxes is not None]
    if len(known) < len(before) or step.kind == "whole":
        return None
    boxes = known[0]
    for other in known[1:]:
        boxes = boxes.union(other)
    if step.kind == "window" and step.windows is not None:
        boxes = boxes.seen_from(step.windows)
    elif step.kind == "pad" and step.pads is not None:
        return boxes.padded(step.pads)
    elif len(known) == 1:
        return boxes
    return None if boxes.share >= dense_from else boxes


@dataclass(frozen=True)
class Grouping:
    """In which groups an image's boxes are answered: their numbers, group by group."""

    groups: tuple[Ints, ...]
    cost: float  # of all groups, and of the image itself once
    macs: float
    plain: Cost  # of one image in full

    @property
    def gain(self) -> float:
        """How many times less it costs than every image in full."""
        return sum(map(len, self.groups)) * self.plain.total / self.cost


def grouped(
    program: Program, boxes: Ints, side_px: Sequence[int], batch_size: int, in_order: bool, kept: int = 0
) -> Grouping:
    """The cheapest way to answer boxes (V, 4): neighbours together, since patches near an edge are
    cut off by it and are smaller, but so many that few operations are called.

    No group holds more numbers at once than a batch of `batch_size` images in full; `kept` are those that
    are kept of each image. In order, where the answers are not collected first.
    """
    plain = whole_cost(program)
    room = batch_size * (plain.numbers + kept)
    found: list[Grouping] = []
    for count in range(1, FINEST + 1):
        parts = _in_rows(boxes, count) if in_order else _in_cells(boxes, count)
        groups, total, macs = [], plain.total, plain.macs
        for part in parts:
            each = patched_cost(program, Boxes.of(boxes[part], side_px))
            most = max(1, room // (each.numbers + kept))
            for group in np.array_split(part, -(-len(part) // most)):
                groups.append(group)
                own = patched_cost(program, Boxes.of(boxes[group], side_px))
                total, macs = total + own.total, macs + own.macs
        found.append(Grouping(tuple(groups), total, macs, plain))
    return min(found, key=lambda grouping: grouping.cost)


def _in_rows(boxes: Ints, count: int) -> list[Ints]:
    return [part for part in np.array_split(np.arange(len(boxes)), min(count, len(boxes))) if len(part)]


def _in_cells(boxes: Ints, count: int) -> list[Ints]:
    """Boxes (V, 4) by the places of their middles, in count × count cells."""
    cell = np.zeros(len(boxes), np.int64)
    for low, high in ((0, 2), (1, 3)):
        middles = boxes[:, low] + boxes[:, high]
        edges = np.linspace(middles.min(), middles.max() + 1, count + 1)[1:-1]
        cell = cell * count + np.searchsorted(edges, middles, side="right")
    return [np.flatnonzero(cell == number) for number in np.unique(cell)]
