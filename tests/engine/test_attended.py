"""Attention of batches: few images at a time, filled up, edited; nothing else changes by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from attending import networks
from torch import Tensor, nn

from reportgen.engine import attended
from reportgen.engine.feed import Feed
from reportgen.engine.needs import Activation, Attention, AttentionRelevance, BlockGradient, MeanAttention
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.perturb.asking import Counter
from reportgen.errors import InputError

NEEDS = (Attention(2), MeanAttention(1), AttentionRelevance(1), BlockGradient(1), BlockGradient(2))


class Asking:
    """A probe that asks for these needs alone."""

    def __init__(self, *needs) -> None:
        self.asked = needs

    def needs(self, _model):
        return self.asked


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(1)
    return networks.tv_vit().eval()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_images_do_not_mix_however_many_go_through_at_once(network, pixels, measured, monkeypatch):
    together = measured(network, pixels, Asking(*NEEDS)).tapes[0]
    monkeypatch.setattr(attended, "AT_ONCE", 1)
    one_by_one = measured(network, pixels, Asking(*NEEDS))
    for need in NEEDS:
        a, b = together[need], one_by_one.tapes[0][need]
        assert a.shape == b.shape and len(a) == 3
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-7)
    assert one_by_one.engine.counted.forwards == one_by_one.chosen.plan().cost(3)["forwards"]


def test_images_that_fill_a_batch_up_are_cut_off(network, pixels, measured):
    plain = measured(network, pixels[:2], Asking(*NEEDS))
    feed = Feed(channels_last=False, images=4)
    engine: OnePass = replace(plain.engine, feed=feed, counted=Counter())
    with frozen(network):
        (tape,) = engine.run(pixels[:2], torch.full((2,), -1))
    for need in NEEDS:
        assert torch.allclose(tape[need], plain.tapes[0][need], rtol=1e-4, atol=1e-7)


def test_what_else_is_measured_stays_as_it_is_without_it(network, pixels, measured):
    alone = measured(network, pixels, Asking(Activation("encoder.ln")))
    beside = measured(network, pixels, Asking(Activation("encoder.ln"), *NEEDS))
    assert torch.equal(alone.tapes[0].logits, beside.tapes[0].logits)
    assert torch.equal(alone.tapes[0][Activation("encoder.ln")], beside.tapes[0][Activation("encoder.ln")])


def test_no_graph_is_kept_where_no_gradient_is_asked_for(network, pixels, measured):
    found = measured(network, pixels, Asking(Attention(2), MeanAttention(1)))
    assert found.engine.counted.backwards == 0
    assert found.tapes[0][Attention(2)].shape == (3, 2, 17)
    assert found.tapes[0][MeanAttention(1)].shape == (3, 17, 17)
    total = found.tapes[0][MeanAttention(1)].sum(2)
    assert torch.allclose(total, torch.ones(3, 17), atol=1e-5)


class Fickle(nn.Module):
    """It attends to dark images only; the tracer's, of zeros, is one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        if float(x.mean()) <= 0:
            y = torch.softmax(y @ y.mT, -1) @ y
        return self.head(y.mean(1))


def test_a_network_that_attends_to_some_images_alone_is_told_so(measured):
    assert len(trace(Fickle().eval(), (3, 32, 32)).attentions) == 1
    with pytest.raises(InputError, match="did not attend"):
        measured(Fickle().eval(), torch.ones(2, 3, 32, 32), Asking(Attention(1)))
