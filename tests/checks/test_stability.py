"""Stability: a network whose answers hang on the grid of the pixels is found, its clean twin is clear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reportgen.checks.case import Sample
from reportgen.checks.stability import ROUNDED, Stability, moved_by, shifts
from reportgen.engine.network.trace import trace
from reportgen.stats import wilson

BRITTLE = str(Path(__file__).with_name("brittle.py"))


def facts(side):
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(side * side, 4)).eval()
    return trace(network, (1, side, side))


@pytest.fixture(scope="module")
def asked(digits):
    def ask(each=20, **arguments):
        model = {"source": f"{BRITTLE}:Brittle", "arguments": arguments}
        checks = {"sample": 200, "only": ["stability"]}
        return digits.verdicts(digits.images(each), checks, model=model)["stability"]

    return ask


@pytest.fixture
def made(make_case):
    """A case on inputs of 224 px in which shares of the answers change, and of these a share were wrong."""

    def make(n, changed, rounded=0.0, wrong=0.0):
        labels = np.random.default_rng(0).integers(0, 4, n)
        logits = 8.0 * np.eye(4)[labels]
        were_wrong = np.arange(n) < round(wrong * n)
        logits[were_wrong] = np.roll(logits[were_wrong], 1, 1)
        case = make_case(labels, logits)
        model = facts(224)
        views = {}
        for view, share in [*((view, changed) for view in shifts(model)), (ROUNDED, rounded)]:
            other = np.arange(n) < round(share * n)
            views[view.name] = np.where(other[:, None], np.roll(logits, -1, 1), logits)
        answer = logits.argmax(1)
        return replace(
            case, model=model, sample=Sample(case.answers.numbers, {"answer": answer}, views=views)
        )

    return make


def test_the_digits_are_steady_and_those_that_hang_on_the_grid_are_not(asked):
    clean, grid = asked(), asked(grid=30.0)
    assert clean.status in ("clear", "undecided")
    assert grid.status == "warning", "as many answers are mended as are lost"
    assert grid.low > 0.05 > clean.effect
    assert grid.low > clean.high, "the twins are told apart by their intervals"
    assert grid.sentence.startswith("A shift of 1 px changes ")
    assert len(grid.exhibits.images) == round(grid.effect * grid.n)
    assert "Blur before each step" in grid.remedy


def test_what_magnifies_half_a_step_of_8_bits_is_found(asked):
    found = asked(rounding=4000.0)
    assert found.status in ("fault", "warning") and found.numbers["rounding.changed"].value > 0.2
    assert "Rounding to 8 bits changes" in found.sentence and "scale" in found.remedy


def test_answers_that_change_as_often_to_right_as_to_wrong_are_a_warning(made):
    fault, warning = Stability().judge(made(200, 0.3)), Stability().judge(made(200, 0.3, wrong=0.3))
    assert (fault.status, warning.status) == ("fault", "warning")
    assert "(−30.0 points of right ones" in fault.sentence
    assert "(+30.0 points of right ones" in warning.sentence
    assert fault.numbers["shift.changed"].value == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("n", "changed", "status"), [(400, 0.0, "clear"), (10, 0.0, "undecided"), (200, 0.05, "undecided")]
)
def test_it_is_clear_only_where_the_limit_is_excluded(n, changed, status, made):
    found = Stability().judge(made(n, changed))
    assert found.status == status
    assert ("images may decide it" in found.remedy) == (status == "undecided")


def test_without_labels_it_is_a_warning_at_most(made):
    case = made(200, 0.5)
    unlabelled = case.with_answers(replace(case.answers, labels=np.full(200, -1)))
    found = Stability().judge(unlabelled)
    assert found.status == "warning" and "points" not in found.sentence


def test_an_image_counts_by_the_share_of_its_shifts(made):
    case = made(4, 0.0)
    logits = np.stack([np.roll(case.sample.views[ROUNDED.name], k, 1) for k in (0, 0, 1, 1)])
    moved = moved_by("shift", case.sampled, list(logits))
    assert moved.share == 0.5 and moved.apart == (0, 0, 1, 1) and moved.n == 4
    assert moved.ends == wilson(2, 4)
    unknown = logits.copy()
    unknown[2, 1] = np.nan
    assert moved_by("shift", case.sampled, list(unknown)).n == 3
    assert moved_by("shift", case.sampled, []) is None


@pytest.mark.parametrize(("side", "furthest"), [(28, 1), (48, 1), (112, 2), (224, 4), (448, 4)])
def test_a_small_input_is_moved_by_less(side, furthest):
    assert [view.pixels.amount for view in shifts(facts(side))] == list(range(1, furthest + 1))


def test_other_answers_than_those_that_were_asked_are_not_judged(made):
    case = made(50, 0.0)
    other = case.with_answers(replace(case.answers, answers=(case.answers.answers + 1) % 4))
    assert Stability().judge(other).status == "untested"
    assert Stability().judge(replace(case, preprocessing={"mended": "inverted"})).status == "untested"
