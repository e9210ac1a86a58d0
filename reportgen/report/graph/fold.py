"""A graph of operations -> the boxes to draw: chains and whole containers folded, cut into segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reportgen.findings import Graph
from reportgen.report.wording import plural

FOLLOWERS = {"norm", "activation"}  # what stands in the box of what it follows
SEGMENT_AT_MOST = 36  # boxes between two cuts; more are folded by the modules that hold them
LINES_AT_MOST = 7  # values side by side
BOXES_AT_MOST = 260
COUNTED = {"conv": "conv", "linear": "linear", "add": "addition", "concatenate": "concat"}  # of a container


@dataclass(frozen=True)
class Box:
    """What is drawn as one: an operation, a chain of them, or all that lies in one container."""

    kind: str
    words: tuple[str, ...]
    layers: tuple[str, ...]
    within: str
    shape: tuple[int, ...] | None
    operations: tuple[tuple[str, str], ...] = ()  # (kind, words) of all that is in it


@dataclass(frozen=True)
class Net:
    """Boxes in an order in which they can run, and the edges between them, each once."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int], ...]

    def merged(self, groups: Sequence[Sequence[int]], new: Sequence[Box]) -> Net | None:
        """The net with groups of boxes as one box each; None where that would make a circle."""
        group_of = {member: at for at, group in enumerate(groups) for member in group}
        edges = {(group_of[a], group_of[b]) for a, b in self.edges if group_of[a] != group_of[b]}
        order = _order(len(groups), edges)
        if order is None:
            return None
        place = {group: at for at, group in enumerate(order)}
        return Net(
            tuple(new[group] for group in order),
            tuple(sorted((place[a], place[b]) for a, b in edges)),
        )


@dataclass(frozen=True)
class Segment:
    """Boxes between two places where only one value goes on: `entry` is the box that made it."""

    entry: int | None
    boxes: tuple[int, ...]


def net(graph: Graph) -> Net:
    """The boxes of a graph, folded so far that the drawing can be read."""
    boxes = tuple(
        Box(kind, (words,), (layer,) if layer else (), within, shape, ((kind, words),))
        for kind, words, layer, within, shape in graph.boxes
    )
    folded = _chains(Net(boxes, tuple(sorted(set(graph.edges)))))
    if len(folded.boxes) > BOXES_AT_MOST:
        folded = _contained(folded, tuple(range(len(folded.boxes))), BOXES_AT_MOST)
    for segment in reversed(segments(folded)):  # from the last, so that the numbers before stay
        if _too_large(folded, segment.boxes):
            folded = _contained(folded, segment.boxes, SEGMENT_AT_MOST)
    return folded


def segments(network: Net) -> list[Segment]:
    """The net cut wherever a single value crosses."""
    cut: list[Segment] = []
    entry: int | None = None
    run: list[int] = []
    last = {source: max(b for a, b in network.edges if a == source) for source, _ in network.edges}
    live: set[int] = set()
    for at in range(len(network.boxes)):
        run.append(at)
        live = {source for source in live | ({at} & last.keys()) if last[source] > at}
        if len(live) == 1:
            cut.append(Segment(entry, tuple(run)))
            (entry,), run = live, []
    return [*cut, Segment(entry, tuple(run))] if run else cut


def _chains(network: Net) -> Net:
    """conv, bn, relu as one box: what follows alone stands in the box of what it follows."""
    readers = Counter(a for a, _ in network.edges)
    makers: dict[int, list[int]] = {}
    for a, b in network.edges:
        makers.setdefault(b, []).append(a)
    groups: list[list[int]] = []
    group_of: dict[int, int] = {}
    for at, box in enumerate(network.boxes):
        before = makers.get(at, [])
        alone = len(before) == 1 and readers[before[0]] == 1 and network.boxes[before[0]].kind != "input"
        if box.kind in FOLLOWERS and alone:
            group_of[at] = group_of[before[0]]
            groups[group_of[at]].append(at)
        else:
            group_of[at] = len(groups)
            groups.append([at])
    chains = [_chain([network.boxes[member] for member in group]) for group in groups]
    folded = network.merged(groups, chains)
    assert folded is not None, "a chain has one way in and one way out"
    return folded


def _chain(members: Sequence[Box]) -> Box:
    return replace(
        members[0],
        words=tuple(word for box in members for word in box.words),
        layers=tuple(layer for box in members for layer in box.layers),
        shape=members[-1].shape,
        operations=tuple(operation for box in members for operation in box.operations),
    )


def _too_large(network: Net, boxes: Sequence[int]) -> bool:
    return len(boxes) > SEGMENT_AT_MOST or _lines(network, boxes) > LINES_AT_MOST


def _lines(network: Net, boxes: Sequence[int]) -> int:
    """The most edges that pass one place between these boxes."""
    inner = [(a, b) for a, b in network.edges if b in boxes]
    return max((sum(a <= at < b for a, b in inner) for at in boxes), default=0)


def _contained(network: Net, chosen: Sequence[int], at_most: int) -> Net:
    """The net with the chosen boxes folded by container, as little as makes them few enough."""
    members = set(chosen)
    deepest = max(len(_path(network.boxes[at])) for at in chosen)
    best = network
    for depth in range(deepest, 0, -1):
        groups: dict[tuple[str, ...], list[int]] = {}
        for at, box in enumerate(network.boxes):
            path = _path(box)
            folds = at in members and len(path) >= depth and box.kind not in ("input", "output")
            groups.setdefault(path[:depth] if folds else (f"#{at}",), []).append(at)
        containers = [_container(path, [network.boxes[at] for at in group]) for path, group in groups.items()]
        folded = network.merged(list(groups.values()), containers)
        if folded is None:
            continue
        best = folded
        left = len(chosen) - (len(network.boxes) - len(folded.boxes))
        if left <= at_most and not any(_too_wide(folded, segment) for segment in segments(folded)):
            break
    return best


def _too_wide(network: Net, segment: Segment) -> bool:
    return any(network.boxes[at].kind == "folded" for at in segment.boxes) and (
        _lines(network, segment.boxes) > LINES_AT_MOST
    )


def _path(box: Box) -> tuple[str, ...]:
    return tuple(box.within.split(".")) if box.within else ()


def _container(path: Sequence[str], members: Sequence[Box]) -> Box:
    """A container's box; one that would hold a single box stays that box."""
    if len(members) == 1:
        return members[0]
    operations = tuple(operation for box in members for operation in box.operations)
    counts = Counter(kind for kind, _ in operations)
    counted = [plural(counts[kind], word) for kind, word in COUNTED.items() if counts[kind]]
    return Box(
        "folded",
        (".".join(path), *counted),
        tuple(layer for box in members for layer in box.layers),
        ".".join(path[:-1]),
        members[-1].shape,
        operations,
    )


def _order(count: int, edges: set[tuple[int, int]]) -> list[int] | None:
    """Numbers 0 … count-1 so that every edge leads on, the lowest possible first; None for a circle."""
    waiting = Counter(b for _, b in edges)
    readers: dict[int, list[int]] = {}
    for a, b in edges:
        readers.setdefault(a, []).append(b)
    ready = sorted((n for n in range(count) if not waiting[n]), reverse=True)
    order: list[int] = []
    while ready:
        at = ready.pop()
        order.append(at)
        for reader in readers.get(at, []):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
        ready.sort(reverse=True)
    return order if len(order) == count else None
