"""The plan sums what needs say of themselves; it knows no probe, and no kind of need before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from reportgen.engine.needs import (
    Ablated,
    Activation,
    Ascent,
    Backward,
    ChannelMasks,
    ChannelMean,
    ClassLogit,
    Climb,
    Cost,
    CoveredParts,
    Evolved,
    Flat,
    Gradient,
    Logits,
    MeanGradient,
    ModelFacts,
    NeighboursByChannel,
    Noisy,
    Normalisation,
    Occluded,
    Path,
    Projected,
    Record,
    Responses,
    Scores,
    TopImages,
    Transformed,
    Weights,
    Work,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.solvers import Batch, Solution, solve
from reportgen.engine.targets import Slot

SIDE = 32
MOVED = Transformed("translation-y", (-3.0, 0.0, 5.0))
CLIMB = Climb(steps=7, side_px=16)


@pytest.fixture
def facts(awkward: Any) -> ModelFacts:
    return trace(awkward, (3, SIDE, SIDE))


def test_it_is_the_union_closed_over_what_needs_require(facts):
    asked = (Gradient("last"), Responses(MOVED, "stem"), Logits(), Gradient("last"))
    plan = Plan((*asked, NeighboursByChannel("last", 3)), facts, 1)
    assert plan.needs == (
        Gradient("last"),
        Responses(MOVED, "stem"),
        Logits(),
        NeighboursByChannel("last", 3),
        Backward("exact"),
        Scores(MOVED),
        TopImages("last", 4),
    )
    assert plan.of(Gradient) == (Gradient("last"),) and plan.of(Weights) == ()
    assert plan.ranked_first == (TopImages("last", 4),)


def test_what_requires_what_is_followed_to_the_end(facts):
    """A need that nobody told the plan of, which requires one, which requires another."""

    @dataclass(frozen=True)
    class Chain:
        left: int

        def work(self, _model: ModelFacts) -> Work:
            again = (Chain(self.left - 1),) if self.left else (Chain(2),)  # the last points back
            return Work(requires=again, cost=Cost(forwards=10**self.left))

    plan = Plan((Chain(2),), facts, 1)
    assert plan.needs == (Chain(2), Chain(1), Chain(0))
    assert plan.cost(3)["forwards"] == 3 * (1 + 111)


@pytest.mark.parametrize(
    "need",
    [
        Activation("last"),
        Gradient("last"),
        Responses(MOVED, "last"),
        Scores(ChannelMasks("last")),
        TopImages("last"),
        NeighboursByChannel("last"),
        Record(ChannelMean("last", 0)),
        Projected(TopImages("last"), 2),
        Evolved(("a.pt",), (Projected(TopImages("last"), 2),)),
    ],
)
def test_every_need_of_a_layer_taps_it_once(facts, need):
    plan = Plan((need, Activation("stem"), need), facts, 1)
    assert sorted(plan.taps) == ["last", "stem"]


def test_what_is_about_no_layer_taps_none(facts):
    asked = (Logits(), Gradient(), Scores(MOVED), Record(ClassLogit(1)), Weights("stem"), Scores(Flat()))
    assert Plan(asked, facts, 1).taps == ()


def test_one_backward_serves_a_rule_and_one_forward_of_a_perturbation_all_that_is_asked_of_it(facts):
    asked = (Gradient(), Gradient("last"), Gradient("stem"), Gradient(rule="guided"))
    responses = (Responses(MOVED, "last"), Responses(MOVED, "stem"), Scores(MOVED))
    plan = Plan((*asked, *responses), facts, 3)
    assert plan.cost(5) == {"forwards": 5, "backwards": 5 * 3 * 2, "perturbed_forwards": 5 * 3}
    assert plan.rules == ("exact", "guided") and plan.differentiates


def test_costs_are_sums(facts):
    asked = (MeanGradient(Noisy(4)), MeanGradient(Path(6)), Scores(MOVED), Scores(Occluded(16, 16)))
    plan = Plan((*asked, Scores(CoveredParts(2, 3))), facts, 2)
    assert plan.each == Cost(forwards=10, backwards=10, perturbed_forwards=7, parts_forwards=8)
    assert plan.cost(3, parted=2) == {"forwards": 33, "backwards": 60, "perturbed_forwards": 3 * 7 + 2 * 8}
    assert plan.cost(3)["perturbed_forwards"] == 3 * 7, "no image has the parts"
    assert not plan.differentiates, "the batch's own activations are not sent back"


def test_what_is_spent_once_is_summed_by_name(facts):
    ascents = (Ascent(ClassLogit(0), CLIMB), Ascent(ClassLogit(1), replace(CLIMB, steps=4)))
    plan = Plan((*ascents, ascents[0], Logits()), facts, 1)
    assert plan.once == {"ascent_forwards": 9 + 6, "ascent_backwards": 11}
    assert Plan((Logits(),), facts, 1).once == {}


def test_its_lines_are_one_a_kind_and_do_not_depend_on_the_order(facts):
    asked = (
        Projected(TopImages("last", 2), 3),
        Projected(TopImages("stem", 2), (0, 1)),
        NeighboursByChannel("last", 3),
        Evolved(("a.pt", "b.pt"), ()),
        Ascent(ClassLogit(0), CLIMB),
        Ascent(ClassLogit(1), CLIMB),
    )
    lines = [
        "2 pictures are driven up by gradient ascent: 18 forwards, 14 backwards",
        "2 checkpoints of the run: 16 forwards more",
        "the set is ranked by the maps of last first; then each image that is shown is projected with 3 "
        "others",
        "of the strongest images at most 8 are seen again, to project at most 4 places a channel down to "
        "the pixels",
    ]
    assert Plan(asked, facts, 1).lines(8) == Plan(asked[::-1], facts, 1).lines(8) == lines
    assert "at most 10 are" in Plan(asked, facts, 1).lines(80)[-1], "3·2 + 2·2 tiles"
    assert Plan((Logits(),), facts, 1).lines(8) == []


def test_bytes_of_a_layer_that_is_answered_twice_are_counted_twice(facts):
    last = facts.layer("last").output_bytes
    assert Plan((Activation("last"), TopImages("last")), facts, 1).tapped_bytes == last
    both = (Responses(MOVED, "last"), Responses(Flat(), "last", "whole"))
    assert Plan(both, facts, 1).tapped_bytes == 2 * last + 3 * 4 + last


@dataclass(frozen=True)
class Brightest:
    """A need that this test adds: the largest value of every image, (N,)."""

    def work(self, _model: ModelFacts) -> Work:
        return Work()


@dataclass(frozen=True)
class Unsolved(Brightest):
    """One that nobody solves."""


@solve.register
def _(need: Brightest, batch: Batch) -> Solution:
    return {need: batch.shared(batch.source.x.amax((1, 2, 3)))}


@solve.register
def _(need: Unsolved, batch: Batch) -> Solution:
    return solve.dispatch(object)(need, batch)


def test_a_new_need_takes_its_own_words_and_its_solver(facts, awkward):
    x = torch.randn(3, 3, SIDE, SIDE)
    normal, slots = Normalisation((0.5,) * 3, (0.25,) * 3), (Slot("predicted"), Slot("predicted", 2))

    def run(*needs: Any) -> Any:
        plan = Plan(needs, facts, 2)
        with frozen(awkward):
            engine = OnePass(awkward, plan, slots, normal, torch.device("cpu"), 4)
            return engine.run(x, torch.full((3,), -1))

    tapes = run(Brightest(), Scores(Ablated("last", (0,))))
    assert all(torch.equal(tape[Brightest()], x.amax((1, 2, 3))) for tape in tapes)
    with pytest.raises(TypeError, match="no solver for Unsolved"):
        run(Unsolved())
