"""Training: a network stopped early is told from the same one at the end; over-confidence is no finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reportgen.checks.temperature import cautiously_fitted, fitted, log_losses
from reportgen.checks.training import LEAST_NATS, STEPS, Training, won_by
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import frozen
from reportgen.engine.perturb.asking import Asker
from reportgen.engine.stepped import descent
from reportgen.findings import NotApplicable

CHECKPOINT = (
    Path(__file__).resolve().parents[2] / "examples" / "mnist" / "checkpoints" / "epoch-10.safetensors"
)
ONLY = ("training", "accuracy", "calibration", "weights")


@pytest.fixture
def small():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    return network.eval()


def asking(network):
    return Asker(network, trace(network, (1, 8, 8)), torch.device("cpu"), 8)


def test_a_network_stopped_early_is_a_warning_and_one_at_its_end_is_not(digits):
    images, checks = digits.images(30), {"sample": 300, "only": list(ONLY)}
    early, late = (
        digits.verdicts(images, checks, checkpoint=CHECKPOINT.with_name(f"epoch-{epoch}.safetensors"))[
            "training"
        ]
        for epoch in ("01", "10")
    )
    assert early.status == "warning" and early.low > 0.02
    assert early.sentence.startswith("Trained too briefly, or with too few pictures? One step of training")
    assert late.status in ("clear", "undecided")
    assert late.low < 0.02


def test_without_labels_it_is_untested(digits):
    images = digits.images(5)
    found = digits.verdicts(images, list(ONLY), images={"labels": "none"})["training"]
    assert found.status == "untested"


def test_the_direction_is_that_of_the_gradient_of_the_loss(small):
    x, y = torch.randn(20, 1, 8, 8), torch.arange(20) % 3
    with frozen(small):
        found = descent(asking(small), [(x[:13], y[:13]), (x[13:], y[13:])], fitted)
    for p in small.parameters():
        p.requires_grad_(True)
    logits = small(x).detach().double()
    temperatures = np.exp(np.linspace(-3, 3, 4001))
    best = temperatures[np.argmin([float(F.cross_entropy(logits / t, y)) for t in temperatures])]
    expected = torch.autograd.grad(F.cross_entropy(small(x) / best, y), list(small.parameters()))
    for p, direction, gradient in zip(found.parameters, found.directions, expected, strict=True):
        torch.testing.assert_close(direction.norm(), p.norm(), rtol=1e-4, atol=1e-6)
        if not p.any():  # a share of nothing: such a one stays
            continue
        assert float(F.cosine_similarity(direction.flatten(), -gradient.flatten(), dim=0)) > 0.999


def test_the_network_comes_back_to_the_bit_even_when_what_is_asked_fails(small):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    flags = [p.requires_grad for p in small.parameters()]
    with frozen(small):
        found = descent(asking(small), [(torch.randn(9, 1, 8, 8), torch.arange(9) % 3)], fitted)
        with pytest.raises(RuntimeError, match="on purpose"), found.by(0.01):
            assert not torch.equal(small[0].weight, before["0.weight"])
            raise RuntimeError("on purpose")
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert [p.requires_grad for p in small.parameters()] == flags
    assert all(p.grad is None for p in small.parameters())


def test_a_network_without_weights_or_with_a_gradient_that_is_not_finite_has_no_direction(small):
    x, y = torch.randn(4, 1, 8, 8), torch.arange(4) % 3
    with frozen(small), torch.no_grad():
        small[4].weight[0, 0] = float("nan")
        assert descent(asking(small), [(x, y)], fitted) is None
        assert descent(asking(small), [], fitted) is None


@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_what_a_temperature_wins_is_no_finding(scale, make_answers):
    """A step that only mends the confidence takes nothing away."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, 300)
    logits = make_answers(labels, 0.8, draw, 5)
    won = won_by(labels, scale * logits, [logits, 1.1 * scale * logits], 0)
    assert abs(won.share) < 5e-3
    better = logits.copy()
    better[np.arange(300), labels] += 1.0
    won = won_by(labels, scale * logits, [better, logits], 0)
    assert won.low > 0.1


def test_where_no_step_helps_or_there_is_nothing_to_win_the_share_is_no_wild_number(make_answers):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, 200)
    own = make_answers(labels, 0.9, draw, 5)
    worse = own + draw.normal(0, 3, own.shape)
    won = won_by(labels, own, [worse, -own], 0)
    assert (won.share, won.low, won.high) == (0, 0, 0), "no step is the best of them"
    right = make_answers(labels, 1, draw, 5, sure=60.0)
    won = won_by(labels, right, [right + draw.normal(0, 1, right.shape)], 0)
    assert won.loss < LEAST_NATS and abs(won.share) < 1e-3


def test_a_half_without_a_mistake_makes_no_other_half_worse(make_answers):
    """Certainty would be its best temperature, and the one mistake of the other half all of the loss."""
    for seed in range(20):
        draw = np.random.default_rng(seed)
        labels = draw.integers(0, 5, 120)
        own = make_answers(labels, 1, draw, 5, sure=4.0)
        own[0, labels[0]] = -4.0  # the only mistake
        step = own + draw.normal(0, 0.1, own.shape)
        won = won_by(labels, own, [step], seed)
        honest = log_losses(own, labels, cautiously_fitted(own, labels)).mean()
        assert won.loss < 2 * honest
        assert won.low <= 0.02


def test_the_interval_covers_what_a_step_wins_on_many_images(make_answers):
    """The truth is that of 5,000 images; the draws are of 150 of them."""
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 4, 5_000)
    own = make_answers(labels, 0.8, draw, 4, sure=3.0)
    step = own + draw.normal(0, 0.3, own.shape)
    step[np.arange(len(labels)), labels] += 0.2
    truth = won_by(labels, own, [step], 0).share
    inside = []
    for seed in range(100):
        rows = draw.integers(0, len(labels), 150)
        won = won_by(labels[rows], own[rows], [step[rows]], seed)
        inside.append(won.low <= truth <= won.high)
    assert 0.88 <= np.mean(inside) <= 1


def test_what_it_asks_are_the_steps_and_a_network_without_weights_takes_none(small, make_case):
    assert Training().views(trace(small, (1, 8, 8))) == STEPS
    with pytest.raises(NotApplicable, match="no weights"):
        Training().views(trace(nn.Flatten(), (1, 2, 2)))
    assert Training().judge(make_case([-1, -1], np.eye(2))).status == "untested"
