"""What a trial finds of a network: each is one that plain torch runs, in its own way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reportgen.engine.ascent import Climber
from reportgen.engine.feed import Feed
from reportgen.engine.needs import Activation, Ascent, ChannelMean, Climb, Gradient, Logits, Normalisation
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot
from reportgen.engine.trial import Trial, same
from reportgen.errors import InputError
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.smoothgrad import SmoothGrad

CPU = torch.device("cpu")
NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)
SHAPE = (3, 16, 16)


class Base(nn.Module):
    """Two convolutions and a head; what a network does otherwise is in `between`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.more = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, stride=2, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.between(F.relu(self.more(F.relu(self.conv(x))))))

    def between(self, x):
        return x.mean((2, 3))


class Viewed(Base):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6 * 8 * 8, 4)

    def between(self, x):
        return x.view(-1, 6 * 8 * 8)


class ByMemory(Base):
    """Reads its maps in the order in which they lie in memory: other answers, and no error."""

    def between(self, x):
        return x.as_strided((len(x), 6, 64), (384, 64, 1)).amax(2)


class ViewedBackward(Base):
    class Viewing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g.view(len(g), -1).view(g.shape)

    def between(self, x):
        return self.Viewing.apply(x).relu().mean((2, 3))


class OneAtATime(Base):
    def forward(self, x):
        return super().forward(x).view(1, 4)


class ImageByImage(Base):
    def forward(self, x):
        return torch.cat([super(ImageByImage, self).forward(image[None]) for image in x])


class FourAtATime(Base):
    def between(self, x):
        return x.reshape(4, 6, -1).mean(2)


class BufferOfEight(Base):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(8, 1, 1, 1))

    def between(self, x):
        return (x + self.offset).mean((2, 3))


class Squeezed(Base):
    def between(self, x):
        return F.adaptive_avg_pool2d(x, 1).squeeze()


class BatchStatistics(Base):
    def between(self, x):
        return F.batch_norm(x, None, None, training=True).relu().mean((2, 3))


class Dropping(Base):
    def between(self, x):
        return F.dropout(super().between(x), 0.5)


class InPlace(Base):
    def forward(self, x):
        return super().forward(x.sub_(0.2).mul_(2))


def tried(network: nn.Module, wish: int = 5, rules=("exact", "guided")) -> tuple[Feed, int]:
    facts = trace(network.eval(), SHAPE)
    with frozen(network):
        return Trial(network, facts, NORMAL, CPU, rules).run(wish)


@pytest.mark.parametrize(
    "kind, feed, size",
    [
        (Base, Feed(), 5),
        (InPlace, Feed(), 5),
        (Viewed, Feed(False), 5),
        (ByMemory, Feed(False), 5),
        (ViewedBackward, Feed(False), 5),
        (OneAtATime, Feed(), 1),
        (ImageByImage, Feed(), 1),
        (FourAtATime, Feed(images=4), 4),
        (BufferOfEight, Feed(images=8), 8),
        (Squeezed, Feed(images=5), 5),
        (BatchStatistics, Feed(), 1),
        (Dropping, Feed(False, random=True), 5),
    ],
)
def test_how_a_network_is_fed(kind, feed, size):
    network = kind()
    found, batch = tried(network)
    assert (found.channels_last, found.images, found.random, batch) == (
        feed.channels_last, feed.images, feed.random, size
    )  # fmt: skip
    assert network.conv.weight.is_contiguous(memory_format=found.layout)
    said = [*found.notes, *found.warnings]
    assert bool(said) == (kind not in (Base, InPlace)), said


def test_what_is_said_names_the_cause():
    assert "view size is not compatible" in tried(Viewed())[0].notes[0]
    assert "other answers or gradients" in tried(ByMemory())[0].notes[0]
    assert "1, not 5" in tried(OneAtATime())[0].notes[0]
    assert "the axis of a single image" in tried(Squeezed())[0].notes[0]
    assert "one at a time" in tried(BatchStatistics())[0].warnings[0]
    assert "dropout" in tried(Dropping())[0].warnings[0]


def test_where_channels_last_are_no_faster_the_plain_layout_is_taken_without_a_word(monkeypatch):
    assert tried(Base())[0].channels_last
    monkeypatch.setattr("reportgen.engine.trial.last_is_faster", lambda device: device.type != "cpu")
    assert tried(Base())[0] == Feed(channels_last=False)


def test_without_a_backward_only_the_forward_decides():
    assert tried(ViewedBackward(), rules=())[0].channels_last


def test_a_network_that_mixes_images_and_takes_no_single_one_is_said_to():
    class Both(BufferOfEight):
        def between(self, x):
            return super().between(x - x.mean((0, 2, 3), keepdim=True) * 3)

    feed, size = tried(Both())
    assert (feed.images, size) == (8, 8) and "images beside it" in feed.warnings[0]


def test_a_network_that_answers_no_batch_says_why():
    class Broken(Base):
        def between(self, x):
            if x.device.type == "cpu":
                raise RuntimeError("no such kernel")
            return super().between(x)

    with pytest.raises(InputError, match="no such kernel"):
        tried(Broken())


@pytest.mark.parametrize(
    "kind", [FourAtATime, BufferOfEight, Squeezed, OneAtATime, ImageByImage, Viewed, InPlace]
)
def test_all_that_the_pass_gives_is_that_of_a_slow_loop(kind):
    """Logits, activations and gradients by a layer of five images that fill no batch, against one image a
    batch in plain torch (filled with itself); and the rest against the same images one by one."""
    network = kind()
    feed, size = tried(network)
    probes = Occlusion(window_px=8, stride_px=8), SmoothGrad(samples=3), Asks()
    facts = trace(network, SHAPE)
    plan = Plan(tuple(need for probe in probes for need in probe.needs(facts)), facts, 1)
    engine = OnePass(network, plan, (Slot("predicted"),), NORMAL, CPU, size, feed=feed)
    x = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(1))
    before = x.clone()
    with frozen(network):
        tapes = [t for part in x.split(size) for t in engine.run(part, torch.full((len(part),), -1))]
        assert torch.equal(x, before), "the caller's images are not written into"
        alone = [tape for image in x.split(1) for tape in engine.run(image, torch.tensor([-1]))]
        for need in plan.asked:
            found = torch.cat([tape[need] for tape in tapes])
            one_by_one = torch.cat([tape[need] for tape in alone])
            assert same(found.float().reshape(5, -1), one_by_one.float().reshape(5, -1)), need
            if isinstance(need, Logits):
                assert same(found, torch.cat([slow(network, image, feed)[0] for image in x.split(1)]))
            if isinstance(need, Activation):
                assert same(found, torch.cat([slow(network, image, feed)[1] for image in x.split(1)]))
            if need == Gradient("more"):
                assert same(found, torch.cat([slow(network, image, feed)[2] for image in x.split(1)]))


class Asks:
    def needs(self, model):
        return Logits(), Activation("more"), Gradient("more"), Gradient()


def slow(network, image, feed):
    kept = []
    handle = network.more.register_forward_hook(lambda _m, _a, out: kept.append(out.requires_grad_()))
    logits = network(image.repeat(feed.images or 1, 1, 1, 1))
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0].max(), kept[0])
    return logits[:1].detach(), kept[0][:1].detach(), gradient[:1]


@pytest.mark.parametrize("kind", [FourAtATime, Viewed])
def test_pictures_are_climbed_in_filled_batches(kind):
    feed, size = tried(network := kind())
    facts = trace(network, SHAPE)
    climb = Climb(steps=3, side_px=8, parametrisation="pixels")
    needs = [Ascent(ChannelMean("more", channel), climb) for channel in (0, 2, 3, 5, 1)]
    with frozen(network):
        fed = Climber(network, facts, NORMAL, CPU, size, feed=feed).run(needs)
        alone = [Climber(network, facts, NORMAL, CPU, size, feed=feed).run([need]) for need in needs]
    for need, other in zip(needs, alone, strict=True):
        assert fed[need].reached == pytest.approx(other[need].reached, rel=1e-4)


def test_rows_are_compared_by_their_length():
    rows = torch.tensor([[1.0, 0], [1000, 0]])
    assert same(rows, rows + 1e-5) and not same(rows, rows + torch.tensor([[0.01, 0], [0, 0]]))
    assert not same(rows, replace_nan(rows)) and same(replace_nan(rows), replace_nan(rows))


def replace_nan(rows):
    return torch.where(rows == 1, torch.nan, rows)


def test_a_trace_of_several_images_is_that_of_one():
    one, four = trace(Base(), SHAPE), trace(FourAtATime(), SHAPE)
    assert (one.batch, four.batch) == (1, 4)
    assert four.macs == one.macs and four.activation_bytes == one.activation_bytes
    strip = lambda layer: replace(layer, finished=0)  # noqa: E731
    assert [strip(x) for x in four.leaves()] == [strip(x) for x in one.leaves()]


def test_a_batch_is_not_blamed_for_another_fault():
    class Wrong(Base):
        def between(self, x):
            return x.flatten(1)

    with pytest.raises(InputError, match="does not accept an input of 3x16x16"):
        trace(Wrong(), SHAPE)
