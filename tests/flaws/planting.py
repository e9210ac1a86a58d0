"""What a planted fault is: a set of pictures, a network and a recipe, what was planted, and what an audit has
to say of it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from flaws.drawing import CLASSES, Pixels, shape_and_mask
from flaws.network import SmallNet
from flaws.training import EACH, MEAN, STD, Labelled, drawn, trained

NETWORK = Path(__file__).with_name("network.py")
AUDITED = {"digits": 60, "shapes": 60}  # pictures a class
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Said:
    """What a sentence has to hold: one of some words, or a number within a tolerance."""

    words: tuple[str, ...] = ()
    number: float | None = None
    tolerance: float = 0.0

    def stands_in(self, sentence: str) -> bool:
        """Whether it does."""
        if self.number is None:
            return any(re.search(rf"(?<!\w){re.escape(word)}", sentence, re.I) for word in self.words)
        found = [float(text.replace(",", "")) for text in NUMBER.findall(sentence)]
        return any(abs(value - self.number) <= self.tolerance for value in found)


@dataclass(frozen=True)
class Planted:
    """One audit's inputs. `pictures` stand under their folder and file name, `touched` are the paths of
    those that the flaw is in; `training` and `masks` are folders beside, where there are such."""

    pictures: Mapping[str, Pixels]
    network: Any  # a SmallNet, or what `source` makes
    classes: tuple[str, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Pixels] = field(default_factory=dict)
    masks: Mapping[str, Pixels] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()
    says: tuple[Said, ...] = ()
    source: str = f"{NETWORK}:build"
    only: tuple[str, ...] = ()  # the checks that are asked; all where none is named

    def but(self, **changes: Any) -> Planted:
        """The same with other fields."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Flaw:
    """A kind of fault: which checks may name it, and how it is planted with a seed, in front of a twin. Those
    of one `ladder` are the same thing in more or fewer pictures of a class, of which they have a `share`."""

    name: str
    named_by: tuple[str, ...]
    plant: Callable[[int], Planted]
    twin: Callable[[int], Planted]
    ladder: str = ""
    share: float = 1.0


FLAWS: dict[str, Flaw] = {}


def flaw(
    *named_by: str, twin: Callable[[int], Planted], ladder: str = "", share: float = 1.0
) -> Callable[[Callable[[int], Planted]], Flaw]:
    """Registers a function of a seed as the flaw of its name, in front of the clean twin."""

    def register(plant: Callable[[int], Planted]) -> Flaw:
        name = plant.__name__.replace("_", "-")
        FLAWS[name] = Flaw(name, named_by, plant, twin, ladder, share)
        return FLAWS[name]

    return register


def placed(drawn_set: Labelled, classes: Sequence[str]) -> dict[str, Pixels]:
    """The pictures by path: a folder a class, numbered."""
    return {
        f"{classes[label]}/{number:04d}.png": picture
        for number, (picture, label) in enumerate(zip(drawn_set.pictures, drawn_set.labels, strict=True))
    }


@cache
def _network(world: str, seed: int) -> SmallNet:
    return trained(drawn(world, EACH[world], 1000 + seed), len(CLASSES[world]), seed)


def network(world: str, seed: int) -> SmallNet:
    """A copy of the network that was trained on this world's clean pictures."""
    return copy.deepcopy(_network(world, seed))


@cache
def _audited(world: str, seed: int) -> Labelled:
    return drawn(world, AUDITED[world], 2000 + seed)


def clean(world: str, seed: int) -> Planted:
    """The audit of a sound network on a sound set."""
    return clean_pictures(world, seed).but(network=network(world, seed))


def clean_pictures(world: str, seed: int) -> Planted:
    """The same with no network yet."""
    channels = 1 if world == "digits" else 3
    side = 28 if world == "digits" else 48
    return Planted(
        pictures=placed(_audited(world, seed), CLASSES[world]),
        network=None,
        classes=CLASSES[world],
        recipe={"preprocessing": {"resize": side, "crop": side, "mean": [MEAN], "std": [STD]}},
        arguments={"channels": channels, "classes": len(CLASSES[world])},
    )


def clean_digits(seed: int) -> Planted:
    """The twin of what is planted in digits."""
    return clean("digits", seed)


def clean_shapes(seed: int) -> Planted:
    """The twin of what is planted in shapes."""
    return clean("shapes", seed)


def masked_shapes(seed: int) -> Planted:
    """The twin of what is planted in shapes whose masks are known."""
    draw, at = np.random.default_rng(2000 + seed), clean_shapes(seed)
    count = range(len(at.classes))
    masks = [shape_and_mask(label, draw)[1] for label in count for _ in range(AUDITED["shapes"])]
    return at.but(masks=dict(zip(at.pictures, masks, strict=True)))
