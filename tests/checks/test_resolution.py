"""Resolution: enlarged pictures are told from blurred ones; they are a finding where answers are worse."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from reportgen.checks.case import Pictures
from reportgen.checks.resolution import Resolution
from reportgen.inputs.images.facts import FIELDS, facts_of

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
KINDS = Image.Resampling


@pytest.fixture(scope="module")
def photos():
    opened = [Image.open(file).convert("RGB") for file in sorted(PHOTOS.glob("*.jpg"))[:6]]
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


def test_most_pictures_enlarged_by_the_recipe_are_a_warning_with_the_key(make_case, make_answers):
    member = np.zeros(200, dtype=bool)
    found = Resolution().judge(of(make_case, make_answers, member, 0.9, sizes=32, resize=224))
    assert found.status == "warning" and found.effect == 1
    assert "by the recipe's resize, 7 times" in found.sentence
    assert found.exhibits.settings == ("model.preprocessing.resize",)
    small = Resolution().judge(of(make_case, make_answers, member, 0.9, sizes=200, resize=224))
    assert small.status == "clear"


def test_on_clean_sets_with_enlarged_pictures_there_is_hardly_a_fault(make_case, make_answers):
    grave = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        member = draw.random(300) < 0.1
        case = of(make_case, make_answers, member, 0.95)
        right = draw.random(300) < 0.95
        answers = replace(
            case.answers, answers=np.where(right, case.answers.labels, (case.answers.labels + 1) % 4)
        )
        grave += Resolution().judge(replace(case, answers=answers)).status == "fault"
    assert grave <= 10
