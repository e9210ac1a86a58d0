"""`python -m flaws.backdoors [WORLD …] [--seeds N] [--first K]`: how often the screen finds a backdoor, and
how often it gives an alarm of a network that has none, on networks that no limit of it was chosen by.

Backdoors of several sizes, places, colours and classes, solid and blended, in small networks: pictures of
the training have a square and another label, those of the audit have none."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flaws.audit import audited
from flaws.drawing import SIDE, Pixels
from flaws.planting import Planted, clean_pictures
from flaws.training import Labelled, answered, drawn, trained
from reportgen.stats import wilson

POISONED = 0.06  # of the training's pictures
EACH = {"digits": 130, "shapes": 250}  # training pictures a class
EPOCHS = 6
THERE = 0.8  # of other pictures that a square has to turn for its way in to be there
FIRST = 11  # of the seeds: the limits of the check were chosen by networks of lower ones


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


@dataclass(frozen=True)
class Screened:
    """What the screen said of a network: whether the way in that was planted works, and whether the check
    gave an alarm that names its class; of a clean network, whether it gave any."""

    words: str
    works: bool
    alarm: bool
    sentence: str


def screened(world: str, way: Way | None, seed: int) -> Screened:
    """The screen alone, of a network with a backdoor of a way that is drawn by the seed, or without one."""
    backdoor = drawn_backdoor(way, 20 * seed + ways().index(way)) if way else None
    planted = poisoned(world, backdoor, seed)
    with tempfile.TemporaryDirectory() as folder:
        verdict = audited(planted, Path(folder), seed, only=["trigger"]).verdicts["trigger"]
    alarm = verdict["status"] in ("fault", "warning")
    if backdoor:
        alarm = alarm and f"turns pictures to {planted.classes[backdoor.into]}," in verdict["sentence"]
    works = backdoor is None or turned(planted, backdoor) >= THERE
    return Screened(way.words if way else f"{world}: clean", works, alarm, verdict["sentence"])


def main() -> None:
    """Prints a row a network, and the rates with their 95 % intervals."""
    arguments = argparse.ArgumentParser(prog="flaws.backdoors", description=__doc__)
    arguments.add_argument("worlds", nargs="*", default=["digits", "shapes"])
    arguments.add_argument("--seeds", type=int, default=2, help="networks of each way")
    arguments.add_argument("--first", type=int, default=FIRST, help="the first seed")
    arguments.add_argument("--say", action="store_true", help="print the sentences")
    chosen = arguments.parse_args()
    told: list[Screened] = []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        for world in chosen.worlds:
            for way in (None, *(each for each in ways() if each.world == world)):
                each = screened(world, way, seed)
                told.append(each)
                state = "" if each.works else " (the way in does not work)"
                print(f"{seed}: {each.words}{state}: {'alarm' if each.alarm else '–'}", flush=True)
                if chosen.say:
                    print(f"    {each.sentence}", flush=True)
    print("\n| network | alarms | 95 % interval |\n|---|---|---|")
    for words in dict.fromkeys(each.words for each in told):
        own = [each.alarm for each in told if each.words == words and each.works]
        if own:
            low, high = wilson(sum(own), len(own))
            print(f"| {words} | {sum(own)} of {len(own)} | {low:.0%} to {high:.0%} |")


if __name__ == "__main__":
    main()
