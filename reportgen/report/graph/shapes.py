"""What a drawing of a graph is made of: outlines, lines and words with their places, in px."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MM_A_PX = 0.2  # in print


@dataclass(frozen=True)
class Words:
    """A line of text, centred at x unless it says otherwise."""

    text: str
    x: float
    y: float
    role: str = "what"  # what | more | size | place


@dataclass(frozen=True)
class Shape:
    """A box: its kind, an outline, what is drawn besides it, its words, and all of them at length."""

    kind: str
    outline: str
    extra: str
    words: tuple[Words, ...]
    title: str


@dataclass(frozen=True)
class Route:
    """An edge, the tip of its arrow, and whether it keeps a value beside what is made of it."""

    path: str
    tip: str
    kept: bool


@dataclass(frozen=True)
class Panel:
    """What belongs together, behind its boxes."""

    x: float
    y: float
    width: float
    height: float
    label: Words


@dataclass(frozen=True)
class Connector:
    """A numbered circle where a column goes on in the next."""

    x: float
    y: float
    words: Words


@dataclass(frozen=True)
class Column:
    """A part of the graph from top to bottom, drawn as one picture."""

    width: float
    height: float
    alt: str
    panels: tuple[Panel, ...]
    routes: tuple[Route, ...]
    shapes: tuple[Shape, ...]
    connectors: tuple[Connector, ...]

    @property
    def width_mm(self) -> float:
        """The width in print."""
        return round(self.width * MM_A_PX, 2)

    @property
    def height_mm(self) -> float:
        """The height in print."""
        return round(self.height * MM_A_PX, 2)


@dataclass(frozen=True)
class Drawing:
    """A graph in columns that are read one after another."""

    id: str
    title: str
    caption: str
    alt: str
    columns: tuple[Column, ...]


def outline(kind: str, x: float, y: float, width: float, height: float) -> tuple[str, str]:
    """The outline of a box whose upper left corner is at x, y, and what is drawn besides.

    Kinds differ in form, so that they can be told apart without colour and before reading.
    """
    right, bottom, middle = x + width, y + height, y + height / 2
    if kind == "pool":  # fewer places come out than go in
        return polygon([(x, y), (right, y), (right - 9, bottom), (x + 9, bottom)]), ""
    if kind == "concatenate":
        over, under = [(x + 8, y), (right - 8, y)], [(right - 8, bottom), (x + 8, bottom)]
        return polygon([*over, (right, middle), *under, (x, middle)]), ""
    if kind in ("input", "output"):
        return polygon([(x + 8, y), (right, y), (right - 8, bottom), (x, bottom)]), ""
    if kind in ("add", "multiply", "join", "norm", "activation"):
        return rounded(x, y, width, height, height / 2), ""
    if kind == "conv":
        return rounded(x, y, width, height, 4), ""
    frame = polygon([(x, y), (right, y), (right, bottom), (x, bottom)])
    if kind == "linear":
        return frame, f"M{x + 5:g},{y:g}V{bottom:g}M{right - 5:g},{y:g}V{bottom:g}"
    if kind == "folded":  # a stack
        return frame, f"M{x + 3:g},{bottom:g}v3H{right + 3:g}V{y + 3:g}h-3"
    return frame, ""


def polygon(corners: Sequence[tuple[float, float]]) -> str:
    """A closed path through the corners."""
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in corners) + "Z"


def rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle with round corners."""
    r = min(radius, width / 2, height / 2)
    across, down = width - 2 * r, height - 2 * r
    return (
        f"M{x + r:g},{y:g}h{across:g}a{r:g},{r:g} 0 0 1 {r:g},{r:g}v{down:g}a{r:g},{r:g} 0 0 1 {-r:g},{r:g}"
        f"h{-across:g}a{r:g},{r:g} 0 0 1 {-r:g},{-r:g}v{-down:g}a{r:g},{r:g} 0 0 1 {r:g},{-r:g}Z"
    )


def bent(points: Sequence[tuple[float, float]], radius: float = 5) -> str:
    """A path along upright and level lines, its corners round."""
    path = f"M{points[0][0]:g},{points[0][1]:g}"
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        r = min(radius, math.dist(before, at) / 2, math.dist(at, after) / 2)
        start, end = _towards(at, before, r), _towards(at, after, r)
        path += f"L{start[0]:g},{start[1]:g}Q{at[0]:g},{at[1]:g} {end[0]:g},{end[1]:g}"
    return path + f"L{points[-1][0]:g},{points[-1][1]:g}"


def tip(points: Sequence[tuple[float, float]]) -> str:
    """An arrow's tip at the end of a line."""
    (a, b), (x, y) = points[-2:]
    if abs(x - a) > abs(y - b):
        back = 5 if x < a else -5
        return polygon([(x, y), (x + back, y - 3), (x + back, y + 3)])
    return polygon([(x, y), (x - 3, y - 5), (x + 3, y - 5)])


def _towards(at: tuple[float, float], other: tuple[float, float], by: float) -> tuple[float, float]:
    across, down = other[0] - at[0], other[1] - at[1]
    length = abs(across) + abs(down) or 1
    return round(at[0] + across * by / length, 2), round(at[1] + down * by / length, 2)
