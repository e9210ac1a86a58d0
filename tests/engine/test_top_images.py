"""The set's strongest images: ranks that merge, receptive fields, projections, against slow references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.needs import Normalisation
from reportgen.engine.needs.top_images import (
    ChannelMean,
    ClassLogit,
    Projected,
    Ranking,
    Record,
    TopImages,
    seen_again,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.projector import Projector
from reportgen.engine.targets import Slot
from reportgen.engine.top_images import UNITS, key, rank, rankings
from reportgen.findings import Tally, ranked

NORMAL = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Wish:
    """A probe of scope `model` that needs what a test wishes."""

    def __init__(self, *needs) -> None:
        self.wished = needs

    def needs(self, _model):
        return self.wished

    def measure(self, _tape):
        return ()


def tallied(network: nn.Module, pixels: Tensor, wish: Wish, split: list[int]):
    """The plan, and the merged tally of a set seen in batches of the given sizes."""
    facts = trace(network, tuple(pixels.shape[1:]))
    plan = Plan(wish.needs(facts), facts, 1)
    engine = OnePass(network, plan, (Slot("predicted"),), NORMAL, torch.device("cpu"), 8)
    total: Tally | None = None
    first = 0
    with frozen(network):
        for size in split:
            part = pixels[first : first + size]
            (tape,) = engine.run(part, torch.full((size,), -1))
            found = rank(plan, tape, range(first, first + size))
            total = found if total is None else total.merged(found)
            first += size
    return plan, total


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.integers(-3, 3).map(float), st.just(float("nan")), st.just(float("inf"))),
        min_size=1,
        max_size=9,
    ),
    cuts=st.lists(st.integers(1, 8), max_size=3),
    k=st.integers(1, 5),
)
def test_ranks_merge_to_the_same_whatever_the_batches_were(values, cuts, k):
    column = np.array(values)[:, None]
    numbers = np.arange(len(values))
    expected = sorted(
        ((-v, n) for n, v in enumerate(values) if np.isfinite(v)),
    )[:k]
    edges = sorted({0, len(values), *(c for c in cuts if c < len(values))})
    total = None
    for a, b in pairwise(edges):
        part = Tally(tops={"x": ranked(column[a:b], numbers[a:b, None], numbers[a:b], k)})
        total = part if total is None else part.merged(total)  # later batches first: order must not matter
    rows = total.tops["x"][0]
    assert [(-v, int(n)) for v, n, _ in rows if n >= 0] == expected
    assert all(place == number for _, number, place in rows if number >= 0)
    assert len(rows) == k and all(v == -np.inf for v, n, _ in rows if n < 0)


def test_every_channel_has_its_strongest_images_and_their_places(awkward):
    torch.manual_seed(1)
    pixels = torch.randn(7, 3, 32, 32)
    records = (Record(ClassLogit(3)), Record(ChannelMean("clip", 5)))
    wish = Wish(TopImages("last", 4), TopImages("head", 2), *records)
    plan, tally = tallied(awkward, pixels, wish, [3, 2, 2])
    kept = {}
    handles = [
        awkward.get_submodule(n).register_forward_hook(lambda _m, _a, out, n=n: kept.update({n: out.clone()}))
        for n in ("last", "head", "clip")
    ]
    with torch.no_grad():
        logits = awkward(pixels)
    for handle in handles:
        handle.remove()
    found = rankings(plan, tally)
    a = kept["last"]
    for channel in range(a.shape[1]):
        peaks = [(-float(a[n, channel].max()), n) for n in range(7)]
        ours = found[TopImages("last", 4)]
        assert ours.numbers[channel].tolist() == [n for _, n in sorted(peaks)[:4]]
        for value, number, (y, x) in zip(
            ours.values[channel], ours.numbers[channel], ours.places[channel], strict=True
        ):
            assert a[number, channel, y, x] == pytest.approx(value, abs=1e-5)
            assert a[number, channel].max() == pytest.approx(value, abs=1e-5)
    assert found[TopImages("head", 2)].numbers[:, 0].tolist() == logits.argmax(0).tolist()
    unit, mean = tally.tops[UNITS][:, 0]
    assert int(unit[1]) == logits[:, 3].argmax()
    assert unit[0] == pytest.approx(float(logits[:, 3].max()), abs=1e-5)
    means = kept["clip"][:, 5].mean((1, 2))
    assert int(mean[1]) == means.argmax()
    assert mean[0] == pytest.approx(float(means.max()), abs=1e-5)
    assert key(TopImages("last", 4)) in tally.tops


class Padded(nn.Module):
    """Windows with odd and even sides, padding on one side only, dilation, a pool and a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, (3, 5), stride=2, padding=(1, 2))
        self.second = nn.Conv2d(4, 4, 4, stride=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.wide = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.thin = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(F.pad(x, (0, 1, 2, 0))))
        x = self.pool(self.second(x))
        return self.head((self.wide(x) + self.thin(x)).mean((2, 3)))


def positive(network: nn.Module) -> nn.Module:
    """All weights alike and above zero: nothing cancels in a gradient."""
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    return network.eval()


@pytest.mark.parametrize("layer", ["first", "second", "pool", "wide"])
def test_a_value_sees_the_box_that_its_gradient_fills(layer):
    network = positive(Padded())
    known = trace(network, (3, 48, 40)).layer(layer)
    # a maximum sends its gradient to one place; a mean over the same window shows what it may see
    network.pool = nn.AvgPool2d(3, stride=2, padding=1)
    assert trace(network, (3, 48, 40)).layer(layer).receptive == known.receptive
    x = torch.ones(1, 3, 48, 40, requires_grad=True)
    kept = {}
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, _a, out: kept.update(out=out))
    network(x)
    handle.remove()
    for y in range(known.output_shape[1]):
        for column in (0, 1, known.output_shape[2] // 2, known.output_shape[2] - 1):
            box = known.receptive.box(y, column)
            (g,) = torch.autograd.grad(kept["out"][0, :, y, column].sum(), x, retain_graph=True)
            rows, columns = g.abs().sum((0, 1)).nonzero(as_tuple=True)
            seen = (max(box[0], 0), max(box[1], 0), min(box[2], 48), min(box[3], 40))
            if seen[0] >= seen[2] or seen[1] >= seen[3]:
                assert not len(rows), "all of it is padding"
            elif layer == "wide":  # dilation leaves gaps, at the border too: at most the box
                assert rows.min() >= seen[0] and rows.max() < seen[2]
                assert columns.min() >= seen[1] and columns.max() < seen[3]
            else:
                ends = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
                assert tuple(map(int, ends)) == seen


def loader(pixels: Tensor, size: int = 3):
    """Images by number, in batches of `size`, and which were asked for."""
    asked: list[int] = []

    def load(numbers: Iterable[int]) -> Iterator[tuple[list[int], Tensor]]:
        wanted = list(numbers)
        asked.extend(wanted)
        for n in range(0, len(wanted), size):
            part = wanted[n : n + size]
            yield part, pixels[part]

    return load, asked


@pytest.mark.parametrize("rule", ["deconv", "guided", "exact"])
def test_a_projection_is_one_value_sent_back_by_the_rule(awkward, rule, slow_gradient):
    torch.manual_seed(2)
    pixels = torch.randn(6, 3, 32, 32)
    need = Projected(TopImages("last", 3), (1, 4, 7), rule, side_px=32)
    plan, tally = tallied(awkward, pixels, Wish(need), [6])
    load, asked = loader(pixels)
    with frozen(awkward):
        projector = Projector(awkward, plan.facts, NORMAL, torch.device("cpu"), load)
        found = projector.run(plan.of(Projected), rankings(plan, tally), {})[need]
    assert sorted(set(asked)) == sorted(set(found.ranking.numbers.reshape(-1).tolist()))
    for row, channel in enumerate((1, 4, 7)):
        for at in range(3):
            number = int(found.ranking.numbers[row, at])
            y, x = found.ranking.places[row, at]
            top, left, bottom, right = found.boxes[row, at]
            image = pixels[number : number + 1]

            class Value(nn.Module):
                """The network cut off after `last`: half the square of one value, whose gradient is
                the value times the gradient, which is what is sent back."""

                def forward(self, x: Tensor, channel=channel, y=y, column=x) -> Tensor:
                    kept = []
                    handle = awkward.last.register_forward_hook(lambda _m, _a, out: kept.append(out.clone()))
                    awkward(x)
                    handle.remove()
                    a = kept[0][:, channel, y, column]
                    return a.detach()[:, None] * a[:, None]

            if rule == "exact":
                leaf = image.clone().requires_grad_()
                (whole,) = torch.autograd.grad(Value()(leaf).sum(), leaf)
            else:
                whole = slow_gradient(Value(), image, torch.zeros(1, dtype=torch.long), rule)
            expected = whole[0, :, top:bottom, left:right].numpy()
            ours = found.projections[row, at]
            assert ours.shape == expected.shape
            assert np.abs(ours - expected).max() <= 1e-5 * np.abs(expected).max()
            total = float(whole.abs().sum())
            assert total == pytest.approx(float(np.abs(expected).sum()), rel=1e-5), "all is in the box"
            seen = (image[0, :, top:bottom, left:right] * 0.25 + 0.5).clamp(0, 1).numpy()
            assert np.allclose(found.patches[row, at], seen, atol=1e-6)


def test_it_costs_a_forward_an_image_and_a_backward_a_place(awkward):
    pixels = torch.randn(5, 3, 32, 32)
    needs = (Projected(TopImages("last", 2), 3), Projected(TopImages("stem", 2), 2))
    plan, tally = tallied(awkward, pixels, Wish(*needs), [5])
    sizes: list[int] = []
    awkward.register_forward_hook(lambda _m, _a, out: sizes.append(len(out)))
    load, asked = loader(pixels, 2)
    with frozen(awkward):
        projector = Projector(awkward, plan.facts, NORMAL, torch.device("cpu"), load)
        projector.run(plan.of(Projected), rankings(plan, tally), {Record(ClassLogit(0)): (1.0, 4)})
    places = sum(len(rankings(plan, tally)[n.top_images].channels(n.channels)) * 2 for n in needs)
    assert projector.cost == {"projection_forwards": sum(sizes), "projection_backwards": places}
    assert sum(sizes) <= len(asked) <= seen_again(needs, 5)


def test_memory_is_set_aside_for_what_is_sent_back(awkward):
    facts = trace(awkward, (3, 32, 32))
    for need, kept in ((Projected(TopImages("last"), 2), True), (TopImages("last"), False)):
        assert Plan((need,), facts, 1).differentiates is kept


def test_channels_are_spread_over_those_that_some_image_excites():
    values = np.array([[3.0], [0.0], [-1.0], [2.0], [5.0], [1.0]], np.float32)
    ranking = Ranking(values, np.zeros((6, 1), np.int64), np.zeros((6, 1, 2), np.int64))
    assert ranking.channels(2) == [0, 4]
    assert ranking.channels(10) == [0, 3, 4, 5]
    assert ranking.channels((2, 1)) == [2, 1]


def test_a_channel_that_adds_up_a_window_finds_the_spots_and_shows_the_window():
    """A planted truth: dark images with one bright pixel each, brighter from image to image."""
    layers = (nn.Conv2d(3, 1, 3, padding=1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(*layers, nn.Linear(1, 2)).eval()
    nn.init.constant_(network[0].weight, 1.0)
    pixels = torch.zeros(4, 3, 16, 16)
    spots = [(2, 3), (12, 5), (7, 13), (9, 9)]
    for n, (y, x) in enumerate(spots):
        pixels[n, :, y, x] = 2.0 + n
    need = Projected(TopImages("1", 4), (0,))
    plan, tally = tallied(network, pixels, Wish(need), [2, 2])
    load, _ = loader(pixels)
    with frozen(network):
        projector = Projector(network, plan.facts, NORMAL, torch.device("cpu"), load)
        found = projector.run(plan.of(Projected), rankings(plan, tally), {})[need]
    assert found.ranking.numbers[0].tolist() == [3, 2, 1, 0]
    assert found.ranking.values[0].tolist() == [15, 12, 9, 6]
    for at, number in enumerate((3, 2, 1, 0)):
        top, left, bottom, right = found.boxes[0, at]
        y, x = spots[number]
        assert (bottom - top, right - left) == (3, 3) and top <= y < bottom and left <= x < right
        assert (found.projections[0, at] == found.ranking.values[0, at]).all()
        assert (found.patches[0, at] > 0.5).sum() == 3  # one pixel, three colours
