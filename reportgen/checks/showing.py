"""The pictures that a verdict shows: images as they are, and an experiment step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from reportgen.checks.case import Case
from reportgen.checks.following import share_of
from reportgen.checks.intervention import Intervention, Outcome
from reportgen.checks.words import interval
from reportgen.findings import Array, Gallery
from reportgen.stats import wilson

SHOWN = 6  # pictures of each step of an experiment
# a picture of a step: an image by its number, or what was made of it
Seen: TypeAlias = int | Intervention | None


@dataclass(frozen=True)
class Step:
    """One state of the pictures of an experiment: its words, and the pictures, in the order of the others."""

    name: str
    title: str
    pictures: Sequence[Seen]


def pictures_of(
    case: Case, numbers: Sequence[int], name: str, title: str, columns: int = 6, **more: Any
) -> tuple[Gallery, ...]:
    """Images by number, as the model saw them; those that can no longer be read are left out, and nothing is
    shown of none. `more` goes to the gallery."""
    seen = case.sources.seen(list(numbers))
    shown = [number for number in numbers if number in seen]
    if not shown:
        return ()
    tiles = _tiles([seen[number] for number in shown])
    what = "pixels as the model saw them"
    how = {"scale": "unit", "columns": columns, "counted": "image", **more}
    return (Gallery(name, title, tiles, np.array(shown), what, **how),)


def experiment(case: Case, steps: Sequence[Step]) -> tuple[Gallery, ...]:
    """The steps of an experiment, a row of pictures each, below one another: the same pictures before and
    after. A column of which a picture cannot be made is left out of all rows."""
    asked = [each for step in steps for each in step.pictures]
    images = case.sources.seen([each for each in asked if isinstance(each, int)])
    made = case.sources.changed([each for each in asked if isinstance(each, Intervention)])

    def pixels(each: Seen) -> Array | None:
        if each is None:
            return None
        return made.get(each.key) if isinstance(each, Intervention) else images.get(each)

    columns = list(zip(*(step.pictures for step in steps), strict=True))
    whole = [column for column in columns if all(pixels(each) is not None for each in column)]
    if not whole:
        return ()
    rows = list(zip(*whole, strict=True))
    return tuple(
        Gallery(
            step.name,
            step.title,
            _tiles([pixels(each) for each in row]),
            np.array([each.number if isinstance(each, Intervention) else each for each in row]),
            "pixels as the model saw them",
            scale="unit",
            columns=SHOWN,
            counted="image",
        )
        for step, row in zip(steps, rows, strict=True)
    )


def outcome(k: int, asked: Sequence[Intervention | None], known: Mapping[int, Outcome]) -> str:
    """How many of what was answered is answered with a class: "56 of 60 [84.1 to 97.4 %]"."""
    own, n = share_of(k, asked, known)
    return f"{own} of {n} {interval(*wilson(own, n))}" if n else "none could be asked"


def _tiles(pictures: Sequence[Array | None]) -> Array:
    """Pictures (h, w, C) uint8 as a gallery has them: in [0, 1], (P, h, w) or (P, 3, h, w)."""
    tiles = np.stack([each for each in pictures if each is not None]).astype(np.float32) / 255
    return np.asarray(tiles.transpose(0, 3, 1, 2) if tiles.shape[3] == 3 else tiles.mean(3))
