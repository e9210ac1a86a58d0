"""Leakage: pictures of the training are found however they were saved, and new ones are not mistaken."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.case import Pictures
from reportgen.checks.leakage import Leakage, _equal


def split(digits, each=20):
    """A set, and a folder of other digits of the same kind."""
    images = digits.images(each=2 * each)
    training = images.parent / f"{images.name}-training"
    for folder in sorted(images.iterdir()):
        (training / folder.name).mkdir(parents=True)
        for file in sorted(folder.glob("*.png"))[each:]:
            file.rename(training / folder.name / file.name)
    return images, training


def leak(again, images, training, count, how):
    """Copies of the first of the set into the training."""
    files = sorted(images.glob("*/*.png"))[:: max(1, 200 // count)][:count]
    for number, file in enumerate(files):
        again(file, training / file.parent.name / f"other-name-{number}.png", how)
    return files


ASKED = {"sample": 10, "only": ["leakage", "duplicates", "balance"]}


@pytest.mark.parametrize("count, how", [(1, "bytes"), (20, "pixels"), (20, "jpeg"), (20, "mirror")])
def test_pictures_of_the_training_are_found(digits, again, count, how):
    images, training = split(digits)
    files = leak(again, images, training, count, how)
    verdicts = digits.verdicts(images, ASKED, images={"training": str(training)})
    said = verdicts.pop("leakage")
    assert said.status == ("warning" if count == 1 else "fault"), said.sentence
    assert said.effect == pytest.approx(count / 200) and len(said.exhibits.images) == count
    assert f"{files[0].parent.name}/{files[0].name}" in said.sentence
    assert ("nearly alike" in said.sentence) == (how in ("jpeg", "mirror"))
    assert {other.status for other in verdicts.values()} == {"clear"}


def test_other_pictures_of_the_same_kind_are_none(digits):
    images, training = split(digits)
    said = digits.verdicts(images, ASKED, images={"training": str(training)})["leakage"]
    assert said.status == "clear" and said.exhibits.images == ()
    assert said.sentence == "None of 200 pictures is among the 200 of the training, nor nearly so."


def test_without_the_training_it_is_untested_and_names_the_key(digits):
    said = digits.verdicts(digits.images(each=2), ASKED)["leakage"]
    assert said.status == "untested" and said.exhibits.settings == ("images.training",)
    assert "images.training" in said.remedy


def test_a_set_that_is_the_training_has_no_new_picture(digits, make_case):
    images = digits.images(each=5)
    training = images.parent / f"{images.name}-again"
    shutil.copytree(images, training)
    said = digits.verdicts(images, ASKED, images={"training": str(training)})["leakage"]
    assert said.status == "fault" and said.effect == 1
    assert "the accuracy on new images is not known" in said.sentence
    with pytest.raises(ValueError, match="no picture is new"):
        Leakage().without(make_case([0] * 50, np.eye(50)), said)


def pictures(draw, n):
    """Facts of pictures that are all different."""
    pixels = draw.integers(0, 256, (n, 16), dtype=np.uint8)
    perceptual = draw.integers(0, 2**63, (n, 2), dtype=np.uint64)
    return Pictures(("contrast",), np.ones((n, 1)), pixels, perceptual, tuple(f"{k}" for k in range(n)))


def test_accuracy_is_told_apart_and_judged_again_on_the_new(make_case, make_answers):
    draw = np.random.default_rng(0)
    labels = np.arange(400) % 4
    known = np.arange(400) < 200
    case = make_case(labels, make_answers(labels, np.where(known, 1.0, 0.6), draw, 4))
    own = pictures(draw, 400)
    training = pictures(draw, 5000)
    training.pixels[100:300] = own.pixels[known]
    case = replace(case, pictures=own, training=training)
    said = Leakage().judge(case)
    assert said.status == "fault" and said.effect == 0.5
    right = case.answers.right[~known].mean()
    assert f"Of the new ones {100 * right:.1f} %" in said.sentence and "of the others 100 %" in said.sentence
    assert [row[3] for row in said.figures[0].rows] == ["equal pixels"] * 40
    mended = Leakage().without(case, said)
    assert len(mended.pictures) == 200 and mended.answers.right.mean() == pytest.approx(right)
    assert not known[mended.answers.numbers].any()


def test_half_a_million_pictures_take_seconds_not_squares(make_case):
    draw = np.random.default_rng(0)
    own, training = pictures(draw, 100_000), pictures(draw, 400_000)
    own.pixels[7] = training.pixels[399_999]
    found = _equal(own, training)
    assert found[7] == 399_999 and (found >= 0).sum() == 1
