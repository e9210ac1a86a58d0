"""Odd images: blank pictures and kinds that are answered worse are found; kinds that are not are a note."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reportgen.checks.case import Pictures, Sample
from reportgen.checks.odd_images import OddImages
from reportgen.checks.odd_images.kinds import kinds_of
from reportgen.checks.unlike import unlike_the_rest
from reportgen.inputs.images.facts import FIELDS

USUAL = {
    "width": 64,
    "height": 64,
    "mode": 4,
    "format": 2,
    "orientation": 1,
    "colour": 0.8,
    "jpeg_quality": 0,
}


def facts(n, draw, member=None, **odd):
    """Facts of usual pictures; those of a mask have other values."""
    values = np.zeros((n, len(FIELDS)))
    drawn = {"luminance": 0.5, "contrast": 0.2, "saturation": 0.4, "sharpness": 0.03}
    for name, value in {**USUAL, **drawn}.items():
        spread = draw.normal(1, 0.1, n) if name in drawn else 1.0
        values[:, FIELDS.index(name)] = value * spread
    for name, value in odd.items():
        values[member, FIELDS.index(name)] = value
    pixels = draw.integers(0, 256, (n, 16), dtype=np.uint8)
    return Pictures(FIELDS, values, pixels, np.zeros((n, 2), dtype=np.uint64), ("",) * n)


def with_odd(make_case, make_answers, share, accuracy, seed, n=600, **odd):
    draw = np.random.default_rng(seed)
    member, labels = draw.random(n) < share, draw.integers(0, 4, n)
    case = make_case(labels, make_answers(labels, np.where(member, accuracy, 0.96), draw, 4), seed=seed)
    return replace(case, pictures=facts(n, draw, member, **odd)), member


KINDS = [
    ({"colour": 0.0, "saturation": 0.0}, "grey among coloured ones"),
    ({"luminance": 0.02}, "very dark"),
    ({"sharpness": 0.0003}, "blurred"),
    ({"orientation": 6}, "turned by their EXIF tag"),
    ({"width": 20, "height": 20}, "small"),
    ({"mode": 2}, "of another mode than most"),
    ({"height": 96}, "wide"),
]


@pytest.mark.parametrize("odd, words", KINDS[:6])
@pytest.mark.parametrize("share, accuracy", [(0.05, 0.4), (0.12, 0.6)])
def test_a_kind_that_is_answered_worse_is_found(make_case, make_answers, odd, words, share, accuracy):
    found = 0
    for seed in range(4):
        case, member = with_odd(make_case, make_answers, share, accuracy, seed, **odd)
        said = OddImages().judge(case)
        found += said.status == "fault"
        assert words in said.sentence
        if said.status == "fault":
            assert set(case.answers.numbers[member]) <= set(said.exhibits.images)
    assert found >= 3


@pytest.mark.parametrize("odd, words", KINDS[:6])
def test_a_kind_that_is_answered_as_well_is_a_note(make_case, make_answers, odd, words):
    for seed in range(4):
        case, _ = with_odd(make_case, make_answers, 0.08, 0.96, seed, **odd)
        said = OddImages().judge(case)
        assert said.status in ("clear", "undecided") and words in said.sentence and not said.remedy


def test_usual_pictures_give_hardly_an_alarm(make_case, make_answers):
    statuses = [
        OddImages().judge(with_odd(make_case, make_answers, 0.0, 0.96, seed)[0]).status for seed in range(40)
    ]
    assert statuses.count("fault") == 0 and statuses.count("warning") <= 1


@pytest.mark.parametrize("labelled", [True, False])
def test_one_blank_picture_is_a_warning_with_and_without_labels(make_case, make_answers, labelled):
    case, _ = with_odd(make_case, make_answers, 0.0, 0.96, 0)
    case.pictures.values[7, [FIELDS.index("contrast"), FIELDS.index("colour")]] = 0
    if not labelled:
        case = replace(case, answers=replace(case.answers, labels=np.full(600, -1)))
    said = OddImages().judge(case)
    assert said.status == "warning" and said.exhibits.images == (7,)
    assert said.sentence.startswith("1 picture is blank, one value in all pixels: 7.png.")


def test_blank_pictures_that_are_answered_right_are_of_the_task(make_case, make_answers):
    case, _ = with_odd(make_case, make_answers, 0.1, 1.0, 0, contrast=0.0, colour=0.0)
    assert OddImages().judge(case).status == "clear"


def planted(n=400, strangers=20, how="far", seed=0):
    draw = np.random.default_rng(seed)
    classes = np.eye(10, 40) * 6
    rows = np.abs(classes[draw.integers(0, 10, n)] + draw.normal(0, 1, (n, 40)))
    rows[:strangers] = {
        "far": 12 + draw.normal(0, 1, (strangers, 40)),
        "weak": rows[:strangers] * 0.05,
    }[how]
    return rows


@pytest.mark.parametrize("how", ["far", "weak"])
@pytest.mark.parametrize("strangers", [0, 3, 20])
def test_features_unlike_the_rest(how, strangers):
    far = unlike_the_rest(planted(strangers=strangers, how=how))
    assert far[:strangers].all() and far[strangers:].sum() <= 1


def test_without_labels_many_strangers_are_a_warning_and_few_features_say_nothing(make_case, make_answers):
    case, _ = with_odd(make_case, make_answers, 0.0, 0.96, 0, n=400)
    case = replace(case, answers=replace(case.answers, labels=np.full(400, -1)))
    sample = Sample(np.arange(400), {"features": planted()})
    said = OddImages().judge(replace(case, sample=sample))
    assert said.status == "warning" and "20 unlike the rest by their features" in said.sentence
    assert set(said.exhibits.images) == set(range(20))
    assert not unlike_the_rest(planted(n=30, strangers=3)).any()
    assert not unlike_the_rest(np.full((100, 5), np.nan)).any()


def test_a_set_of_one_kind_and_without_facts(make_case):
    assert kinds_of(facts(1, np.random.default_rng(0))) == {}
    assert OddImages().judge(make_case([0, 1], np.eye(2))).status == "untested"


@pytest.mark.parametrize("how", ["clean", "blank", "blurred"])
def test_a_set_of_digits(digits, how):
    images = digits.images(each=20)
    files = sorted(images.glob("*/*.png"))
    chosen = [files[k] for k in np.random.default_rng(0).permutation(200)[: 0 if how == "clean" else 14]]
    for file in chosen:
        picture = Image.open(file)
        blank = Image.new("L", picture.size, 0)
        (blank if how == "blank" else picture.filter(ImageFilter.GaussianBlur(3))).save(file)
    said = digits.verdicts(images, {"sample": 64, "only": ["odd-images"]})["odd-images"]
    assert said.status == ("clear" if how == "clean" else "fault"), said.sentence
    if how != "clean":
        shown = {file.name for file in chosen}
        assert (
            len(said.exhibits.images) >= 14
            and how in said.sentence
            and any(s in said.sentence for s in shown)
        )
