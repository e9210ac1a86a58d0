"""Weights: NaN, zeroed, copied, untouched weights and statistics are found; a trained network is sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from reportgen.checks.weights import Weights

EYE = np.eye(2)


def trained(seed=0):
    """Weights as training leaves them: no initialiser draws so."""
    draw = np.random.default_rng(seed)
    return {
        "conv1.weight": draw.normal(0, 0.2, (16, 3, 3, 3)).astype(np.float32),
        "bn.running_mean": draw.normal(0, 1, 16).astype(np.float32),
        "bn.running_var": draw.gamma(2, 1, 16).astype(np.float32),
        "bn.num_batches_tracked": np.array(300),
        "conv2.weight": draw.normal(0, 0.1, (48, 16, 3, 3)).astype(np.float32),
        "fc.weight": draw.normal(0, 0.3, (10, 48)).astype(np.float32),
        "fc.bias": draw.normal(0, 0.3, 10).astype(np.float32),
    }


@pytest.fixture
def verdict(make_case):
    return lambda tensors: Weights().judge(make_case([0, 1], EYE, tensors=tensors))


@pytest.mark.parametrize("seed", range(5))
def test_a_trained_network_is_sound(verdict, seed):
    said = verdict(trained(seed))
    assert said.status == "clear" and said.effect == 0
    assert "values of 7 tensors are finite" in said.sentence


@pytest.mark.parametrize("name, bad", [("fc.bias", np.nan), ("conv2.weight", np.inf)])
def test_a_value_that_is_not_finite_is_a_fault_wherever_it_is(verdict, name, bad):
    tensors = trained()
    tensors[name].flat[3] = bad
    said = verdict(tensors)
    size = tensors[name].size
    assert said.status == "fault" and f"1 of {size:,} values of {name} is not finite" in said.sentence
    assert "no image of this set reaches it" in said.sentence


def test_a_value_that_is_not_finite_and_is_reached_is_told_without_that(make_case):
    tensors = trained()
    tensors["fc.bias"][3] = np.nan
    case = make_case([0, 1], EYE, tensors=tensors)
    case = case.with_answers(replace(case.answers, answers=np.array([0, -1])))
    said = Weights().judge(case)
    assert said.status == "fault" and "reaches it" not in said.sentence


@pytest.mark.parametrize("count", [3, 14])
def test_zeroed_and_copied_filters_are_counted(verdict, count):
    tensors = trained()
    tensors["conv2.weight"][10 : 10 + count] = 0
    said = verdict(tensors)
    assert said.status == "fault" and f"{count} of 48 filters of conv2 are all zero" in said.sentence
    assert said.exhibits.channels == tuple(("conv2", k) for k in range(10, 10 + count))
    tensors = trained()
    tensors["conv2.weight"][10 : 10 + count] = tensors["conv2.weight"][30 : 30 + count]
    said = verdict(tensors)
    assert said.status == "fault" and f"{count} of 48 filters of conv2 are copies of others" in said.sentence
    assert said.exhibits.channels == tuple(("conv2", k) for k in range(30, 30 + count))


def test_statistics_that_were_never_updated(verdict):
    tensors = trained()
    tensors |= {
        "bn.running_mean": np.zeros(16, np.float32),
        "bn.running_var": np.ones(16, np.float32),
        "bn.num_batches_tracked": np.array(0),
    }
    said = verdict(tensors)
    assert said.status == "fault"
    assert "running statistics of 1 of 1 normalisation are still 0 and 1, 0 batches seen" in said.sentence


@pytest.mark.parametrize("make", [lambda: nn.Linear(64, 32), lambda: nn.Conv2d(8, 16, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_weights_as_they_were_initialised(verdict, make, seed):
    torch.manual_seed(seed)
    weight = make().weight.detach().numpy()
    said = verdict({**trained(), "head.weight": weight})
    assert said.status == "warning" and "weights of head are as they were initialised" in said.sentence
    moved = weight + np.random.default_rng(seed).normal(0, 0.3 * weight.std(), weight.shape)
    assert verdict({**trained(), "head.weight": moved.astype(np.float32)}).status == "clear"


def test_the_digits_network_and_a_copy_with_a_zeroed_output(digits, tmp_path):
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "examples/mnist/checkpoints/epoch-10.safetensors"
    images = digits.images(each=2)
    assert digits.verdicts(images, ["weights"])["weights"].status == "clear"
    state = load_file(path)
    name = [key for key, value in state.items() if key.endswith("weight") and value.ndim == 2][-1]
    state[name] = state[name].clone()
    state[name][4] = 0
    save_file(state, tmp_path / "broken.safetensors")
    said = digits.verdicts(images, ["weights"], checkpoint=tmp_path / "broken.safetensors")["weights"]
    assert said.status == "fault" and "1 of 10 outputs of" in said.sentence


def test_an_untouched_last_layer_is_the_cause_of_what_follows(digits, tmp_path):
    from tests.checks.conftest import CHECKPOINT

    state = load_file(CHECKPOINT)
    name = [key for key, value in state.items() if key.endswith("weight") and value.ndim == 2][-1]
    torch.manual_seed(0)
    state[name] = nn.Linear(*state[name].shape[::-1]).weight.detach()
    save_file(state, tmp_path / "headless.safetensors")
    asked = ["accuracy", "calibration", "class-names", "label-noise", "weights"]
    said = digits.verdicts(digits.images(each=30), asked, checkpoint=tmp_path / "headless.safetensors")
    rows = [key for key, verdict in said.items() if verdict.grave and not verdict.explained_by]
    assert rows == ["weights"], {key: said[key].sentence for key in rows}


def test_a_few_zero_filters_such_as_training_leaves_are_told_and_no_warning(verdict):
    tensors = trained()
    tensors["conv2.weight"][5] = 0  # 1 of 48 is less than a twentieth
    said = verdict(tensors)
    assert (said.status, said.remedy) == ("clear", "")
    assert "1 of 48 filters of conv2 is all zero: too few to matter." in said.sentence
    assert said.effect == pytest.approx(1 / 48)
