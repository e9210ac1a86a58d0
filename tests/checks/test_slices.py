"""Slices: a hidden kind within a class that is answered worse is found; a weak class is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reportgen.checks.case import Sample
from reportgen.checks.slices import Slices


def with_hidden(make_case, make_answers, share, wrong, seed, each=120, classes=4, usual=0.96):
    """Classes of features around a centre; in class 1 a share of another kind, which is wrong more often."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    hidden = (labels == 1) & (draw.random(len(labels)) < share)
    centres = draw.normal(0, 3, (classes + 1, 24))
    features = centres[np.where(hidden, classes, labels)] + draw.normal(0, 1, (len(labels), 24))
    chance = np.where(hidden, 1 - wrong, usual)
    case = make_case(labels, make_answers(labels, chance, draw, classes), seed=seed)
    return replace(case, sample=Sample(np.arange(len(labels)), {"features": features})), hidden


@pytest.mark.parametrize("share, wrong", [(0.125, 0.9), (0.3, 0.6)])
def test_a_hidden_kind_is_found_with_its_images(make_case, make_answers, share, wrong):
    found = 0
    for seed in range(8):
        case, hidden = with_hidden(make_case, make_answers, share, wrong, seed)
        said = Slices().judge(case)
        if said.status in ("fault", "warning"):
            found += 1
            assert "look-alike images in class 1" in said.sentence and said.low > 0
            named = np.isin(case.answers.numbers, said.exhibits.images)
            assert hidden[named].mean() > 0.8 and named[hidden].mean() > 0.4
    assert found >= 6


def test_without_one_there_is_hardly_an_alarm(make_case, make_answers):
    statuses = []
    for seed in range(12):
        case, _ = with_hidden(make_case, make_answers, 0.2, 0.04, seed)
        statuses.append(Slices().judge(case).status)
    weak = [
        Slices().judge(with_hidden(make_case, make_answers, 0.2, 0.4, seed, usual=0.6)[0]).status
        for seed in range(12)
    ]
    assert (statuses + weak).count("fault") <= 1
    assert (statuses + weak).count("fault") + (statuses + weak).count("warning") <= 2


def test_wrong_answers_where_two_classes_meet_are_no_hidden_kind(make_case, make_answers):
    statuses = []
    for seed in range(8):
        draw = np.random.default_rng(seed)
        labels = np.repeat(np.arange(2), 150)
        along = np.where(labels == 0, -1.5, 1.5) + draw.normal(0, 1.2, 300)  # the answer is its sign
        features = np.concatenate([along[:, None], draw.normal(0, 0.3, (300, 5))], 1)
        case = make_case(labels, np.stack([-along, along], 1), seed=seed)
        said = Slices().judge(replace(case, sample=Sample(np.arange(300), {"features": features})))
        statuses.append(said.status)
    # of a group that lies wholly across the border all is wrong: that is not told from a hidden kind
    assert statuses.count("fault") + statuses.count("warning") <= 3


def test_few_images_no_features_no_labels(make_case, make_answers):
    case, _ = with_hidden(make_case, make_answers, 0.2, 0.9, 0, each=6)
    assert Slices().judge(case).status == "undecided"
    assert Slices().judge(replace(case, sample=Sample(np.arange(0)))).status == "untested"
    unlabelled = replace(case, answers=replace(case.answers, labels=np.full(24, -1)))
    assert Slices().judge(unlabelled).status == "untested"


def test_features_of_no_variation_give_no_groups(make_case, make_answers):
    case, _ = with_hidden(make_case, make_answers, 0.2, 0.9, 0)
    flat = replace(case, sample=Sample(np.arange(480), {"features": np.ones((480, 3))}))
    said = Slices().judge(flat)
    assert said.status == "undecided" and "not excluded" in said.sentence


@pytest.mark.parametrize("each, status", [(120, "clear"), (40, "undecided")])
def test_it_is_clear_only_where_the_wrong_answers_are_too_few_for_a_group(
    make_case, make_answers, each, status
):
    case, _ = with_hidden(make_case, make_answers, 0.2, 0.0, 0, each=each, usual=1.0)
    said = Slices().judge(case)
    assert said.status == status and (said.high <= 0.15) == (status == "clear")
    assert bool(said.remedy) == (status == "undecided")


def test_a_set_of_digits_is_clear_or_open(digits):
    said = digits.verdicts(digits.images(each=20), {"sample": 200, "only": ["slices"]})["slices"]
    assert said.status in ("clear", "undecided"), said.sentence
