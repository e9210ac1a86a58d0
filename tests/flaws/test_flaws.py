"""Planted faults are named by the check of their kind, and a clean twin by none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flaws import in_networks, in_pictures  # noqa: F401  # they register their flaws
from flaws.audit import audited, outcome
from flaws.judging import names_images
from flaws.planting import FLAWS, Said, clean_digits
from flaws.training import answered


@pytest.mark.parametrize(
    ("said", "sentence", "stands"),
    [
        (Said(number=45, tolerance=3), "about 43 of 600 labels look wrong", True),
        (Said(number=45, tolerance=3), "about 53 of 600 labels look wrong", False),
        (Said(number=1000), "1,000 images", True),
        (Said(("8",)), "No image of class 8.", True),
        (Said(("8",)), "No image of class 18.", False),
        (Said(("squash",)), "Squashed to 48 x 48: 98 %", True),
    ],
)
def test_what_a_sentence_says(said: Said, sentence: str, stands: bool) -> None:
    assert said.stands_in(sentence) is stands


def test_images_are_named_where_most_shown_are_planted() -> None:
    planted = frozenset("abcdefghij")
    assert names_images(planted, frozenset("abcde"))
    assert not names_images(planted, frozenset("abcd"))
    assert not names_images(planted, frozenset("abcdexy"))
    assert not names_images(planted, frozenset())
    assert names_images(frozenset(), frozenset())


@pytest.mark.matrix
def test_planted_faults_are_really_there() -> None:
    twin = clean_digits(0)
    right = _accuracy(twin)
    assert right > 0.97
    assert _accuracy(FLAWS["label-noise"].plant(0)) == pytest.approx(right - 0.08, abs=0.015)
    assert _accuracy(FLAWS["inverted"].plant(0)) < 0.4
    assert _accuracy(FLAWS["off-by-one"].plant(0)) < 0.05


def _accuracy(planted: object) -> float:
    paths = list(planted.pictures)  # type: ignore[attr-defined]
    got = answered(planted.network, list(planted.pictures.values()))  # type: ignore[attr-defined]
    names = [planted.classes[k] for k in got]  # type: ignore[attr-defined]
    return sum(path.split("/")[0] == name for path, name in zip(paths, names, strict=True)) / len(paths)


@pytest.mark.matrix
@pytest.mark.parametrize("name", FLAWS)
def test_every_flaw_is_named(name: str, tmp_path: Path) -> None:
    flaw = FLAWS[name]
    planted = flaw.plant(0)
    assert outcome(flaw, planted, audited(planted, tmp_path)) == "found"


@pytest.mark.matrix
@pytest.mark.parametrize("twin", sorted({flaw.twin for flaw in FLAWS.values()}, key=lambda f: f.__name__))
def test_a_clean_twin_gives_no_alarm(twin: object, tmp_path: Path) -> None:
    told = audited(twin(0), tmp_path)  # type: ignore[operator]
    assert told.grave == []
