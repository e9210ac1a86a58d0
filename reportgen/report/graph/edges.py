"""Where the lines between the boxes of a graph's drawing run: tracks between layers, rails upright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reportgen.report.graph.layers import Item, order, ranked, spread

Point = tuple[float, float]
GAP, TRACK = 15.0, 7.0  # px between ranks, and more for each level line between them


@dataclass(frozen=True)
class Way:
    """An edge's corners; `kept` where it is a rail."""

    points: tuple[Point, ...]
    kept: bool
    enters: bool  # a box, or the end of the segment


@dataclass(frozen=True)
class Placed:
    """A segment whose value comes in at (0, 0) and goes out at (0, height)."""

    corners: dict[int, Point]  # the upper left corner of each box
    ways: tuple[Way, ...]
    left: float
    right: float
    height: float


def place(
    boxes: Sequence[int],
    edges: Sequence[tuple[int, int]],
    sizes: dict[int, tuple[float, float]],
    entry: int | None,
    leaving: int | None,
    head: float,
) -> Placed:
    """The places of `boxes`, of (width, height) `sizes`. `entry` made the value that comes in, `leaving`
    the one that goes out; `head` is the least room above the first rank."""
    chains, ranks = ranked(boxes, edges, sizes, entry, leaving)
    order(ranks)
    spread(ranks)
    side = _sideways(chains, ranks)
    gaps = [_tracks(chains, side, upper) for upper in range(len(ranks) - 1)]
    tops, bottoms = _levels(ranks, gaps, head if entry is not None else 0.0)
    corners = {
        item.box: (round(item.x - item.width / 2, 1), tops[item.rank])
        for row in ranks
        for item in row
        if item.box is not None and item.height
    }
    ways = [_way(chain, gaps, tops, bottoms, side.get(n)) for n, chain in enumerate(chains)]
    edge = [item.x + sign * item.width / 2 for row in ranks for item in row for sign in (-1, 1)]
    return Placed(corners, tuple(ways), min(edge), max(edge), bottoms[-1])


def _sideways(chains: list[list[Item]], ranks: list[list[Item]]) -> dict[int, float]:
    """Edges (by number) that enter their box from the right, and how far from its middle."""
    into: dict[int, list[int]] = {}
    for n, chain in enumerate(chains):
        end = chain[-1]
        row = [item for item in ranks[end.rank] if not item.rail]
        if chain[-2].rail and end.box is not None and row[-1] is end and chain[-2].x > end.x + end.width / 2:
            into.setdefault(id(end), []).append(n)
    return {
        n: 6.0 * (at - (len(pieces) - 1) / 2)
        for pieces in into.values()
        for at, n in enumerate(sorted(pieces, key=lambda n: -chains[n][-2].x))
    }


def _tracks(chains: list[list[Item]], side: dict[int, float], upper: int) -> dict[tuple[int, int], int]:
    """The track, counted from the top, of each bent piece of an edge between two ranks.

    Pieces that share an end share a track; others do only where they are not above one another.
    """
    pieces = []
    for n, chain in enumerate(chains):
        at = upper - chain[0].rank
        if 0 <= at < len(chain) - 1 and not (n in side and at == len(chain) - 2):
            a, b = chain[at], chain[at + 1]
            if a.x != b.x:  # both are rounded
                pieces.append((a, b))
    groups: list[list[tuple[Item, Item]]] = []
    for piece in pieces:
        mine = [group for group in groups if any(piece[0] is a or piece[1] is b for a, b in group)]
        groups = [group for group in groups if group not in mine]
        groups.append([piece, *(taken for group in mine for taken in group)])
    tracks: list[list[tuple[float, float]]] = []
    track_of: dict[tuple[int, int], int] = {}
    for group in sorted(groups, key=lambda group: min(min(a.x, b.x) for a, b in group)):
        ends = [item.x for piece in group for item in piece]
        span = (min(ends) - 4, max(ends) + 4)
        tracks.append([])  # one that is free for certain
        track = next(t for t, taken in enumerate(tracks) if all(span[1] < a or b < span[0] for a, b in taken))
        tracks = [taken for taken in tracks if taken or taken is tracks[track]]
        tracks[track].append(span)
        track_of |= {(id(a), id(b)): track for a, b in group}
    return track_of


def _levels(
    ranks: list[list[Item]], gaps: list[dict[tuple[int, int], int]], head: float
) -> tuple[list[float], list[float]]:
    """The top and the bottom of each rank."""
    tops, bottoms = [0.0], [max(item.height for item in ranks[0])]
    for at, row in enumerate(ranks[1:]):
        tracks = 1 + max(gaps[at].values(), default=-1)
        height = max(item.height for item in row)
        room = 0.0 if not height and not tracks else GAP + TRACK * tracks
        tops.append(bottoms[-1] + (max(room, head + TRACK * tracks) if at == 0 else room))
        bottoms.append(tops[-1] + height)
    return tops, bottoms


def _way(
    chain: list[Item],
    gaps: list[dict[tuple[int, int], int]],
    tops: list[float],
    bottoms: list[float],
    side: float | None,
) -> Way:
    start, end = chain[0], chain[-1]
    points: list[Point] = [(start.x, tops[start.rank] + start.height)]
    for a, b in pairwise(chain):
        if side is not None and b is end:
            level = tops[end.rank] + end.height / 2 + side
            points += [(a.x, level), (round(end.x + end.width / 2, 1), level)]
            break
        track = gaps[a.rank].get((id(a), id(b)))
        if track is not None:
            behind = 1 + max(gaps[a.rank].values())
            level = tops[b.rank] - 9 - TRACK * (behind - track - 1)
            points += [(a.x, level), (b.x, level)]
        points.append((b.x, tops[b.rank]))
    kept = any(item.rail for item in chain)
    return Way(tuple(_without_doubles(points)), kept, end.box is not None)


def _without_doubles(points: Sequence[Point]) -> list[Point]:
    """Only the ends and the corners."""
    kept: list[Point] = []
    for point in points:
        if kept and kept[-1] == point:
            continue
        while len(kept) > 1 and any(kept[-2][axis] == kept[-1][axis] == point[axis] for axis in (0, 1)):
            kept.pop()
        kept.append(point)
    return kept
