"""A graph -> its drawing: boxes with their words, in columns of a height that is read without scrolling."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportgen.findings import Graph
from reportgen.report.graph.edges import Placed, place
from reportgen.report.graph.fold import Net, Segment, net, segments
from reportgen.report.graph.shapes import (
    Column,
    Connector,
    Drawing,
    Panel,
    Route,
    Shape,
    Words,
    bent,
    outline,
    tip,
)
from reportgen.report.wording import plural, shape

COLUMN_PX = 640.0  # a column's height, unless one segment is higher: a page holds it below the facts
LINE_PX = {"what": 13.0, "more": 12.0, "size": 12.0}
LETTER_PX = {"what": 5.9, "more": 5.3, "size": 5.6}
SHORT_PX, FEW = 440.0, 4  # where so few columns are enough, each may be shorter
PLACE_PX, PLACE_AT_MOST = 5.8, 26  # of a letter of a label; letters
WIDEST_PX = 152.0
JOINS = ("add", "multiply", "concatenate", "join")
COUNTED = {
    "conv": "convolution",
    "linear": "linear layer",
    "pool": "pool",
    "concatenate": "concatenation",
    "multiply": "multiplication",
    "join": "other join",
}


@dataclass(frozen=True)
class _Laid:
    """A segment with its places and the frame around it, if any."""

    segment: Segment
    placed: Placed
    label: str

    @property
    def panelled(self) -> bool:
        return len(self.segment.boxes) > 1

    @property
    def height(self) -> float:
        return self.placed.height + (8.0 if self.panelled else 0.0)

    @property
    def right(self) -> float:
        """How far it reaches, its frame's label included."""
        return max(self.placed.right, len(self.label) * PLACE_PX)


def drawing(found: Graph, stem: str) -> Drawing:
    """The drawing of a graph, and in words how much of what is in it."""
    held = net(found)
    lines = {at: _lines(held, at) for at in range(len(held.boxes))}
    widths = [_width(words) for at, words in lines.items() if held.boxes[at].kind not in JOINS]
    common = min(WIDEST_PX, max(widths))
    sizes = {at: _size(held.boxes[at].kind, words, common) for at, words in lines.items()}
    parts = segments(held)
    laid = [
        _laid(held, sizes, segment, after.entry if after else None)
        for segment, after in zip(parts, [*parts[1:], None], strict=True)
    ]
    runs = _columns([one.height for one in laid])
    columns = [
        _column(held, lines, sizes, [laid[at] for at in run], n, len(runs)) for n, run in enumerate(runs)
    ]
    return Drawing(
        id=f"{stem}-{found.name}",
        title=found.title,
        caption=f"{_counts(found)}. {_how_to_read(held, columns)}",
        alt=f"{found.title}: {_counts(found)}",
        columns=tuple(columns),
    )


def _how_to_read(held: Net, columns: Sequence[Column]) -> str:
    """A sentence for each sign that the drawing has."""
    told = ["Read from top to bottom"]
    if any(route.kept for column in columns for route in column.routes):
        told.append("a line beside the boxes is a value that is kept and read again further down")
    if any(box.kind == "folded" for box in held.boxes):
        told.append("a box with another behind it is a module with all that is in it")
    if len(columns) > 1:
        told.append("a number in a circle is where a column goes on in the next")
    told.append("sizes (of maps: channels × height × width) stand where an operation changes them")
    return "; ".join(told) + "."


def residuals(found: Graph) -> tuple[int, int]:
    """How many additions have an input that the other is made of, and how many others there are."""
    makers: dict[int, list[int]] = {}
    for a, b in found.edges:
        makers.setdefault(b, []).append(a)
    before: list[set[int]] = []
    for at in range(len(found.boxes)):
        before.append(set().union(*({a} | before[a] for a in makers.get(at, []))))
    adds = [at for at, box in enumerate(found.boxes) if box[0] == "add"]
    skips = sum(any(a in before[b] for a in makers[at] for b in makers[at]) for at in adds)
    return skips, len(adds) - skips


def _counts(found: Graph) -> str:
    counts = Counter(kind for kind, *_ in found.boxes)
    told = [plural(counts[kind], word) for kind, word in COUNTED.items() if counts[kind]]
    skips, others = residuals(found)
    if skips:
        told.append(f"{plural(skips, 'addition')} of a value to what was made of it (identity residuals)")
    if others:
        told.append(f"{plural(others, 'addition')} of two branches")
    return ", ".join(told) or plural(len(found.boxes), "box", "boxes")


def _lines(held: Net, at: int) -> tuple[tuple[str, str], ...]:
    """(role, text) of a box's lines: what it is, what follows it, what its output's sizes are."""
    box = held.boxes[at]
    rest = list(box.words[1:])
    lines = [("what", box.words[0])]
    if box.kind in JOINS and rest:
        lines, rest = [("what", " · ".join(box.words))], []
    if rest:
        lines.append(("more", " · ".join(rest)))
    if box.shape and _changes(held, at):
        lines.append(("size", shape(box.shape)))
    most = int(WIDEST_PX / LETTER_PX["what"])
    return tuple((role, text if len(text) <= most else text[: most - 1] + "…") for role, text in lines)


def _changes(held: Net, at: int) -> bool:
    """Whether a box's sizes are news: its words say how many channels a convolution makes."""
    box = held.boxes[at]
    read = [held.boxes[a].shape for a, b in held.edges if b == at]
    if box.kind in ("input", "output") or not read:
        return True
    if box.kind == "linear":
        return False
    told = 1 if box.kind == "conv" else 0
    return all(box.shape[told:] != before[told:] for before in read if before) if box.shape else False


def _width(lines: Sequence[tuple[str, str]]) -> float:
    return max(len(text) * LETTER_PX[role] for role, text in lines) + 14


def _size(kind: str, lines: Sequence[tuple[str, str]], common: float) -> tuple[float, float]:
    """Width and height: joins are as small as their words allow, the others equally wide."""
    height = 7.0 + sum(LINE_PX[role] for role, _ in lines)
    if kind in JOINS:
        return max(_width(lines) + (14 if kind == "concatenate" else 0), height), height
    return common, height


def _laid(
    held: Net, sizes: Mapping[int, tuple[float, float]], segment: Segment, leaving: int | None
) -> _Laid:
    edges = [(a, b) for a, b in held.edges if b in segment.boxes]
    panelled = len(segment.boxes) > 1
    placed = place(segment.boxes, edges, dict(sizes), segment.entry, leaving, 26.0 if panelled else 15.0)
    return _Laid(segment, placed, _common(held, segment) if panelled else "")


def _common(held: Net, segment: Segment) -> str:
    """The innermost module that holds all of a segment."""
    paths = [held.boxes[at].within.split(".") for at in segment.boxes]
    same = 0
    while all(len(path) > same for path in paths) and len({path[same] for path in paths}) == 1:
        same += 1
    name = ".".join(paths[0][:same])
    return name if len(name) <= PLACE_AT_MOST else "…" + name[1 - PLACE_AT_MOST :]


def _columns(heights: Sequence[float]) -> list[list[int]]:
    """Runs of segments: as few columns as their height allows, and the highest of them least high."""
    fewest = len(_runs(heights, SHORT_PX))
    if fewest > FEW:
        fewest = len(_runs(heights, COLUMN_PX))
    limits = sorted({sum(heights[a:b]) for b in range(len(heights) + 1) for a in range(b)})
    lowest = bisect_left(limits, True, key=lambda limit: len(_runs(heights, limit)) <= fewest)
    return _runs(heights, limits[lowest])


def _runs(heights: Sequence[float], limit: float) -> list[list[int]]:
    """Segments one after another, a new run where the limit would be passed."""
    runs: list[list[int]] = [[]]
    filled = 0.0
    for at, height in enumerate(heights):
        if runs[-1] and filled + height > limit + 0.01:
            runs.append([])
            filled = 0.0
        runs[-1].append(at)
        filled += height
    return runs


def _column(
    held: Net,
    lines: Mapping[int, Sequence[tuple[str, str]]],
    sizes: Mapping[int, tuple[float, float]],
    run: Sequence[_Laid],
    number: int,
    of: int,
) -> Column:
    left = max(max(-one.placed.left for one in run), 12.0) + 14
    right = max(max(one.right for one in run), 12.0) + 14
    panels: list[Panel] = []
    routes: list[Route] = []
    shapes: list[Shape] = []
    connectors: list[Connector] = []
    y = 2.0
    if number:
        connectors.append(_connector(left, y + 9, number, held.boxes[run[0].segment.entry or 0].shape))
        y += 18
    for one in run:
        if one.panelled:
            panels.append(_panel(one, left, y))
        for way in one.placed.ways:
            points = [(round(px + left, 1), round(py + y, 1)) for px, py in way.points]
            if len(points) > 1:
                routes.append(Route(bent(points), tip(points) if way.enters else "", way.kept))
        for at, (px, py) in one.placed.corners.items():
            shapes.append(_shape(held, at, lines[at], px + left, py + y, sizes[at]))
        y += one.placed.height
        if one.panelled and one is not run[-1]:
            routes.append(Route(bent([(left, round(y, 1)), (left, round(y + 8, 1))]), "", False))
            y += 8
    if number < of - 1:
        routes.append(Route(bent([(left, round(y, 1)), (left, round(y + 16, 1))]), "", False))
        connectors.append(_connector(left, y + 25, number + 1, None))
        y += 34
    return Column(
        width=round(left + right, 1),
        height=round(y + 8, 1),
        alt=_alt(held, run, number, of),
        panels=tuple(panels),
        routes=tuple(sorted(routes, key=lambda route: not route.kept)),  # rails under what they part from
        shapes=tuple(shapes),
        connectors=tuple(connectors),
    )


def _connector(x: float, y: float, number: int, sizes: Sequence[int] | None) -> Connector:
    return Connector(round(x, 1), round(y, 1), Words(str(number), round(x, 1), round(y + 3.5, 1), "more"))


def _panel(one: _Laid, left: float, y: float) -> Panel:
    x = round(left + one.placed.left - 9, 1)
    width = round(one.right - one.placed.left + 18, 1)
    label = Words(one.label, round(left + 7, 1), round(y + 17, 1), "place")
    return Panel(x, round(y + 5, 1), width, round(one.placed.height + 2, 1), label)


def _shape(
    held: Net, at: int, lines: Sequence[tuple[str, str]], x: float, y: float, size: tuple[float, float]
) -> Shape:
    box = held.boxes[at]
    frame, extra = outline(box.kind, round(x, 1), round(y, 1), *size)
    middle, words, below = round(x + size[0] / 2, 1), [], y + 3.5
    for role, text in lines:
        below += LINE_PX[role]
        words.append(Words(text, middle, round(below - 3, 1), role))
    where = f": {', '.join(box.layers)}" if box.layers else f" in {box.within}" if box.within else ""
    gives = f"; output {shape(box.shape)}" if box.shape else ""
    return Shape(box.kind, frame, extra, tuple(words), f"{' · '.join(box.words)}{where}{gives}")


def _alt(held: Net, run: Sequence[_Laid], number: int, of: int) -> str:
    inside = [held.boxes[at] for one in run for at in one.segment.boxes]
    counts = Counter(kind for box in inside for kind, _ in box.operations)
    kinds = {"conv": "convolution", "add": "addition", "concatenate": "concatenation"}
    told = [plural(counts[kind], word) for kind, word in kinds.items() if counts[kind]]
    names = [name for box in inside for name in (box.layers or ((box.kind,) if box.kind != "join" else ()))]
    about = f"{plural(len(inside), 'box', 'boxes')}, from {inside[0].words[0]} to {inside[-1].words[0]}"
    part = f"Part {number + 1} of {of} of the graph: " if of > 1 else "The graph: "
    where = f" ({names[0]} to {names[-1]})" if names else ""
    return part + "; ".join([about + where, ", ".join(told)] if told else [about + where])
