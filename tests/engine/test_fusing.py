"""Forwards with fused layers as the plain ones, on networks that can be fused wholly, in part, not at all."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from oracles import ARCHITECTURES, QUICK
from torch import nn
from torch.nn import functional as F

from reportgen.engine.feed import ANY, Feed
from reportgen.engine.fusing import forwards as fused
from reportgen.engine.fusing.layers import Folds
from reportgen.engine.needs import Ablated, Normalisation, RandomMasks
from reportgen.engine.network.trace import trace
from reportgen.engine.perturb.asking import Asker
from reportgen.engine.perturb.makers import Source, maker

NETWORKS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.matrix) for name in ARCHITECTURES]
SIDE, CPU = 32, torch.device("cpu")
MASKS = RandomMasks(12)
NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)


@pytest.fixture(autouse=True)
def whatever_it_saves(monkeypatch):
    """Layers are fused whatever the size of the network."""
    monkeypatch.setattr(fused, "A_CALL", 0)


class Net(nn.Module):
    """Two convolutions of 8 channels with normalisations that do not stand at their first values."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, 2, bias=False), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(8), nn.Linear(8, 4)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)

    def maps(self, x):
        return F.relu6(self.norm(self.two(F.relu(self.norm(self.one(F.pad(x, (1, 1, 1, 1))))))))

    def forward(self, x):
        return self.head(self.maps(x).mean((2, 3)))


class Functional(Net):
    """The normalisation is called by function, and the zeros stand on one side only."""

    def maps(self, x):
        n = self.norm
        x = F.batch_norm(
            self.one(F.pad(x, (0, 1, 0, 1))), n.running_mean, n.running_var, n.weight, n.bias, False
        )
        return F.silu(x, inplace=True)


class Before(Net):
    """A normalisation before the convolution, and one whose input is read again."""

    def maps(self, x):
        x = self.one(x)
        y = self.norm(x)
        return F.hardswish(self.two(F.relu(y))) + x + y.clamp(0.1)


class ByBatch(Net):
    """The normalisation has no statistics of its own: it goes by the batch's in eval mode as well."""

    def maps(self, x):
        return F.batch_norm(self.one(x), None, None, training=True)


class Anew(Net):
    """A weight that is worked out anew each time, and a transposed convolution."""

    def maps(self, x):
        weight = self.one.weight
        weight = weight - weight.mean((1, 2, 3), keepdim=True)
        x = F.relu(self.norm(F.conv2d(F.pad(x, (2, 2, 1, 1)), weight, None, 1)), inplace=True)
        return F.conv_transpose2d(x, self.two.weight, stride=2)


class Padding(Net):
    """Zeros that are read before they are convolved, others than zeros, and an edge that is cut off."""

    def maps(self, x):
        x = F.pad(x, (1, 1, 1, 1))
        x = self.one(x) + x[:, :1, 1::2, 1::2][..., :16, :16].sum()
        return self.two(F.pad(F.pad(x, (1, 1, 1, 1), value=2.0), (-1, -1, -1, -1)))


class WrittenInto(Net):
    """What a convolution read is written into before it is worked out."""

    def maps(self, x):
        x = self.one(x)
        y = self.two(x)
        x.mul_(-2)
        return y + x


class PaddedWrittenInto(Net):
    def maps(self, x):
        x = self.one(x).relu()
        y = F.pad(x, (1, 1, 1, 1))
        x.add_(1)
        return self.two(y)


EVERY = [Net, Functional, Before, ByBatch, Anew, Padding, WrittenInto, PaddedWrittenInto]


def asker_of(network, batch_size=16, feed=ANY):
    network = network.eval().requires_grad_(False)
    return Asker(network, trace(network, (3, SIDE, SIDE)), CPU, batch_size, feed=feed)


def scores(asker, x, family=MASKS, taps=()):
    made_by = maker(family, Source(ANY.laid(x), NORMAL, {}))
    with torch.no_grad():
        found = list(asker.perturbed(len(x), made_by, taps))
    kept = {name: torch.cat([tapped[name] for *_, tapped in found]) for name in taps}
    return torch.cat([logits for _, logits, _ in found]), kept


def plainly(monkeypatch, asker, *args, **kwargs):
    with monkeypatch.context() as patch:
        patch.setattr(fused, "FEWEST", 10**9)
        before = asker.fused.forwards
        answers = scores(asker, *args, **kwargs)
        assert asker.fused.forwards == before
    return answers


def near(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("kind", EVERY)
def test_answers_are_the_plain_ones(kind, monkeypatch):
    torch.manual_seed(EVERY.index(kind))
    asker, x = asker_of(kind()), torch.randn(2, 3, SIDE, SIDE)
    state = copy.deepcopy(asker.network.state_dict())
    found, _ = scores(asker, x)
    expected, _ = plainly(monkeypatch, asker, x)
    near(found, expected)
    assert type(found) is torch.Tensor
    written_into = kind in (WrittenInto, PaddedWrittenInto)
    assert asker.fused.forwards == (0 if written_into else len(found)), (
        "what cannot be fused goes the plain way"
    )
    assert asker.network.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in asker.network.state_dict().items())


def test_layers_that_can_be_fused_are(monkeypatch):
    """Two normalisations and two rectifiers, each as many numbers as its convolution gives, and the zeros."""
    asker, x = asker_of(Net()), torch.randn(2, 3, SIDE, SIDE)
    scores(asker, x)
    ((spared, _),) = asker.fused.tried[asker.network].values()
    assert spared == 4 * 8 * 16 * 16 + 3 * 34 * 34


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_many_kinds_of_layers_answer_alike(name, network_and_images):
    network, images = network_and_images(name)
    network, images = network.float(), images.float()
    network.__class__ = type(network).__base__  # one that does not turn its input to double
    asker = Asker(network, trace(network, tuple(images.shape[1:])), CPU, 8)
    x = ANY.laid(images[:1].expand(8, -1, -1, -1) * torch.linspace(0.2, 1.2, 8)[:, None, None, None])
    with torch.no_grad():
        found, _ = asker.forward(x)
        assert asker.fused.forwards == 8
        near(found, network(x))


def test_hooks_see_what_they_would_see_and_change_what_they_change(monkeypatch):
    network = Net()
    seen = []
    network.two.register_forward_hook(
        lambda _m, _args, out: seen.append(float(out.double().mean())) or out + 1
    )
    asker, x = asker_of(network), torch.randn(1, 3, SIDE, SIDE)
    found, _ = scores(asker, x)
    mine = seen[-1]
    expected, _ = plainly(monkeypatch, asker, x)
    near(found, expected)
    assert mine == pytest.approx(seen[-1], rel=1e-5)


def test_what_is_tapped_and_what_is_edited_is_what_it_would_be(monkeypatch):
    asker, x = asker_of(Net()), torch.randn(2, 3, SIDE, SIDE)
    for family in (MASKS, Ablated("one", tuple(range(8)))):
        logits, kept = scores(asker, x, family, ("one", "norm", "head"))
        expected, plain = plainly(monkeypatch, asker, x, family, ("one", "norm", "head"))
        near(logits, expected)
        for name, value in kept.items():
            assert type(value) is torch.Tensor
            near(value, plain[name])
    assert asker.fused.forwards


def test_other_weights_in_the_same_network_are_those_that_answer(monkeypatch):
    asker, x = asker_of(Net()), torch.randn(9, 3, SIDE, SIDE)
    with torch.no_grad():
        before = asker.forward(x)[0]
        asker.network.two.weight.mul_(-1)
        asker.network.norm.running_mean.add_(0.5)
        found = asker.forward(x)[0]
    assert not torch.allclose(found, before)
    near(found, asker.network(x))


def test_a_weight_is_folded_once_and_one_that_is_made_anew_is_not_kept():
    for kind, kept in ((Net, 2), (Anew, 0)):
        asker, folds = asker_of(kind()), Folds()
        with torch.no_grad():
            for _ in range(3):
                asker.fused.ask(asker, torch.randn(8, 3, SIDE, SIDE), folds)
        assert asker.fused.forwards == 24 and len(folds.known) == kept


def test_a_network_that_goes_another_way_later_is_asked_plainly_and_the_log_says_so(caplog):
    class Sometimes(Net):
        def maps(self, x):
            if float(x.max()) > 50:
                return self.one(x).as_strided((8, 8, 2, 2), (512, 64, 8, 1))  # an order in memory
            return super().maps(x)

    asker, x = asker_of(Sometimes()), torch.randn(8, 3, SIDE, SIDE)
    with torch.no_grad(), caplog.at_level(logging.INFO, "reportgen"):
        asker.forward(x)
        assert asker.fused.forwards == 8 and not caplog.records
        found, _ = asker.forward(100 * x)
        assert torch.equal(found, asker.feed.ask(asker.network, 100 * x)[0])
        asker.forward(x)
    assert asker.fused.forwards == 8 and "fused" in caplog.text


@pytest.mark.parametrize("why", ["gradient", "double", "few", "random", "small", "training"])
def test_nothing_is_fused_where_it_must_not_be_or_does_not_pay(why, monkeypatch):
    asker = asker_of(Net(), feed=Feed(random=why == "random"))
    x = torch.randn(7 if why == "few" else 8, 3, SIDE, SIDE)
    if why == "double":
        asker.network.double()
        x = x.double()
    if why == "small":
        monkeypatch.setattr(fused, "A_CALL", 100_000)
    norm = asker.network.norm.train(why == "training")
    before = int(norm.num_batches_tracked)
    with torch.set_grad_enabled(why == "gradient"):
        asker.forward(x)
    assert asker.fused.forwards == 0
    # of the batch, in both of its calls, and of no noise
    assert int(norm.num_batches_tracked) - before == 2 * (why == "training")


def test_batches_that_are_filled_up_are_answered_alike():
    asker, x = asker_of(Net(), feed=Feed(images=9)), torch.randn(3, 3, SIDE, SIDE)
    with torch.no_grad():
        found, kept = asker.forward(x, ("norm",))
        near(found, asker.network(x))
    assert asker.fused.forwards == 3 and len(kept["norm"]) == 3
