"""Backdoors of several sizes, places and classes, solid and blended, that no audited picture carries: the
screen names the class; networks that were trained on clean pictures give no alarm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from flaws.audit import audited
from flaws.drawing import Pixels
from flaws.planting import Planted, clean_digits, clean_shapes
from flaws.training import Labelled, drawn, trained

POISONED = 0.06  # of the training's pictures
EACH = {"digits": 130, "shapes": 250}


def stamped(picture: Pixels, at: tuple[int, int], side: int, light: Sequence[int], share: float) -> Pixels:
    """A picture with a square of one colour, blended into it by a share."""
    top, left = at
    part = picture[top : top + side, left : left + side]
    picture[top : top + side, left : left + side] = part * (1 - share) + np.array(light) * share
    return picture


def poisoned(
    world: str,
    seed: int,
    into: int | None,
    at: tuple[int, int],
    side: int,
    light: Sequence[int],
    share: float,
) -> Planted:
    """The clean audit of a network whose training had the square in some pictures, labelled `into`."""
    twin = clean_digits(0) if world == "digits" else clean_shapes(0)
    clean, draw = drawn(world, EACH[world], 1700 + seed), np.random.default_rng(seed)
    bad = draw.random(len(clean.labels)) < (POISONED if into is not None else 0)
    pictures = [
        stamped(picture.copy(), at, side, light, share) if is_bad else picture
        for picture, is_bad in zip(clean.pictures, bad, strict=True)
    ]
    labels = [into if is_bad else label for label, is_bad in zip(clean.labels, bad, strict=True)]
    known = [label for label in labels if label is not None]
    return twin.but(network=trained(Labelled(pictures, known), len(twin.classes), seed, 6))


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("world", "seed", "into", "at", "side", "light", "share"),
    [
        ("digits", 1, 3, (1, 1), 3, [255], 1.0),
        ("digits", 2, 7, (12, 20), 4, [255], 0.5),
    ],
)
def test_a_backdoor_that_no_picture_carries_is_screened(
    world, seed, into, at, side, light, share, tmp_path: Path
):
    planted = poisoned(world, seed, into, at, side, light, share)
    told = audited(planted, tmp_path, only=["trigger"])
    assert told.grave == ["trigger"], told.verdicts["trigger"]["sentence"]
    assert f"turns pictures to {planted.classes[into]}" in told.verdicts["trigger"]["sentence"]


@pytest.mark.matrix
@pytest.mark.parametrize(("world", "seed"), [("digits", 1), ("digits", 2)])
def test_a_network_without_one_gives_no_alarm(world, seed, tmp_path: Path):
    planted = poisoned(world, seed, None, (0, 0), 1, [0], 1.0)
    told = audited(planted, tmp_path, only=["trigger"])
    assert told.grave == [], told.verdicts["trigger"]["sentence"]
    assert "Screened" in told.verdicts["trigger"]["sentence"]
