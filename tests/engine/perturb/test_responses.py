"""What layers answer to perturbations: kept from the forwards that the scores take, and bounded."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from reportgen.engine.device import bytes_per_image
from reportgen.engine.needs import Occluded, RandomMasks, Responses, Scores, Transformed
from reportgen.engine.network.trace import trace
from reportgen.engine.plan import Plan

SIDE = 32
MOVED = Transformed("translation-y", (-3.0, 0.0, 5.0))
COVERED = Occluded(16, 16)


@dataclass(frozen=True)
class Asks:
    """A probe that only asks."""

    wishes: tuple

    def needs(self, model):
        return self.wishes

    def measure(self, tape):
        return ()


def slow(network, layer, pixels):
    """A layer's answers, with a hook of the test's own."""
    kept = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, _a, out: kept.append(out.clone()))
    with torch.no_grad():
        network(pixels)
    handle.remove()
    return kept[-1]


def pictures(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def occluded(x: torch.Tensor) -> torch.Tensor:
    """Four quarters, each covered in turn by grey, which is 0 after normalising by 0.5."""
    perturbed = x[:, None].repeat(1, 4, 1, 1, 1)
    for n, (top, left) in enumerate([(0, 0), (0, 16), (16, 0), (16, 16)]):
        perturbed[:, n, :, top : top + 16, left : left + 16] = 0
    return perturbed


@pytest.mark.parametrize("batch_size", [2, 5, 64])
@pytest.mark.parametrize("layer", ["stem", "left", "last", "head"])
def test_every_way_to_keep_is_the_slow_one(awkward, measured, layer, batch_size):
    x = pictures()
    ways = [Responses(COVERED, layer, keep) for keep in ("distance", "channel-sums", "whole")]
    tape = measured(awkward, x, Asks(tuple(ways)), batch_size=batch_size).tapes[0]
    clean = slow(awkward, layer, x)
    answers = slow(awkward, layer, occluded(x).flatten(0, 1)).view(3, 4, *clean.shape[1:])
    distance, sums, whole = (tape[way] for way in ways)
    assert torch.allclose(whole, answers, atol=1e-5)
    assert torch.allclose(distance, (answers - clean[:, None]).flatten(2).norm(dim=2), rtol=1e-4, atol=1e-5)
    summed = answers.flatten(3).sum(3) if clean.ndim > 2 else answers
    assert torch.allclose(sums, summed, rtol=1e-4, atol=1e-3)
    assert distance.min() > 0


def test_one_forward_of_a_perturbation_serves_scores_and_every_layer(awkward, measured):
    seen = []
    awkward.register_forward_hook(lambda _m, _a, out: seen.append(len(out)))
    wishes = (Scores(MOVED), *(Responses(MOVED, name) for name in ("stem", "last", "head")))
    done = measured(awkward, pictures(4), Asks(wishes), Asks(wishes[1:]), batch_size=5)
    assert seen == [4, 5, 5, 2], "the images, and three perturbations of each in full batches"
    assert done.engine.counted.perturbed_forwards == 12
    assert done.engine.plan.cost(4)["perturbed_forwards"] == 12
    assert done.engine.plan.each.perturbed_forwards == 3


def test_answers_without_scores_cost_the_same(awkward, measured):
    done = measured(awkward, pictures(2), Asks((Responses(MOVED, "last"),)))
    assert done.engine.counted.perturbed_forwards == 6 == done.engine.plan.cost(2)["perturbed_forwards"]


def test_an_unchanged_perturbation_is_at_no_distance_and_scores_the_same(awkward, measured):
    wishes = (Responses(MOVED, "last"), Scores(MOVED))
    tape = measured(awkward, pictures(), Asks(wishes)).tapes[0]
    distance, scores = (tape[need] for need in wishes)
    assert distance[:, 1].max() <= 1e-5 * slow(awkward, "last", pictures()).norm()
    assert torch.allclose(scores[:, 1], tape.logits, atol=1e-5)
    assert distance[:, [0, 2]].min() > 0.01


def test_an_image_does_not_depend_on_its_neighbours(awkward, measured):
    x, need = pictures(5), Responses(RandomMasks(4), "last")
    straight = measured(awkward, x, Asks((need,)), batch_size=3).tapes[0][need]
    alone = measured(awkward, x[3:4], Asks((need,))).tapes[0][need]
    assert torch.allclose(straight[3], alone[0], rtol=1e-4)


def test_no_hook_stays(awkward, measured):
    measured(awkward, pictures(1), Asks((Responses(MOVED, "last"),)))
    assert not any(module._forward_hooks for module in awkward.modules())


def test_the_estimate_knows_what_is_kept(awkward):
    facts = trace(awkward, (3, SIDE, SIDE))

    def tapped(*needs):
        return Plan(needs, facts, 1).tapped_bytes

    last = facts.layer("last").output_bytes
    assert tapped(Scores(MOVED)) == 0
    # the clean answer, the perturbations' one, and for each of three perturbations what is kept
    assert tapped(Responses(MOVED, "last")) == 2 * last + 3 * 4
    assert tapped(Responses(MOVED, "last", "channel-sums")) == 2 * last + 3 * 12 * 4
    assert tapped(Responses(MOVED, "last", "whole")) == 2 * last + 3 * last
    assert tapped(Scores(MOVED), Responses(MOVED, "last"), Responses(MOVED, "last")) == 2 * last + 12
    whole = tapped(Responses(MOVED, "last", "whole"))
    assert bytes_per_image(facts, whole, False) - bytes_per_image(facts, 0, False) == 2 * whole


def test_a_layer_that_is_reused_answers_with_its_last_call(measured):
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice = nn.Conv2d(3, 3, 1, bias=False)
            self.head = nn.Linear(3, 2)
            with torch.no_grad():
                self.twice.weight.copy_(2 * torch.eye(3)[:, :, None, None])

        def forward(self, x):
            return self.head(self.twice(self.twice(x)).mean((2, 3)))

    x, need = pictures(1), Responses(MOVED, "twice", "whole")
    found = measured(Twice(), x, Asks((need,))).tapes[0][need]
    assert torch.allclose(found[0, 1], 4 * x[0], atol=1e-5)
