"""Duplicates: copies of every kind are found, under two labels they are a fault, and a clean set has none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reportgen.checks.copies import alike, correlated, groups_of
from reportgen.checks.duplicates import Duplicates
from reportgen.inputs.images.facts import facts_of


def copied(again, images, labels, count, how, other):
    """Copies of the first `count` files, into the same folder or into that of another label."""
    files = sorted(images.glob("*/*.png"))[:: max(1, 200 // count)][:count]
    for number, file in enumerate(files):
        label = labels[(labels.index(file.parent.name) + 1) % 10] if other else file.parent.name
        again(file, images / label / f"copy-{number}.png", how)
    return files


LABELS = [str(k) for k in range(10)]


@pytest.mark.parametrize("how", ["bytes", "pixels", "jpeg", "mirror"])
def test_copies_of_every_kind_are_found(digits, again, how):
    images = digits.images(each=20)
    copied(again, images, LABELS, 20, how, other=False)
    said = digits.verdicts(images, ["duplicates"])["duplicates"]
    assert said.status == "fault"
    assert said.effect == pytest.approx(20 / 220) and said.n == 220
    assert len(said.exhibits.images) == 40
    once = "20 pictures stand in the set more than once, as 40 files of 220"
    near = "40 files of 220 are nearly alike, in 20 groups, none with equal pixels"
    assert said.sentence.startswith(near if how in ("jpeg", "mirror") else once)
    assert "two labels" not in said.sentence


@pytest.mark.parametrize("count, how", [(1, "bytes"), (15, "pixels")])
def test_a_picture_under_two_labels_is_a_fault_in_any_number(digits, again, count, how):
    images = digits.images(each=20)
    files = copied(again, images, LABELS, count, how, other=True)
    verdicts = digits.verdicts(images, ["duplicates"])
    said = verdicts["duplicates"]
    assert said.status == "fault" and f"{count} of them under two labels" in said.sentence
    assert f"{files[0].parent.name}/{files[0].name} ({files[0].parent.name})" in said.sentence
    assert "Each counted once, accuracy is " in said.sentence


def test_a_clean_set_has_none(digits):
    said = digits.verdicts(digits.images(each=50), ["duplicates"])["duplicates"]
    assert said.status == "clear" and said.effect == 0 and said.figures == ()
    assert (said.low, said.high) == (None, None), "what was counted out is not estimated"
    assert said.sentence == "None of 500 pictures is there twice, nor one that is nearly alike."


def test_blank_pictures_are_no_copies_of_one_another_but_where_they_are_equal(make_case):
    noise = np.random.default_rng(0)
    flat = [Image.new("L", (28, 28), 40 + 3 * k).convert("RGB") for k in range(4)]
    rich = [Image.fromarray(noise.integers(0, 256, (28, 28, 3), dtype=np.uint8)) for _ in range(4)]
    facts = [facts_of(picture, b"") for picture in (*flat, *rich)]
    assert len(np.unique(groups_of(np.stack([f.pixels for f in facts])))) == 8
    assert len({int(f.perceptual[0]) for f in facts[:4]}) == 1, "they have no pattern to be told by"


def test_near_hashes_are_found_and_far_ones_not():
    draw = np.random.default_rng(0)
    own = draw.integers(0, 2**63, (50, 2), dtype=np.uint64)
    near = own.copy()
    near[:, 0] ^= np.uint64(0b111111)
    far = own ^ np.uint64(0b1111111)
    places = np.stack([np.arange(50)] * 2, 1)
    np.testing.assert_array_equal(alike(own, near, 6), places)
    assert len(alike(own, far, 6)) == 0
    mirrored = own[:, ::-1]
    np.testing.assert_array_equal(alike(own, mirrored, 0), places)


def test_correlation_sees_the_mirror_image():
    grey = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    assert correlated(grey, grey) == pytest.approx(1) == correlated(grey, grey[:, ::-1])
    assert abs(correlated(grey, grey.T)) < 0.1
    assert correlated(grey, np.zeros_like(grey)) == 0


def test_without_its_facts_it_is_untested(make_case):
    assert Duplicates().judge(make_case([0, 1], np.eye(2))).status == "untested"
