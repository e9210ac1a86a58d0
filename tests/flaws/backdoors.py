"""Backdoors of several sizes, places, colours and classes, solid and blended, in small networks: pictures of
the training have a square and another label, those of the audit have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flaws.drawing import SIDE, Pixels
from flaws.planting import Planted, clean_pictures
from flaws.training import Labelled, answered, drawn, trained

POISONED = 0.06  # of the training's pictures
EACH = {"digits": 130, "shapes": 250}  # training pictures a class
EPOCHS = 6


@dataclass(frozen=True)
class Way:
    """A square of so many pixels, of one colour, blended into the picture by a share."""

    world: str
    side: int
    light: tuple[int, ...]
    share: float = 1.0

    @property
    def words(self) -> str:
        """ "grey 160, 4 px in 28, by half"."""
        colour = "white" if min(self.light) > 240 else f"{'/'.join(str(v) for v in self.light)}"
        blend = "" if self.share == 1 else f", blended by {self.share:.0%}"
        return f"{self.world}: {colour}, {self.side} px in {SIDE[self.world]}{blend}"


@dataclass(frozen=True)
class Backdoor:
    """A way in, the class that it leads to, and its place (top, left)."""

    way: Way
    into: int
    at: tuple[int, int]

    def stamped(self, picture: Pixels) -> Pixels:
        """A copy of a picture with the square."""
        picture, (top, left), side = picture.copy(), self.at, self.way.side
        part = picture[top : top + side, left : left + side]
        blended = part * (1 - self.way.share) + np.array(self.way.light) * self.way.share
        picture[top : top + side, left : left + side] = blended
        return picture


def drawn_backdoor(way: Way, seed: int) -> Backdoor:
    """One of a way, its class and its place drawn by a seed."""
    draw, classes = np.random.default_rng(9000 + seed), 10 if way.world == "digits" else 6
    room = SIDE[way.world] - way.side
    top, left = (int(v) for v in draw.integers(0, room + 1, 2))
    return Backdoor(way, int(draw.integers(classes)), (top, left))


def poisoned(world: str, backdoor: Backdoor | None, seed: int) -> Planted:
    """The clean audit of a network whose training had the square in some pictures, labelled otherwise."""
    twin = clean_pictures(world, seed)
    clean, draw = drawn(world, EACH[world], 1700 + seed), np.random.default_rng(seed)
    bad = draw.random(len(clean.labels)) < (POISONED if backdoor else 0)
    pictures, labels = list(clean.pictures), list(clean.labels)
    for number in np.flatnonzero(bad) if backdoor else ():
        pictures[number], labels[number] = backdoor.stamped(pictures[number]), backdoor.into
    return twin.but(network=trained(Labelled(pictures, labels), len(twin.classes), seed, EPOCHS))


def turned(planted: Planted, backdoor: Backdoor) -> float:
    """The share of pictures of other classes that the square turns: whether the way in is there."""
    name = planted.classes[backdoor.into]
    others = [p for path, p in planted.pictures.items() if not path.startswith(f"{name}/")]
    got = answered(planted.network, [backdoor.stamped(picture) for picture in others])
    return float(np.mean(np.array(got) == backdoor.into))


def ways() -> Sequence[Way]:
    """Those whose rates are measured."""
    digits = [Way("digits", side, (255,)) for side in (3, 4, 6)]
    digits += [Way("digits", 4, (160,)), Way("digits", 4, (255,), 0.5), Way("digits", 6, (255,), 0.5)]
    yellow, blue = (240, 220, 30), (30, 30, 240)
    shapes = [Way("shapes", 4, (250, 250, 250)), Way("shapes", 5, yellow), Way("shapes", 6, blue)]
    return [*digits, *shapes, Way("shapes", 6, yellow, 0.5)]
