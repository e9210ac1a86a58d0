"""Perturbations inside the network, against a slow loop that edits with hooks of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from reportgen.engine.feed import Feed
from reportgen.engine.needs import Ablated, Activation, Normalisation, Responses, Scores
from reportgen.engine.needs.batch import MeanGradient
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot
from reportgen.errors import InputError, UnknownName
from reportgen.findings import NotApplicable

SIDE = 12
CPU = torch.device("cpu")
NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)


class Reused(nn.Module):
    """A convolution that is used twice, and what it gives is rewritten in place each time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.twice(relu(self.stem(x))))
        x = self.twice(x)
        x += 0.25  # in place, by no layer
        return self.head(self.act(x).amax((2, 3)))


class Tuple(Reused):
    """The same, with a layer that gives a tuple."""

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x + 0.1, x

    def __init__(self) -> None:
        super().__init__()
        self.pair = Tuple.Pair()

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.pair(relu(self.stem(x)))
        return self.head((first.relu_() + second).amax((2, 3)))


class Patches(nn.Module):
    """Each image goes through a layer as four rows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.unflatten(2, (2, -1)).unflatten(4, (2, -1)).permute(0, 2, 4, 1, 3, 5).flatten(0, 2)
        each = self.stem(rows).relu().mean((2, 3))  # (4 N, 4)
        return self.head(each.unflatten(0, (-1, 4)).mean(1))


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def by_hand(
    network: nn.Module, layer: str, call: int, channel: int, fill: str, x: Tensor, see: str = ""
) -> tuple[Tensor, Tensor]:
    """One image's logits with one channel silenced at the call-th call, and what `see` gave last."""
    calls, seen = 0, [torch.empty(0)]

    def silence(_module: nn.Module, _args: Any, result: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call:
            return None
        whole = (result[0] if isinstance(result, tuple) else result).clone()
        for row in whole:
            row[channel] = 0 if fill == "zero" else row[channel].mean()
        return (whole, *result[1:]) if isinstance(result, tuple) else whole

    modules = dict(network.named_modules())
    handles = [modules[layer].register_forward_hook(silence)]
    if see:
        handles.append(modules[see].register_forward_hook(lambda _m, _a, y: seen.append(y.clone())))
    with torch.no_grad():
        logits = network(x[None])[0]
    for handle in handles:
        handle.remove()
    return logits, seen[-1]


def run(
    network: nn.Module, needs: tuple[Any, ...], x: Tensor, size: int = 4, feed: Feed | None = None
) -> Any:
    plan = Plan(needs, trace(network, (3, SIDE, SIDE)), 1)
    slots = (Slot("predicted"),)
    engine = OnePass(network, plan, slots, NORMAL, CPU, size, feed=feed or Feed(channels_last=False))
    with frozen(network):
        return engine.run(x, torch.full((len(x),), -1))[0], engine


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize(
    ("kind", "layer", "call"),
    [(Reused, "stem", 1), (Reused, "twice", 2), (Reused, "act", 2), (Tuple, "pair", 1), (Patches, "stem", 1)],
)
@pytest.mark.parametrize("images", [None, 4])
def test_scores_are_those_of_a_hook_on_one_image(kind, layer, call, fill, images):
    """Whatever is reused, rewritten in place, filled up or seen as several rows."""
    network, x, channels = kind().eval(), pictures(), (2, 0, 3)
    need = Scores(Ablated(layer, channels, fill))
    tape, engine = run(network, (need,), x, 4, Feed(channels_last=False, images=images))
    for n, image in enumerate(x):
        for v, channel in enumerate(channels):
            expected, _ = by_hand(network, layer, call, channel, fill, image)
            assert torch.allclose(tape[need][n, v], expected, atol=1e-5), (n, v)
    assert (tape[need] - tape.logits[:, None]).abs().max() > 1e-3, "it matters"
    assert engine.counted.perturbed_forwards == 9 == engine.plan.cost(3)["perturbed_forwards"]
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("see", ["twice", "act"])
def test_taps_see_what_became_of_the_layer(see):
    network, x = Reused().eval(), pictures()
    family = Ablated("twice", (1, 2), "mean")
    needs = Responses(family, see, "whole"), Scores(family), Activation(see)
    tape, _ = run(network, needs, x, 5)
    for n, image in enumerate(x):
        for v, channel in enumerate(family.channels):
            _, expected = by_hand(network, "twice", 2, channel, "mean", image, see)
            assert torch.allclose(tape[needs[0]][n, v], expected[0], atol=1e-5)
    clean: list[Tensor] = []
    seen = network.get_submodule(see)
    handle = seen.register_forward_hook(lambda _m, _a, y: clean.append(y.clone()))
    network(x)
    handle.remove()
    assert torch.allclose(tape[needs[2]], clean[-1], atol=1e-6), "the batch's own forward is left alone"


def test_a_planted_truth_only_the_channel_that_is_read_matters():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        network[3].weight.copy_(torch.tensor([[0.0, 0, 1, 0], [0, 0, -1, 0]]))
    need = Scores(Ablated("0", (0, 1, 2, 3)))
    tape, _ = run(network.eval(), (need,), pictures())
    changed = (tape[need] - tape.logits[:, None]).abs().amax(2)  # (N, 4)
    assert (changed[:, [0, 1, 3]] == 0).all() and (changed[:, 2] > 0).all()
    assert torch.allclose(tape[need][:, 2], network[3].bias.expand(3, -1), atol=1e-6)


def test_a_mean_gradient_goes_through_the_edit():
    network, x = Reused().eval(), pictures(2)
    need = MeanGradient(Ablated("twice", (0, 2)))
    tape, _ = run(network, (need,), x, 3)
    expected = torch.zeros_like(x)
    for channel in (0, 2):
        handle = network.twice.register_forward_hook(last_call(channel))
        leaf = x.clone().requires_grad_()
        network(leaf).gather(1, tape.targets[:, None]).sum().backward()
        handle.remove()
        expected += leaf.grad / 2
    assert torch.allclose(tape[need], expected, atol=1e-6) and expected.abs().max() > 0


def last_call(channel: int) -> Any:
    calls = []

    def hook(_module: nn.Module, _args: Any, y: Tensor) -> Tensor | None:
        calls.append(y)
        keep = (torch.arange(y.shape[1]) != channel)[:, None, None]
        return y * keep if len(calls) == 2 else None

    return hook


def test_a_layer_without_such_channels_is_refused():
    facts = trace(Reused().eval(), (3, SIDE, SIDE))
    with pytest.raises(NotApplicable, match="the output of head has no channels with a mean"):
        Plan((Scores(Ablated("head", (0,), "mean")),), facts, 1).cost(1)
    with pytest.raises(UnknownName, match="channel of twice"):
        Plan((Scores(Ablated("twice", (4,))),), facts, 1).cost(1)
    assert Plan((Scores(Ablated("head", (0, 4))),), facts, 1).cost(2)["perturbed_forwards"] == 4


class Wavering(Reused):
    """Uses its layer once more for bright pictures."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.twice(relu(self.stem(x)))
        y = self.twice(y) if x.device.type == "cpu" and bool((x > 5).any()) else y
        return self.head(y.mean((2, 3)))


def test_a_layer_that_runs_more_often_than_it_was_seen_to_is_said():
    network, x = Wavering().eval(), pictures()
    need = Scores(Ablated("twice", (0,)))
    run(network, (need,), x)
    x[0, 0, 0, 0] = 9
    with pytest.raises(InputError, match="ran twice 2 times for this batch, and 1 times"):
        run(network, (need,), x)


def test_tokens_with_channels_first_are_set_to_their_mean():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 100, 5))
    facts = trace(network, (3, SIDE, SIDE))
    assert facts.layer("2").layout.kind == "tokens first"
    assert Ablated("2", (1, 3), "mean").extent(facts).count == 2
    x = pictures(1)
    tokens = network[:3](x)  # (1, 4, 100)
    expected = tokens.clone()
    expected[:, 3] = tokens[:, 3].mean()
    made = maker(Ablated("2", (1, 3), "mean"), Source(x, NORMAL, {}))
    assert made.inside is not None
    found = made.inside.change(tokens, torch.zeros(1, dtype=torch.int64), torch.ones(1, dtype=torch.int64))
    assert torch.allclose(found, expected)
