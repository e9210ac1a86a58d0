"""The same evidence either way, the same costs, and the plain way where patches do not serve."""

from __future__ import annotations

from dataclasses import replace

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

from reportgen.engine.feed import ANY
from reportgen.engine.fusing.layers import Whole
from reportgen.engine.incremental import answering
from reportgen.engine.incremental.patched import RULES, Patched
from reportgen.engine.needs import Activation, CoveredParts, Normalisation, Occluded, Responses, Scores
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass
from reportgen.engine.perturb.asking import Asker
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.perturb.responses import of_images
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot

SIDE, CPU = 32, torch.device("cpu")
WINDOWS = Occluded(8, 4)
NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)


@pytest.fixture(params=["patched", "in full"])
def way(request, monkeypatch):
    """Both ways, whatever the network costs."""
    monkeypatch.setattr(answering, "WORTH", 0.0 if request.param == "patched" else float("inf"))
    return request.param


def asker_of(network: nn.Module, batch_size: int = 16, **more) -> Asker:
    network = network.eval().requires_grad_(False)
    return Asker(network, trace(network, (3, SIDE, SIDE)), CPU, batch_size, **more)


def scores(asker: Asker, x, family=WINDOWS, taps=(), parts=None):
    made_by = maker(family, Source(ANY.laid(x), NORMAL, {}, parts))
    with torch.no_grad():
        found = list(asker.perturbed(len(x), made_by, taps))
    logits = of_images([logits for _, logits, _ in found], len(x), made_by)
    tapped = {name: of_images([kept[name] for *_, kept in found], len(x), made_by) for name in taps}
    return logits, tapped


def both(monkeypatch, *args, **kwargs):
    """What is answered patch by patch, and in full, with how many operations went by patches."""
    answers = []
    for worth in (0.0, float("inf")):
        monkeypatch.setattr(answering, "WORTH", worth)
        asker = asker_of(*args[:1], batch_size=kwargs.pop("batch_size", 16) if not answers else 7)
        answers.append((*scores(asker, *args[1:], **kwargs), asker))
    return answers


@pytest.mark.parametrize("batch_size", [2, 5, 64])
def test_windows_are_answered_alike_in_batches_of_any_size(awkward, monkeypatch, batch_size):
    x = torch.randn(3, 3, SIDE, SIDE)
    (found, _, patched), (expected, _, plain) = both(monkeypatch, awkward, x, batch_size=batch_size)
    assert patched.incremental.patched > 0 and not plain.incremental.patched
    effect = (expected - awkward(x)[:, None]).abs().amax()
    assert (found - expected).abs().max() <= 1e-4 * effect
    assert patched.counted == plain.counted, "what is counted is what was answered"


def test_layers_are_tapped_alike_and_in_the_boxes_order(awkward, monkeypatch):
    x, taps = torch.randn(2, 3, SIDE, SIDE), ("stem", "right", "last")
    (logits, found, _), (expected, tapped, _) = both(monkeypatch, awkward, x, taps=taps)
    torch.testing.assert_close(logits, expected)
    for name in taps:
        torch.testing.assert_close(found[name], tapped[name], rtol=1e-4, atol=1e-5)
        assert type(found[name]) is torch.Tensor


def test_parts_are_covered_alike_and_an_image_without_them_has_no_answer(awkward, monkeypatch):
    boxes = torch.tensor(
        [[[2, 3, 9, 12], [20, 20, 32, 30]], [[0, 0, 0, 0], [1, 1, 4, 4]], [[5, 5, 8, 8]] * 2]
    )
    parts = PartBoxes(boxes, [4, 7, 9])
    family, x = CoveredParts(2, 14), torch.randn(3, 3, SIDE, SIDE)
    (found, _, patched), (expected, _, _) = both(monkeypatch, awkward, x, family=family, parts=parts)
    assert patched.incremental.patched > 0
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert found[1].isnan().all() and not found[[0, 2]].isnan().any()


def test_an_image_is_answered_alike_whatever_stands_beside_it(awkward, monkeypatch):
    monkeypatch.setattr(answering, "WORTH", 0.0)
    x = torch.randn(3, 3, SIDE, SIDE)
    together, _ = scores(asker_of(awkward), x)
    for n in range(3):
        assert torch.equal(scores(asker_of(awkward), x[n : n + 1])[0][0], together[n]), (
            "resumed: the same bytes"
        )


def test_progress_is_told_and_ends_at_the_count(awkward, way):
    told = []
    asker = asker_of(awkward, progress=told.append)
    scores(asker, torch.randn(2, 3, SIDE, SIDE))
    count = 2 * len(WINDOWS.boxes(SIDE, SIDE))
    assert told == sorted(told) and told[-1] == count == asker.counted.perturbed_forwards
    assert len(told) > 2


def test_it_equals_captum_occlusion(awkward, monkeypatch):
    monkeypatch.setattr(answering, "WORTH", 0.0)
    x = torch.randn(1, 3, SIDE, SIDE)
    asker = asker_of(awkward)
    found, _ = scores(asker, x, Occluded(8, 4, "mean"))
    with torch.no_grad():
        clean = awkward(x)
        target = int(clean.argmax())
        expected = captum.attr.Occlusion(awkward).attribute(
            x, (3, 8, 8), strides=(3, 4, 4), target=target, baselines=0.0, perturbations_per_eval=4
        )
    drops = (clean[0, target] - found[0, :, target]).view(7, 7)
    total, cover = torch.zeros(SIDE, SIDE), torch.zeros(SIDE, SIDE)
    for row in range(7):
        for column in range(7):
            place = (slice(4 * row, 4 * row + 8), slice(4 * column, 4 * column + 8))
            total[place] += drops[row, column]
            cover[place] += 1
    assert asker.incremental.patched > 0
    assert ((total / cover) - expected[0, 0]).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("operation", ["convolution", "relu", "cat"])
def test_a_wrong_rule_is_found_and_the_plain_way_taken(awkward, monkeypatch, operation):
    monkeypatch.setattr(answering, "WORTH", 0.0)
    right = RULES[operation]

    def wrong(call):
        made = right(call)
        if isinstance(made, Patched):
            made.waiting = made.patches.roll(1, -1)
        return made

    x = torch.randn(1, 3, SIDE, SIDE)
    expected, _ = scores(asker_of(awkward), x)
    monkeypatch.setitem(RULES, operation, wrong)
    asker = asker_of(awkward)
    found, _ = scores(asker, x)
    assert not asker.incremental.patched
    torch.testing.assert_close(found, expected)


class Unusual(nn.Module):
    """What cannot be followed: it writes into a view, or reads its own memory's order."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.conv, self.head, self.how = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), how

    def forward(self, x):
        x = self.conv(x)
        if self.how == "view":
            x[:, :2].relu_()
        if self.how == "memory":
            x = x.contiguous().as_strided(x.shape, x.contiguous().stride())
        if self.how == "numpy":
            x = torch.from_numpy(np.array(x.detach()))
        if self.how == "unpooled":
            y, at = nn.functional.max_pool2d(x, 2, return_indices=True)
            x = nn.functional.max_unpool2d(y, at, 2)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("how", ["view", "memory", "numpy", "unpooled"])
def test_what_cannot_be_followed_is_asked_in_full(how, monkeypatch):
    monkeypatch.setattr(answering, "WORTH", 0.0)
    network, x = Unusual(how), torch.randn(1, 3, SIDE, SIDE)
    asker = asker_of(network)
    found, _ = scores(asker, x)
    assert not asker.incremental.patched
    monkeypatch.setattr(answering, "WORTH", float("inf"))
    assert torch.equal(found, scores(asker_of(network), x)[0])


def test_other_weights_in_the_same_network_are_those_that_answer(awkward, monkeypatch):
    monkeypatch.setattr(answering, "WORTH", 0.0)
    asker, x = asker_of(awkward), torch.randn(1, 3, SIDE, SIDE)
    before, _ = scores(asker, x)
    with torch.no_grad():
        awkward.stem.weight.mul_(-1)
        awkward.norm.running_mean.add_(0.5)
    found, _ = scores(asker, x)
    assert not torch.allclose(found, before)
    monkeypatch.setattr(answering, "WORTH", float("inf"))
    torch.testing.assert_close(found, scores(asker, x)[0])


def test_boxes_that_do_not_pay_are_asked_in_full():
    """Everything this network does is in full from its first layer on."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.mix = (
                nn.Conv2d(3, 32, 4, 4),
                nn.TransformerEncoderLayer(32, 4, 64, batch_first=True),
            )
            self.head = nn.Linear(32, 3)

        def forward(self, x):
            return self.head(self.mix(self.embed(x).flatten(2).transpose(1, 2)).mean(1))

    asker = asker_of(Tokens())
    scores(asker, torch.randn(1, 3, SIDE, SIDE))
    assert not asker.incremental.patched


def test_needs_are_solved_alike(awkward, monkeypatch):
    """Scores and all that is kept of layers, through the pass."""
    facts = trace(awkward, (3, SIDE, SIDE))
    keeps = [Responses(WINDOWS, "last", "channel-sums"), Responses(WINDOWS, "right", "distance")]
    keeps.append(Responses(WINDOWS, "last", "whole"))
    plan = Plan((Scores(WINDOWS), *keeps, Activation("last")), facts, 1)
    x, tapes = torch.randn(2, 3, SIDE, SIDE), []
    awkward.requires_grad_(False)
    for worth in (0.0, float("inf")):
        monkeypatch.setattr(answering, "WORTH", worth)
        engine = OnePass(awkward, plan, (Slot("predicted"),), NORMAL, CPU, 16)
        tapes += engine.run(x, torch.full((2,), -1))
    for need in (Scores(WINDOWS), *keeps):
        torch.testing.assert_close(tapes[0][need], tapes[1][need], rtol=1e-3, atol=1e-4)


def test_values_in_full_wait_and_are_worked_out_alike(awkward):
    """A whole batch whose convolutions wait."""
    from reportgen.engine.fusing.layers import Folds

    x = torch.randn(4, 3, SIDE, SIDE)
    with torch.no_grad():
        torch.testing.assert_close(awkward(Whole(x, x, Folds())), awkward(x))
    assert replace(asker_of(awkward)).feed.channels_last
