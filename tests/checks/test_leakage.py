"""Leakage: pictures of the training are found in the set, whatever was done to them, and no others; the
accuracy is told apart."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from pictured import case_of_pictures, photograph
from PIL import Image, ImageOps

from reportgen.checks.leakage import Leakage
from reportgen.checks.likeness import alike, first_equal


def as_it_is(picture):
    return picture


def larger(picture):
    return Image.fromarray(picture).resize((96, 96), Image.Resampling.BICUBIC)


def mirrored(picture):
    return ImageOps.mirror(Image.fromarray(picture))


def noisy(picture):
    noise = np.random.default_rng(1).integers(-6, 7, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("count", [1, 30])
@pytest.mark.parametrize("change", [as_it_is, larger, mirrored, noisy])
def test_pictures_of_the_training_are_found(change, count, seed):
    draw = np.random.default_rng(seed)
    own, others = ([photograph(draw, 32, 32) for _ in range(n)] for n in (60, 40))
    case = case_of_pictures(own, training=[*others, *(change(picture) for picture in own[:count])])
    said = Leakage().judge(case)
    assert said.status == ("fault" if count == 30 else "warning")
    assert said.exhibits.images == tuple(range(count))
    assert said.effect == count / 60 and said.low < said.effect < said.high
    assert said.sentence.startswith(
        f"{count} of 60 pictures {'is' if count == 1 else 'are'} among the {40 + count} of the training"
    )
    assert ("none with equal pixels" in said.sentence) is (change is not as_it_is)


def test_accuracy_is_told_apart_and_is_the_one_of_new_pictures_without_the_cause():
    draw = np.random.default_rng(0)
    own = [photograph(draw, 32, 32) for _ in range(200)]
    right = np.arange(200) < 160  # all 100 that were learned, and 60 of the 100 new ones
    case = case_of_pictures(own, right, training=own[:100])
    said = Leakage().judge(case)
    assert "there accuracy is 100 % [96.3 to 100.0 %], on the 100 new ones 60.0 %" in said.sentence
    assert "40.0 points less" in said.sentence
    assert "accuracy" in said.explains
    mended = Leakage().without(case, said)
    assert len(mended.answers.numbers) == len(mended.pictures) == 100
    assert mended.answers.right.mean() == 0.6


def test_a_set_of_its_own_is_clear():
    draw = np.random.default_rng(0)
    own, others = ([photograph(draw, 32, 32) for _ in range(n)] for n in (60, 90))
    said = Leakage().judge(case_of_pictures(own, training=others))
    assert said.status == "clear" and said.effect == 0 and said.figures == ()
    assert said.sentence == (
        "None of 60 pictures is among the 90 of the training, nor one that is nearly alike."
    )


def test_a_set_that_was_learned_whole_leaves_nothing_to_judge_by():
    own = [photograph(np.random.default_rng(k), 32, 32) for k in range(40)]
    said = Leakage().judge(case_of_pictures(own, training=own))
    assert said.status == "fault" and said.effect == 1
    assert said.sentence.endswith("; on new pictures accuracy is not known.")
    assert said.explains == ()


def test_without_labels_it_is_found_all_the_same():
    own = [photograph(np.random.default_rng(k), 32, 32) for k in range(40)]
    said = Leakage().judge(case_of_pictures(own, training=own[:10], labels=np.full(40, -1)))
    assert said.status == "fault" and said.effect == 0.25
    assert said.sentence == "10 of 40 pictures are among the 10 of the training."


def test_what_is_alike_by_chance_is_no_leak():
    """Simple pictures of one thing: as often alike within the set as between it and the training."""
    draw = np.random.default_rng(0)

    def bar():
        picture = np.zeros((28, 28), dtype=np.uint8)
        picture[4:24, 12 + draw.integers(0, 2) : 16 + draw.integers(0, 2)] = 200
        return np.clip(picture + draw.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)

    own, others = ([bar() for _ in range(60)] for _ in range(2))
    assert Leakage().judge(case_of_pictures(own, training=others)).status == "clear"
    leaked = Leakage().judge(case_of_pictures(own, training=[*others, *own[:20]]))
    assert leaked.exhibits.images == tuple(range(20)), "equal pixels are no chance"


def test_pictures_of_one_colour_are_held_together_by_their_pixels_alone():
    own, others = ([np.full((28, 28), 40 + k, dtype=np.uint8) for k in part] for part in ((1, 2), (2, 3)))
    said = Leakage().judge(case_of_pictures(own, training=others))
    assert said.exhibits.images == (1,)


def test_without_the_trainings_pictures_it_is_untested_and_names_the_key():
    case = case_of_pictures([photograph(np.random.default_rng(0), 32, 32)])
    said = Leakage().judge(case)
    assert said.status == "untested" and said.exhibits.settings == ("images.training",)
    assert "images.training" in said.remedy


@pytest.mark.parametrize("distance", [0, 3, 6, 9])
def test_the_pairs_found_are_those_that_comparing_all_finds(distance):
    draw = np.random.default_rng(distance)
    own, others = (draw.integers(0, 2**63, (n, 2), dtype=np.uint64) for n in (60, 90))
    for row in range(40):  # some of each distance, from the picture or its mirror image
        flipped = draw.choice(64, int(draw.integers(0, 12)), replace=False)
        bits = np.bitwise_or.reduce(np.uint64(1) << flipped.astype(np.uint64)) if len(flipped) else 0
        others[row, row % 2] = own[row, 0] ^ np.uint64(bits)
    all_bits = np.bitwise_count(own[:, None, :1] ^ others[None]).min(2)
    np.testing.assert_array_equal(alike(own, others, distance), np.argwhere(all_bits <= distance))


def test_a_hundred_thousand_are_compared_without_comparing_all():
    draw = np.random.default_rng(0)
    own, others = (draw.integers(0, 2**63, (n, 2), dtype=np.uint64) for n in (20_000, 100_000))
    others[7] = own[5] ^ np.uint64(0b10101)
    assert alike(own, others, 6).tolist() == [[5, 7]]
    same = np.repeat(own[:1], 5000, 0)
    assert len(alike(same, same, 6)) == 8 * 5000, "a series gives each its nearest few"


def test_equal_rows_are_found_at_their_first_place():
    rows = np.array([[1, 2], [3, 4], [1, 2]], dtype=np.uint8)
    wanted = np.array([[3, 4], [5, 6], [1, 2]], dtype=np.uint8)
    assert first_equal(wanted, rows).tolist() == [1, -1, 0]
    assert first_equal(wanted, rows[:0]).tolist() == [-1, -1, -1]


def test_digits_of_the_training_are_found_though_a_file_of_it_is_damaged(digits):
    images = digits.images(each=20)
    training = images.parent / "training-of-digits"
    training.mkdir()
    (training / "0-damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    for number, file in enumerate(sorted(images.glob("*/*.png"))[::4]):
        if number % 2:
            shutil.copy(file, training / f"{number}.png")
        else:
            picture = Image.open(file).convert("RGB").resize((56, 56), Image.Resampling.BICUBIC)
            picture.save(training / f"{number}.jpg", quality=90)
    verdicts = digits.verdicts(images, ["leakage", "accuracy"], images={"training": str(training)})
    said = verdicts["leakage"]
    assert said.status == "fault" and said.effect == 50 / 200
    assert "(25 of them nearly alike): there accuracy is " in said.sentence
    assert verdicts["accuracy"].status not in ("fault", "warning")
