"""Places the boxes of one segment of the network's drawing: in which rank (a row of boxes), and where in it.

Sugiyama, Tagawa & Toda 1981: ranks by longest path, the order in a rank by barycentre, then upright
lanes as near to what they are linked with as the widths allow. A value that is read at once and again
later runs down a rail on the right of everything else, so that a residual is seen as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

APART, RAIL = 10.0, 10.0  # px between boxes, and beside a rail
SWEEPS, FAR = 20, 1e9


@dataclass(eq=False)
class Item:
    """A box in its rank, or the place where a long edge passes a rank."""

    rank: int
    width: float = 0.0
    height: float = 0.0
    box: int | None = None
    rail: bool = False
    pinned: bool = False
    x: float = 0.0
    above: list[Item] = field(default_factory=list)
    below: list[Item] = field(default_factory=list)


def ranked(
    boxes: Sequence[int],
    edges: Sequence[tuple[int, int]],
    sizes: dict[int, tuple[float, float]],
    entry: int | None,
    leaving: int | None,
) -> tuple[list[list[Item]], list[list[Item]]]:
    """Items in ranks, and for each edge the items that it passes, both ends among them."""
    level = {} if entry is None else {entry: 0}
    for at in boxes:
        level[at] = 1 + max((level[a] for a, b in edges if b == at), default=0 if entry is not None else -1)
    ends = {at: Item(level[at], *sizes[at], box=at) for at in boxes}
    links = [(a, b) for a, b in edges if b in ends]
    pairs = []
    if entry is not None:
        ends[entry] = Item(0, pinned=True)
    out = Item(max(level.values()) + 1, pinned=True)
    if leaving is not None:
        pairs = [(ends[leaving], out)]
    pairs = [(ends[a], ends[b]) for a, b in links] + pairs
    ranks: list[list[Item]] = [[] for _ in range(out.rank + (leaving is not None))]
    for item in [*ends.values(), *([out] if leaving is not None else [])]:
        ranks[item.rank].append(item)
    readers = Counter(id(a) for a, _ in pairs)
    chains = [_chain(a, b, b.rank - a.rank > 1 and readers[id(a)] > 1, ranks) for a, b in pairs]
    if leaving is not None and sum(not item.rail for item in ranks[level[leaving]]) == 1:
        ends[leaving].pinned = True  # so that one segment ends where the next begins
    return chains, ranks


def _chain(start: Item, end: Item, rail: bool, ranks: list[list[Item]]) -> list[Item]:
    passed = [Item(rank, width=4.0, rail=rail) for rank in range(start.rank + 1, end.rank)]
    for item in passed:
        ranks[item.rank].append(item)
    chain = [start, *passed, end]
    for upper, lower in pairwise(chain):
        upper.below.append(lower)
        lower.above.append(upper)
    return chain


def order(ranks: list[list[Item]]) -> None:
    """Each rank from left to right: by barycentre, rails last, the one that began last nearest."""
    for down in (True, False, True):
        for row in ranks if down else ranks[::-1]:
            place = {id(item): at for near in ranks for at, item in enumerate(near)}
            keyed = [(_barycentre(item, down, place), at, item) for at, item in enumerate(row)]
            row[:] = [item for *_, item in sorted(keyed, key=lambda entry: entry[:2])]


def _barycentre(item: Item, down: bool, place: Mapping[int, int]) -> float:
    if item.rail:
        return FAR - _began(item)
    near = [other for other in (item.above if down else item.below) if not other.rail]
    return sum(place[id(other)] for other in near) / len(near) if near else place[id(item)]


def _began(item: Item) -> int:
    while item.rail:
        item = item.above[0]
    return item.rank


def spread(ranks: list[list[Item]]) -> None:
    """Upright lanes beside one another, each as near to what it is linked with as the others allow."""
    items = [item for row in ranks for item in row if not item.rail]
    lanes = _lanes(items)
    pairs = _neighbours(ranks, lanes)
    order = _from_left(len(lanes), pairs)
    if order is None:  # two lanes cross: then every item stands for itself
        lanes = [[item] for item in items]
        pairs = _neighbours(ranks, lanes)
        order = _from_left(len(lanes), pairs)
    assert order is not None, "the items of a rank have an order"
    places = _packed(order, pairs)
    _pulled(lanes, pairs, places)
    for lane, x in zip(lanes, places, strict=True):
        for item in lane:
            item.x = x
    _straighten_rails(ranks)
    for row in ranks:
        for item in row:
            item.x = round(item.x, 1) + 0.0


def _lanes(items: Sequence[Item]) -> list[list[Item]]:
    """Runs of items of which each is read by the next alone."""
    lanes: list[list[Item]] = []
    lane_of: dict[int, list[Item]] = {}
    for item in items:  # in order of rank
        above = item.above[0] if len(item.above) == 1 else None
        if above and len(above.below) == 1 and not above.pinned and not item.pinned:
            lane_of[id(item)] = lane_of[id(above)]
            lane_of[id(above)].append(item)
        else:
            lane_of[id(item)] = [item]
            lanes.append(lane_of[id(item)])
    return lanes


def _neighbours(ranks: list[list[Item]], lanes: list[list[Item]]) -> dict[tuple[int, int], float]:
    """Lanes (by number) that stand beside one another in some rank, and how far apart at least."""
    lane_of = {id(item): n for n, lane in enumerate(lanes) for item in lane}
    nearest: dict[tuple[int, int], float] = {}
    for row in ranks:
        boxes = [item for item in row if not item.rail]
        for left, right in pairwise(boxes):
            pair = (lane_of[id(left)], lane_of[id(right)])
            nearest[pair] = max(nearest.get(pair, 0.0), _apart(left, right))
    return nearest


def _from_left(count: int, pairs: Mapping[tuple[int, int], float]) -> list[int] | None:
    """Lanes so that each comes after all that stand left of it; None where two cross."""
    sorter: TopologicalSorter[int] = TopologicalSorter({n: [] for n in range(count)})
    for left, right in pairs:
        sorter.add(right, left)
    try:
        return list(sorter.static_order())
    except CycleError:
        return None


def _packed(order: Sequence[int], pairs: Mapping[tuple[int, int], float]) -> list[float]:
    """The middle between all lanes as far left and all as far right as they can be, around 0."""
    lefts, rights = [0.0] * len(order), [0.0] * len(order)
    for lane in order:
        lefts[lane] = max((lefts[a] + gap for (a, b), gap in pairs.items() if b == lane), default=0.0)
    for lane in reversed(order):
        rights[lane] = min((rights[b] - gap for (a, b), gap in pairs.items() if a == lane), default=0.0)
    # lefts reach from 0 to the width, rights from -width to 0
    return [(left + right) / 2 for left, right in zip(lefts, rights, strict=True)]


def _pulled(lanes: list[list[Item]], pairs: Mapping[tuple[int, int], float], places: list[float]) -> None:
    """Moves each lane towards the lanes that it is linked with, as far as its neighbours let it."""
    lane_of = {id(item): n for n, lane in enumerate(lanes) for item in lane}
    for lane, row in enumerate(lanes):
        if any(item.pinned for item in row):
            places[lane] = 0.0
    for _ in range(SWEEPS):
        for lane, row in enumerate(lanes):
            linked = [lane_of[id(o)] for o in row[0].above + row[-1].below if not o.rail]
            if any(item.pinned for item in row) or not linked:
                continue
            wish = sum(places[other] for other in linked) / len(linked)
            low = max((places[a] + gap for (a, b), gap in pairs.items() if b == lane), default=-FAR)
            high = min((places[b] - gap for (a, b), gap in pairs.items() if a == lane), default=FAR)
            places[lane] = min(max(wish, low), max(high, low))


def _apart(left: Item, right: Item) -> float:
    room = RAIL if left.rail or right.rail else APART
    return (left.width + right.width) / 2 + room


def _straighten_rails(ranks: list[list[Item]]) -> None:
    """Every rail upright, right of all that stands left of it in any of its ranks."""
    tops = [item for row in ranks for item in row if item.rail and not item.above[0].rail]
    for top in sorted(tops, key=lambda item: (-item.rank, ranks[item.rank].index(item))):
        run = [top]
        while run[-1].below[0].rail:
            run.append(run[-1].below[0])
        x = -FAR
        for item in run:
            row = ranks[item.rank]
            at = row.index(item)
            x = max([x, *(row[n].x + _apart(row[n], item) for n in range(at))])
        for item in run:
            item.x = x
