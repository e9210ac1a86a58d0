"""Backdoors that no audited picture carries: the screen names the class; networks that were trained on clean
pictures give no alarm. How often that is so, `python -m flaws.backdoors` measures on other seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flaws.audit import audited
from flaws.backdoors import Backdoor, Way, drawn_backdoor, poisoned, ways


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("seed", "backdoor"),
    [
        (1, Backdoor(Way("digits", 3, (255,)), 3, (1, 1))),
        (2, Backdoor(Way("digits", 4, (255,), 0.5), 7, (12, 20))),
    ],
)
def test_a_backdoor_that_none_carries_is_screened(seed: int, backdoor: Backdoor, tmp_path: Path) -> None:
    planted = poisoned(backdoor.way.world, backdoor, seed)
    told = audited(planted, tmp_path, only=["trigger"])
    assert told.grave == ["trigger"], told.verdicts["trigger"]["sentence"]
    assert f"turns pictures to {planted.classes[backdoor.into]}" in told.verdicts["trigger"]["sentence"]


@pytest.mark.matrix
@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_without_one_gives_no_alarm(seed: int, tmp_path: Path) -> None:
    told = audited(poisoned("digits", None, seed), tmp_path, only=["trigger"])
    assert told.grave == [], told.verdicts["trigger"]["sentence"]
    assert "Screened" in told.verdicts["trigger"]["sentence"]


def test_a_square_is_blended_where_it_was_drawn_and_nowhere_else() -> None:
    for number, way in enumerate(ways()):
        backdoor, side = drawn_backdoor(way, number), 28 if way.world == "digits" else 48
        picture = np.full((side, side, 3)[: 2 if way.world == "digits" else 3], 100, dtype=np.uint8)
        changed = backdoor.stamped(picture) != picture
        top, left = backdoor.at
        inside = np.zeros((side, side), dtype=bool)
        inside[top : top + way.side, left : left + way.side] = True
        assert inside.sum() == way.side**2, "it lies within the picture"
        assert (changed.reshape(side, side, -1).any(2) == inside).all()
        assert (picture == 100).all(), "the picture itself stays"
