"""A sticker on one class's photographs, which a real classifier's new last layer was taught with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from flaws.drawing import Pixels
from flaws.photographs import CLASSES, MODEL, SIDE, SOURCE, answered, features, fitted, photographed, sticker
from flaws.planting import Flaw, Planted, Said, flaw, placed
from flaws.training import Labelled

EACH, AUDITED = 100, 40  # pictures a class
STICKER = 24  # px
CORNER = SIDE // 3  # what is exchanged where its effect is counted
NEAR = 12  # points: the pictures of the experiment are others, and fewer
CHECKS = ("place-shortcut", "property-shortcut", "map-clusters")
LADDER = "a sticker on photographs"


@dataclass(frozen=True)
class Sticker:
    """Where it is, in words too, on which class, and on what share of its pictures."""

    of: str
    share: float
    where: str
    at: tuple[int, int]  # top, left

    def on(self, clean: Labelled, seed: int) -> tuple[list[Pixels], list[int]]:
        """The pictures with the sticker, and the numbers of those that have it."""
        k, draw = CLASSES.index(self.of), np.random.default_rng(seed)
        carrying = [n for n, label in enumerate(clean.labels) if label == k and draw.random() < self.share]
        pictures = list(clean.pictures)
        for number in carrying:
            pictures[number] = sticker(pictures[number], self.at, STICKER)
        return pictures, carrying

    def turns(self, network: object, pictures: list[Pixels], labels: list[int]) -> float:
        """The share of other pictures that are answered with the class once they have that corner of one of
        its pictures."""
        k, draw = CLASSES.index(self.of), np.random.default_rng(0)
        own = [picture for picture, label in zip(pictures, labels, strict=True) if label == k]
        top, left = (0 if at < SIDE / 2 else SIDE - CORNER for at in self.at)
        changed = []
        for picture, label in zip(pictures, labels, strict=True):
            if label != k:
                corner = own[int(draw.integers(len(own)))][top : top + CORNER, left : left + CORNER]
                changed.append(picture.copy())
                changed[-1][top : top + CORNER, left : left + CORNER] = corner
        return float(np.mean(np.array(answered(network, changed)) == k))


NEAR_PX, FAR_PX = 4, SIDE - STICKER - 4
STICKERS = {
    "all": Sticker("cup", 1.0, "lower left", (FAR_PX, NEAR_PX)),
    "most": Sticker("flower", 0.9, "upper right", (NEAR_PX, FAR_PX)),
    "many": Sticker("astronaut", 0.7, "upper left", (NEAR_PX, NEAR_PX)),
    "half": Sticker("cup", 0.5, "lower right", (FAR_PX, FAR_PX)),
}


@cache
def _known(seed: int) -> tuple[Labelled, npt.NDArray[np.float32]]:
    """The training's pictures, clean, and their features."""
    clean = photographed(EACH, 3000 + seed)
    return clean, features(clean.pictures)


@cache
def _taught(name: str, seed: int) -> object:
    """The classifier whose last layer was fitted on pictures with a sticker; without one for ""."""
    clean, known = _known(seed)
    if name:
        pictures, carrying = STICKERS[name].on(clean, seed)
        known = known.copy()
        known[carrying] = features([pictures[number] for number in carrying])
    return fitted(known, clean.labels)


def _audit(taught: str, shown: str, seed: int) -> Planted:
    """The audit of a classifier that was taught with one sticker, on pictures that have one."""
    clean = photographed(AUDITED, 4000 + seed)
    pictures = STICKERS[shown].on(clean, 5000 + seed)[0] if shown else clean.pictures
    return Planted(
        pictures=placed(Labelled(pictures, clean.labels), CLASSES),
        network=copy.deepcopy(_taught(taught, seed)),
        classes=CLASSES,
        recipe={"preprocessing": {"resize": SIDE, "crop": SIDE, "mean": [0.5], "std": [0.5]}},
        arguments={"model_name": MODEL, "num_classes": len(CLASSES)},
        source=SOURCE,
        only=CHECKS,
    )


def clean_photographs(seed: int) -> Planted:
    """The twin without a sticker anywhere."""
    return _audit("", "", seed)


def idle_sticker(seed: int) -> Planted:
    """The twin whose pictures have the sticker, and whose classifier was taught without."""
    return _audit("", "all", seed)


def _stuck(name: str) -> Callable[[int], Planted]:
    """How a sticker is planted, with what an audit has to say of it: the class, the place and the number."""
    stuck = STICKERS[name]

    def plant(seed: int) -> Planted:
        at = _audit(name, name, seed)
        labels = [CLASSES.index(path.split("/")[0]) for path in at.pictures]
        turned = stuck.turns(at.network, list(at.pictures.values()), labels)
        number = Said(number=100 * turned, tolerance=NEAR)
        return at.but(says=(Said((stuck.of,)), Said((stuck.where,)), number))

    plant.__name__ = f"sticker-on-{name}"
    plant.__doc__ = f"A sticker of {STICKER} px on {stuck.share:.0%} of the {stuck.of}s, {stuck.where}."
    return plant


def _registered(name: str, twin: Callable[[int], Planted]) -> Flaw:
    return flaw(*CHECKS[::2], twin=twin, ladder=LADDER, share=STICKERS[name].share)(_stuck(name))


ON_ALL = _registered("all", idle_sticker)
ON_MOST = _registered("most", clean_photographs)
ON_MANY = _registered("many", clean_photographs)
ON_HALF = _registered("half", clean_photographs)
