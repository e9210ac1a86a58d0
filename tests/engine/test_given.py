"""What layers are given: features and moments are those that a reader of the network's source computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from reportgen.engine.feed import Feed
from reportgen.engine.given import features, moments
from reportgen.engine.needs import Features, GivenMoments
from reportgen.engine.network.trace import trace
from reportgen.engine.perturb.asking import Asker, Counter
from reportgen.findings import NotApplicable


@dataclass(frozen=True)
class Wants:
    """A probe that needs what it is told."""

    wanted: tuple[Any, ...]

    def needs(self, _model):
        return self.wanted

    def measure(self, tape):
        return [tape[need] for need in self.wanted]


class Twice(nn.Module):
    """A head of tokens, and a normalisation that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.norm(self.norm(self.stem(x)).relu())
        return self.head(x.flatten(2).transpose(1, 2)).mean(1)


class Convolved(nn.Module):
    """A head that is a convolution, over all of the map or over each place."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.head = nn.Conv2d(6, 4, window)

    def forward(self, x):
        return self.head(self.stem(x).relu()).mean((2, 3))


def test_features_are_what_the_last_linear_layer_is_given(awkward, measured):
    x = torch.randn(5, 3, 32, 32)
    m = measured(awkward, x, Wants((Features(),)))
    (found,) = m.chosen.every[0].probe.measure(m.tapes[0])
    assert found.shape == (5, 12)
    assert torch.allclose(awkward.head(found), m.tapes[0].logits, atol=1e-5)
    assert m.engine.counted.forwards == 2 * 5 == m.engine.plan.cost(5)["forwards"]


@pytest.mark.parametrize(("window", "wide"), [(1, 6), (8, 6 * 64)])
def test_features_of_a_head_that_is_a_convolution(window, wide, measured):
    network = Convolved(window).eval()
    m = measured(network, x := torch.randn(3, 3, 32, 32), Wants((Features(),)))
    (found,) = m.chosen.every[0].probe.measure(m.tapes[0])
    maps = network.stem(x).relu()
    assert found.shape == (3, wide)
    assert torch.allclose(found, maps.flatten(1) if window == 8 else maps.mean((2, 3)), atol=1e-6)


def test_features_of_tokens_are_their_mean_and_moments_those_of_both_calls(measured):
    network = Twice().eval()
    need = GivenMoments(("norm",))
    m = measured(network, x := torch.randn(3, 3, 32, 32), Wants((Features(), need)))
    rows, both = m.chosen.every[0].probe.measure(m.tapes[0])
    first = network.stem(x)
    second = network.norm(first).relu()
    assert torch.allclose(rows, network.norm(second).mean((2, 3)), atol=1e-5)
    assert both.shape == (3, 2, 6)
    assert torch.allclose(both[:, 0], (first.mean((2, 3)) + second.mean((2, 3))) / 2, atol=1e-5)
    squares = (first.square().mean((2, 3)) + second.square().mean((2, 3))) / 2
    assert torch.allclose(both[:, 1], squares, atol=1e-5)


def test_a_batch_that_is_filled_up_has_a_row_for_its_own_images_only(awkward):
    facts, x = trace(awkward, (3, 32, 32)), torch.randn(3, 3, 32, 32)
    given = []
    for feed in (Feed(), Feed(images=8)):
        asker = Asker(awkward, facts, torch.device("cpu"), 8, feed=feed, counted=Counter())
        layer = Features().layer(facts)
        given.append((features(asker, x, layer), moments(asker, x, ["norm"])))
    for alone, filled in zip(*given, strict=True):
        assert alone.shape == filled.shape
        assert torch.allclose(alone, filled, atol=1e-5)
    assert not any(module._forward_pre_hooks for module in awkward.modules())


def test_a_network_of_one_layer_has_no_features():
    facts = trace(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16, 4)), (3, 4, 4))
    with pytest.raises(NotApplicable, match="no layer before"):
        Features().work(facts)


class TwoWays(nn.Module):
    """A second way to an answer, which is called last and starts at the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.head = nn.Linear(6, 4)
        self.aside = nn.Linear(3, 4)

    def forward(self, x):
        return self.head(self.stem(x).relu().mean((2, 3))) + self.aside(x.mean((2, 3)))


def test_of_two_ways_to_an_answer_the_features_are_those_of_the_longer():
    assert Features().layer(trace(TwoWays(), (3, 32, 32))).name == "head"
