"""Resolution: enlarged pictures are told from blurred ones; they are a finding where answers are worse."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reportgen.checks.case import NO_LABEL, Pictures
from reportgen.checks.resolution import Resolution
from reportgen.findings import GRAVE
from reportgen.inputs.images.facts import FIELDS, facts_of

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
KINDS = Image.Resampling


@pytest.fixture(scope="module")
def photos():
    opened = [Image.open(file).convert("RGB") for file in sorted(PHOTOS.glob("*.jpg"))[:4]]
    return [photo.resize((photo.width // 3, photo.height // 3), KINDS.BOX) for photo in opened]


def traced(pictures, **saved):
    found = []
    for picture in pictures:
        data = io.BytesIO()
        picture.save(data, **(saved or {"format": "PNG"}))
        again = Image.open(io.BytesIO(data.getvalue())).convert("RGB")
        found.append(facts_of(again, data.getvalue()).values[FIELDS.index("interpolated")])
    return np.array(found)


def times(photo, factor, how):
    return photo.resize((int(photo.width * factor), int(photo.height * factor)), how)


def test_pictures_of_their_own_size_blurred_or_compressed_have_no_trace(photos):
    assert not traced(photos).any()
    assert not traced([photo.filter(ImageFilter.GaussianBlur(2)) for photo in photos]).any()
    for quality in (40, 75, 95):
        assert not traced(photos, format="JPEG", quality=quality).any()


@pytest.mark.parametrize("factor", [1.5, 2, 3, 4])
def test_repeated_rows_and_columns_are_a_trace_with_the_factor(factor, photos):
    found = traced([times(photo, factor, KINDS.NEAREST) for photo in photos])
    assert found == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize("how", [KINDS.BILINEAR, KINDS.BICUBIC, KINDS.LANCZOS], ids=str)
def test_interpolation_is_traced_by_its_period(how, photos):
    found = traced([times(photo, 3, how) for photo in photos])
    assert (found > 0).sum() >= len(photos) - 1
    assert found[found > 0] == pytest.approx(3, rel=0.05)


def of(make_case, make_answers, member, accuracy, sizes=64, resize=None):
    """A case whose member pictures have a trace, and are answered right with another chance."""
    draw = np.random.default_rng(0)
    n = len(member)
    labels = draw.integers(0, 4, n)
    case = make_case(labels, make_answers(labels, np.where(member, accuracy, 0.95), draw, 4))
    values = np.zeros((n, len(FIELDS)))
    values[:, FIELDS.index("width")] = values[:, FIELDS.index("height")] = sizes
    values[:, FIELDS.index("interpolated")] = 3.0 * member
    nothing = np.zeros((n, 16), dtype=np.uint8), np.zeros((n, 2), dtype=np.uint64)
    pictures = Pictures(FIELDS, values, *nothing, case.answers.hashes)
    return replace(case, pictures=pictures, preprocessing={"resize": resize})


def test_enlarged_pictures_that_are_answered_worse_are_a_fault_and_their_twin_is_clear(
    make_case, make_answers
):
    member = np.arange(400) < 60
    case = of(make_case, make_answers, member, 0.4)
    worse = Resolution().judge(case)
    assert worse.status == "fault" and worse.low > 0.1
    assert worse.exhibits.images == tuple(range(60))
    assert worse.sentence.startswith("60 pictures are enlarged, 15.0 % [")
    assert len(Resolution().without(case, worse).answers.numbers) == 340
    twin = Resolution().judge(of(make_case, make_answers, member, 0.97))
    assert twin.status == "clear" and not twin.exhibits.images
    none = Resolution().judge(of(make_case, make_answers, member & False, 0.95))
    assert none.status == "clear" and none.sentence.startswith("None of 400 pictures has a trace")


def test_pictures_that_are_all_enlarged_alike_are_never_an_alarm(make_case, make_answers):
    """A network for pictures of 32 px may well be trained at 224: nothing tells whether this one was."""
    member = np.zeros(200, dtype=bool)
    for accuracy in (0.95, 0.4):
        found = Resolution().judge(of(make_case, make_answers, member, accuracy, sizes=32, resize=224))
        assert found.status == "undecided" and found.effect == 1 and not found.exhibits.images
        assert "by the recipe's resize, 7 times; there is hardly another" in found.sentence
        assert found.remedy.startswith("Look whether the training enlarged") and not found.explains
    traced = Resolution().judge(of(make_case, make_answers, ~member, 0.95))
    assert traced.status == "undecided" and traced.remedy.startswith("Take the pictures at their own size")
    less = Resolution().judge(of(make_case, make_answers, member, 0.9, sizes=200, resize=224))
    assert less.status == "clear"


def test_small_pictures_among_larger_ones_are_a_fault_by_their_answers_with_the_key(make_case, make_answers):
    small = np.arange(300) < 80
    case = of(make_case, make_answers, small & False, 1, sizes=np.where(small, 32, 256), resize=224)
    right = np.where(small, np.arange(300) % 2 == 0, True)
    wrong = (case.answers.labels + 1) % 4
    worse = replace(case.answers, answers=np.where(right, case.answers.labels, wrong))
    found = Resolution().judge(replace(case, answers=worse))
    assert found.status == "fault" and found.exhibits.settings == ("model.preprocessing.resize",)
    assert found.effect == pytest.approx(0.5)
    as_good = replace(case.answers, answers=case.answers.labels)
    assert Resolution().judge(replace(case, answers=as_good)).status == "clear"


def test_without_labels_it_is_open_where_more_than_a_few_are_enlarged(make_case, make_answers):
    for count, status in ((0, "clear"), (3, "clear"), (60, "undecided")):
        case = of(make_case, make_answers, np.arange(200) < count, 0.9)
        without = replace(case.answers, labels=np.full(200, NO_LABEL))
        found = Resolution().judge(replace(case, answers=without))
        assert found.status == status and found.limit is None
    assert found.remedy.startswith("Label more pictures")


def test_on_clean_sets_with_enlarged_pictures_there_is_hardly_an_alarm(make_case, make_answers):
    """300 pictures, of which a tenth is enlarged and answered as well as the rest."""
    grave = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        case = of(make_case, make_answers, draw.random(300) < 0.1, 0.95)
        right = draw.random(300) < 0.95
        wrong = (case.answers.labels + 1) % 4
        answers = replace(case.answers, answers=np.where(right, case.answers.labels, wrong))
        grave += Resolution().judge(replace(case, answers=answers)).status in GRAVE
    assert grave <= 5
