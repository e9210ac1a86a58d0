"""Parts against the rest: groups, and the ends of properties: planted gaps are found, clean draws are silent,
and intervals cover."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.case import Pictures
from reportgen.checks.groups import Groups
from reportgen.checks.parts import Part, judged_parts
from reportgen.checks.properties import Properties
from reportgen.stats import newcombe

FIELDS = ("width", "height", "luminance", "contrast", "saturation", "sharpness", "jpeg_quality")


def grouped(make_case, make_answers, counts, accuracies, seed=0, classes=4):
    """A case with groups of these sizes, each with its accuracy."""
    draw = np.random.default_rng(seed)
    member = np.repeat(np.arange(len(counts)), counts)
    labels = draw.integers(0, classes, len(member))
    case = make_case(labels, make_answers(labels, np.asarray(accuracies)[member], draw, classes), seed=seed)
    return replace(case, groups={"camera": tuple(f"c{k}" for k in member)})


def with_pictures(case, seed=0, **columns):
    """The case with facts that are drawn at random, but for the columns that are given."""
    draw = np.random.default_rng(seed)
    n = len(case.answers.numbers)
    values = draw.random((n, len(FIELDS)))
    values[:, :2], values[:, -1] = 64, 0
    for name, column in columns.items():
        values[:, FIELDS.index(name)] = column
    pixels = draw.integers(0, 256, (n, 16), dtype=np.uint8)
    facts = Pictures(FIELDS, values, pixels, np.zeros((n, 2), dtype=np.uint64), case.answers.hashes)
    return replace(case, pictures=facts)


@pytest.mark.parametrize(
    "counts, low", [((300, 240, 60), 0.7), ((200, 200, 200), 0.8), ((400, 160, 40), 0.65)]
)
def test_a_group_that_is_answered_worse_is_named(make_case, make_answers, counts, low):
    found = 0
    for seed in range(10):
        case = grouped(make_case, make_answers, counts, (0.95, 0.95, low), seed)
        said = Groups().judge(case)
        found += said.status in ("fault", "warning")
        if said.status == "fault":
            assert "camera c2" in said.sentence and said.low > 0.05
            wrong = (np.array(case.groups["camera"]) == "c2") & ~case.answers.right
            assert set(said.exhibits.images) == set(case.answers.numbers[wrong])
    assert found >= 9


def test_even_groups_give_hardly_an_alarm(make_case, make_answers):
    statuses = [
        Groups().judge(grouped(make_case, make_answers, (150, 150, 200, 60, 40), [a] * 5, seed)).status
        for a in (0.6, 0.9, 0.97)
        for seed in range(30)
    ]
    assert statuses.count("fault") <= 4 and statuses.count("fault") + statuses.count("warning") < 9


def test_small_groups_are_said_to_be_too_few(make_case, make_answers):
    said = Groups().judge(grouped(make_case, make_answers, (200, 100, 12), (0.9, 0.9, 0.0)))
    assert said.status not in ("fault",) and "Too few to judge (under 30): camera c2 (12)." in said.sentence
    only = Groups().judge(grouped(make_case, make_answers, (200, 12), (0.9, 0.0)))
    assert only.status == "undecided" and "No column has two groups" in only.sentence


def test_columns_that_say_nothing(make_case, make_answers):
    case = grouped(make_case, make_answers, (1500,), (0.9,))
    none = Groups().judge(replace(case, groups={}))
    assert none.status == "untested" and none.exhibits.settings == ("images.groups",)
    single = replace(case, groups={"id": tuple(f"{k}" for k in range(1500)), "empty": ("",) * 1500})
    said = Groups().judge(single)
    assert said.status == "undecided" and "Too many groups to judge: id (1,500)" in said.sentence
    unlabelled = replace(case, answers=replace(case.answers, labels=np.full(1500, -1)))
    assert Groups().judge(unlabelled).status == "untested"


@pytest.mark.parametrize("name, words", [("luminance", "darkest"), ("sharpness", "least sharp")])
@pytest.mark.parametrize("n, worse", [(600, 0.25), (1500, 0.2)])
def test_answers_that_get_worse_along_a_property(make_case, make_answers, name, words, n, worse):
    found = 0
    for seed in range(10):
        draw = np.random.default_rng(seed)
        values, labels = draw.random(n), np.arange(n) % 4
        case = make_case(
            labels, make_answers(labels, np.where(values < 0.2, 0.95 - worse, 0.95), draw, 4), seed=seed
        )
        said = Properties().judge(with_pictures(case, seed, **{name: values}))
        found += said.status in ("fault", "warning") and f"the {words} fifth" in said.sentence
    assert found >= 8


def test_without_such_a_property_there_is_hardly_an_alarm(make_case, make_answers):
    statuses = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        labels = np.arange(600) % 4
        case = make_case(labels, make_answers(labels, 0.8 if seed % 2 else 0.96, draw, 4), seed=seed)
        statuses.append(Properties().judge(with_pictures(case, seed)).status)
    assert statuses.count("fault") <= 2 and statuses.count("fault") + statuses.count("warning") < 6


def test_properties_of_pictures_that_are_alike_or_few(make_case, make_answers):
    draw = np.random.default_rng(0)
    labels = np.arange(60) % 4
    case = make_case(labels, make_answers(labels, 0.9, draw, 4))
    assert Properties().judge(case).status == "untested"
    assert Properties().judge(with_pictures(case)).status == "undecided"
    same = with_pictures(case, luminance=0.5, contrast=0.5, saturation=0.5, sharpness=0.5)
    assert Properties().judge(same).status == "clear"


def test_newcombes_interval_covers():
    draw, covered, total = np.random.default_rng(0), 0, 0
    for a, b, m, n in ((0.9, 0.95, 60, 400), (0.7, 0.95, 40, 300), (0.5, 0.6, 100, 100)):
        for right, others in zip(draw.binomial(m, a, 400), draw.binomial(n, b, 400), strict=True):
            low, high = newcombe(int(others), n, int(right), m)
            covered, total = covered + (low <= b - a <= high), total + 1
    assert 0.93 <= covered / total <= 0.975


def test_several_parts_are_corrected_for():
    weak = Part("weak", 20, 30, 285, 300)
    assert judged_parts([weak], 0.05).status == "fault"
    slight = Part("slight", 26, 30, 285, 300)
    alone = judged_parts([slight], 0.05)
    many = judged_parts([slight, *[Part(str(k), 28, 30, 285, 300) for k in range(20)]], 0.05)
    assert many.status == "undecided" and alone.largest.p < 21 * alone.largest.p
