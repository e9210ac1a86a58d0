"""The chosen visualizations: what applies, what each round asks, and what it all costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from reportgen.engine.needs import (
    Activation,
    Gradient,
    Logits,
    MeanGradient,
    NeighboursByChannel,
    Noisy,
    Occluded,
    Responses,
    Scores,
    Target,
    TopImages,
    Transformed,
)
from reportgen.engine.network.trace import trace
from reportgen.findings import NotApplicable
from reportgen.measure.visualizations import Visualizations

SIDE = 32
MOVED = Transformed("translation-y", (-3.0, 0.0, 5.0))
COVERED = Occluded(16, 16)  # four windows


class Asks:
    """A probe that needs what a test wishes."""

    def __init__(self, *wishes: Any) -> None:
        self.wishes = wishes

    def needs(self, _model: Any) -> Any:
        return self.wishes

    def measure(self, _tape: Any) -> Any:
        return ()


class Refuses:
    def needs(self, _model: Any) -> Any:
        raise NotApplicable("the model has no ReLU")


@dataclass
class Sums(Asks):
    """A probe that keeps a tally of a sample of the set besides."""

    images: Any

    def __init__(self, images: Any, *wishes: Any) -> None:
        super().__init__(*wishes)
        self.images = images

    def tally(self, _tape: Any) -> Any:
        return None


@pytest.fixture
def facts(awkward: Any) -> Any:
    return trace(awkward, (3, SIDE, SIDE))


def test_of_a_large_set_only_the_shown_images_are_moved(facts):
    """What is about the set is asked of all images; what is about an image of those that are shown."""
    about_set, about_image = Asks(Responses(COVERED, "last", "channel-sums")), Asks(Scores(MOVED))
    chosen = Visualizations.of([("s", "set", about_set), ("i", "image", about_image)], facts, 1)
    assert chosen.cost(100, 100)["perturbed_forwards"] == 100 * (4 + 3)
    assert chosen.cost(100, 10)["perturbed_forwards"] == 100 * 4 + 10 * 3


def test_a_scope_that_cannot_have_a_need_is_refused(facts):
    with pytest.raises(TypeError, match="only what needs no image at hand"):
        Visualizations.of([("a", "model", Asks(Logits()))], facts, 1)
    with pytest.raises(TypeError, match="may not need a target"):
        Visualizations.of([("a", "set", Asks(Gradient()))], facts, 1)


def test_what_does_not_apply_asks_nothing_and_is_said(facts):
    chosen = Visualizations.of([("no", "image", Refuses()), ("yes", "image", Asks(Target()))], facts, 1)
    assert [v.name for v in chosen.of_scope("image")] == ["yes"]
    assert chosen.plan().needs == (Target(),)
    assert chosen.lines(1, 1)[-1] == "no does not apply: the model has no ReLU"
    assert [v.per_target for v in chosen.every] == [False, True]


def test_the_first_round_ranks_the_set_and_asks_no_gradient(facts):
    image = Asks(NeighboursByChannel("last", 3, "guided"), Gradient(), Scores(MOVED))
    chosen = Visualizations.of([("i", "image", image), ("s", "set", Asks(Activation("stem")))], facts, 2)
    first, second = chosen.first_round(), chosen.second_round()
    assert first.of(TopImages) == (TopImages("last", 4),) and set(first.taps) == {"last", "stem"}
    assert not first.rules and not first.of(Scores)
    assert second.of(NeighboursByChannel) and second.rules and "stem" not in second.taps
    assert chosen.two_rounds(5, 5), "an image is asked about the others only once these are ranked"
    assert chosen.cost(5, 5) == {"forwards": 10, "backwards": 10, "perturbed_forwards": 15}


def test_a_target_more_costs_backwards_alone(facts):
    wishes = [("i", "image", Asks(Gradient(), MeanGradient(Noisy(4))))]
    one, three = (Visualizations.of(wishes, facts, targets) for targets in (1, 3))
    assert one.cost(9, 9) == {"forwards": 9 * 5, "backwards": 9 * 5, "perturbed_forwards": 0}
    assert three.cost(9, 9) == {"forwards": 9 * 5, "backwards": 3 * 9 * 5, "perturbed_forwards": 0}
    assert three.cost(9, 2) == {"forwards": 9 + 2 * 5, "backwards": 3 * 2 * 5, "perturbed_forwards": 0}


@pytest.mark.parametrize(
    ("images", "measured", "sizes"), [(4, 9, [4]), (20, 9, []), (20, 5, [9]), ("all", 9, []), ("all", 5, [9])]
)
def test_a_sample_is_drawn_where_not_all_of_it_gets_figures(facts, images, measured, sizes):
    wishes = [("i", "image", Sums(images, Scores(MOVED))), ("o", "image", Asks())]
    chosen = Visualizations.of(wishes, facts, 1)
    drawn = chosen.samples(9, measured)
    assert list(drawn) == sizes
    assert all([v.name for v in several] == ["i"] for several in drawn.values())
    again = measured if measured < 9 else 0
    assert chosen.cost(9, measured) == {
        "forwards": 9 + again + sum(sizes),
        "backwards": 0,
        "perturbed_forwards": 3 * (measured + sum(sizes)),
    }
