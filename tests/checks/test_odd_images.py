"""Odd images: a minority that is answered worse is found whatever it differs in, one that is answered as well
is a note, and a clean set has neither."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from pictured import case_of_pictures, photograph
from PIL import Image, ImageFilter

from reportgen.checks.case import Sample
from reportgen.checks.odd_images import OddImages
from reportgen.checks.odd_images.unlike import unlike


def grey(picture):
    return np.asarray(Image.fromarray(picture).convert("L"))


def dark(picture):
    return (picture * 0.15).astype(np.uint8)


def pale(picture):
    return (128 + 0.1 * (picture.astype(float) - 128)).astype(np.uint8)


def blurred(picture):
    return Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3))


def small(picture):
    return Image.fromarray(picture).resize((16, 16))


def lying(picture):
    return np.rot90(picture)


def compressed(picture):
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=8)
    return Image.open(data), data.getvalue()


def as_jpeg(picture):
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=92)
    return Image.open(data), data.getvalue()


WAYS = [
    (grey, "are grey, while"),
    (dark, "much darker"),
    (pale, "of much less contrast"),
    (blurred, "much more blurred"),
    (small, "much smaller"),
    (lying, "wider than high"),
    (compressed, "compressed much more"),
]


@pytest.fixture(scope="module")
def photographs():
    return [photograph(np.random.default_rng(k), 48, 32) for k in range(200)]


def changed(photographs, change, count):
    base = as_jpeg if change is compressed else (lambda picture: picture)
    return [change(p) if k < count else base(p) for k, p in enumerate(photographs)]


def answered(count, wrong_of_odd, seed):
    """Nine of ten are right, of the odd ones all but a share."""
    draw = np.random.default_rng(seed)
    right = draw.random(200) < 0.95
    right[:count] = draw.permutation(count) >= round(wrong_of_odd * count)
    return right


@pytest.mark.parametrize("change, words", WAYS)
def test_a_minority_that_is_answered_worse_is_a_finding_and_else_a_note(photographs, change, words):
    pictures = changed(photographs, change, 20)
    for seed in (0, 1):
        bad = OddImages().judge(case_of_pictures(pictures, answered(20, 0.75, seed)))
        assert bad.status == "fault" and words in bad.sentence
        assert bad.exhibits.images == tuple(range(20)) and "25.0 %" in bad.sentence
        assert bad.low > 0.1
    note = OddImages().judge(case_of_pictures(pictures, answered(20, 0.05, 0)))
    assert note.status in ("clear", "undecided") and words.removeprefix("are ") in note.sentence
    assert note.exhibits.images == () and note.explains == ()


@pytest.mark.parametrize("change", [grey, dark])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_twentieth_of_which_half_is_wrong_is_found(photographs, change, seed):
    case = case_of_pictures(changed(photographs, change, 10), answered(10, 0.5, seed))
    said = OddImages().judge(case)
    assert said.status in ("fault", "warning") and said.exhibits.images == tuple(range(10))
    mended = OddImages().without(case, said)
    assert len(mended.answers.numbers) == 190


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_clean_set_has_no_finding(photographs, seed):
    right = np.random.default_rng(seed).random(200) < 0.9
    said = OddImages().judge(case_of_pictures(photographs, right))
    assert said.status == "clear", said.sentence


@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("labelled", [True, False])
def test_blank_pictures_are_counted_with_labels_and_without(photographs, count, labelled):
    pictures = [np.full((48, 32), 30 + k, dtype=np.uint8) for k in range(count)] + photographs[count:]
    labels = np.arange(200) % 10 if labelled else np.full(200, -1)
    said = OddImages().judge(case_of_pictures(pictures, answered(count, 1.0, 0), labels=labels))
    assert said.status == ("fault" if labelled and count == 12 else "warning")
    are = "are" if count > 1 else "is"
    assert said.sentence.startswith(
        f"{count} of 200 pictures {are} blank, with one value in all their pixels"
    )
    assert said.exhibits.images == tuple(range(count))


def test_blank_pictures_that_are_answered_right_are_what_their_label_says(photographs):
    pictures = [np.full((48, 32), 30 + k, dtype=np.uint8) for k in range(20)] + photographs[20:]
    assert not OddImages().judge(case_of_pictures(pictures, np.ones(200))).grave


def features(draw, classes=10, each=40, odd=0):
    """Clouds of features a class, and odd ones far from each of them."""
    centres = draw.normal(0, 4, (classes, 16))
    own = np.repeat(centres, each, 0) + draw.normal(0, 1, (classes * each, 16))
    own[:odd] = draw.normal(0, 1, (odd, 16)) + draw.normal(0, 4, (odd, 16))
    return own.astype(np.float32), np.repeat(np.arange(classes), each)


@pytest.mark.parametrize("seed", range(5))
def test_features_far_from_those_of_the_same_answer_are_found_and_no_others(seed):
    draw = np.random.default_rng(seed)
    assert unlike(*features(draw)).mean() < 0.01
    found = unlike(*features(draw, odd=8))
    assert found[:8].sum() >= 6 and found[8:].mean() < 0.01


def test_pictures_unlike_the_rest_are_a_warning_without_labels_too(photographs):
    own, answers = features(np.random.default_rng(0), each=20, odd=5)
    case = case_of_pictures(photographs, labels=np.full(200, -1))
    case = replace(case, answers=replace(case.answers, answers=answers))
    case = replace(case, sample=Sample(np.arange(200), {"features": own}))
    said = OddImages().judge(case)
    assert said.status == "warning" and "unlike the rest" in said.sentence
    assert set(range(4)) <= set(said.exhibits.images) <= set(range(5)) | {5}


def test_without_its_facts_it_is_untested(make_case):
    assert OddImages().judge(make_case([0, 1], np.eye(2))).status == "untested"


def test_photographs_among_digits_are_found_and_digits_alone_are_clear(digits):
    images = digits.images(each=20)
    asked = {"sample": 400, "only": ["odd-images"]}
    clean = digits.verdicts(images, asked)["odd-images"]
    assert not clean.grave, clean.sentence
    for k, file in enumerate(sorted(images.glob("*/*.png"))[::20]):
        Image.fromarray(photograph(np.random.default_rng(k), 28, 28)).convert("L").save(file)
    said = digits.verdicts(images, asked)["odd-images"]
    assert said.grave and len(said.exhibits.images) >= 8, said.sentence
