"""Head: a last layer that does not fit its features is found; one that does is left alone."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.checks.case import Sample
from reportgen.checks.head import Head
from reportgen.engine.network.trace import trace

ONLY = {"sample": 300, "only": ["head", "accuracy", "calibration", "balance", "duplicates"]}
GRAVE = ("fault", "warning")


@pytest.fixture(scope="module")
def asked(digits, tmp_path_factory):
    state = load_file(digits.network.parent / "checkpoints" / "epoch-10.safetensors")

    def ask(edit=None, each=30):
        changed = copy.deepcopy(state)
        if edit is not None:
            edit(changed)
        checkpoint = tmp_path_factory.mktemp("head") / "model.safetensors"
        save_file(changed, checkpoint)
        return digits.verdicts(digits.images(each), ONLY, checkpoint=checkpoint)

    return ask


def test_a_trained_last_layer_is_left_alone(asked):
    found = asked()["head"]
    assert found.status not in GRAVE and found.n > 100
    assert "fc2" in found.sentence or found.status == "undecided"


@pytest.mark.parametrize("seed", [0, 1])
def test_a_last_layer_that_was_initialised_anew_is_found(seed, asked):
    def anew(state):
        generator = torch.Generator().manual_seed(seed)
        state["fc2.weight"] = (torch.rand(10, 100, generator=generator) * 2 - 1) / 10

    verdicts = asked(anew)
    found = verdicts["head"]
    assert found.status == "fault" and found.low > 0.5
    assert "fc2" in found.sentence and found.exhibits.layers == ("fc2",)
    assert verdicts["accuracy"].explained_by == "head"
    assert verdicts["balance"].status == verdicts["duplicates"].status == "clear"


def test_two_rows_that_were_lost_are_found(asked):
    def lost(state):
        state["fc2.weight"][[3, 7]] = 0
        state["fc2.bias"][[3, 7]] = -5

    assert asked(lost)["head"].status == "fault"


def test_a_gain_that_is_chance_is_found_in_at_most_one_of_twenty(make_case, make_answers, awkward):
    """Features that know as much as the answers do: 60 sets, of which both are right in three of four."""
    facts, grave = trace(awkward, (3, 32, 32)), 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        labels = draw.integers(0, 5, 200)
        seen = np.where(draw.random(200) < 0.75, labels, draw.integers(0, 5, 200))
        features = np.eye(5)[seen] + draw.normal(0, 0.2, (200, 5))
        case = make_case(labels, np.eye(5)[seen] * 4, seed=seed)
        case = replace(case, model=facts, sample=Sample(case.answers.numbers, {"features": features}))
        grave += Head().judge(case).status in GRAVE
    assert grave <= 3
