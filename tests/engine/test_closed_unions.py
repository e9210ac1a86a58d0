"""What the engine does not know fails where it is asked, not as a wrong number later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import pytest
import torch

from reportgen.engine.ascent import canvas
from reportgen.engine.needs import (
    Ablated,
    ChannelMasks,
    Climb,
    CoveredParts,
    Flat,
    Noisy,
    Normalisation,
    Occluded,
    Path,
    RandomMasks,
    Responses,
    Scores,
    Transformed,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.perturb.makers import Source, maker
from reportgen.engine.perturb.responses import kept
from reportgen.engine.perturb.transforms import matrices
from reportgen.engine.plan import Plan
from reportgen.engine.relu_rules import RectifierRule
from reportgen.engine.targets import Slot
from reportgen.engine.top_images import driven
from reportgen.findings import KINDS, Finding

UNKNOWN: Any = "of a later version"
SIDE = 32
FAMILIES = (
    Occluded(8, 8),
    Flat(),
    ChannelMasks("stem", 3),
    RandomMasks(5),
    Transformed("rotation", (0.0, 10.0)),
    CoveredParts(2, 3),
    Noisy(4),
    Path(6),
    Ablated("stem", (0, 5)),
)


@dataclass(frozen=True)
class Unknown:
    """A family, a unit: something that nobody has taught the engine."""

    layer: str = "stem"


@pytest.fixture
def plan(awkward: Any) -> Plan:
    return Plan((), trace(awkward, (3, SIDE, SIDE)), 1)


def test_every_family_is_counted_as_it_is_made(awkward: Any, plan: Plan) -> None:
    assert {type(family) for family in FAMILIES} == {*maker.registry} - {object}
    taps = {"stem": torch.zeros(2, 8, SIDE // 2, SIDE // 2)}

    class PartBoxes:
        whole = torch.ones(2, dtype=torch.bool)

        def with_random(self, *_: Any) -> Any:
            return torch.zeros(2, 8, 4, dtype=torch.int64)

    normal = Normalisation((0.5,) * 3, (0.25,) * 3)
    source = Source(torch.zeros(2, 3, SIDE, SIDE), normal, taps, PartBoxes())  # type: ignore[arg-type]
    for family in FAMILIES:
        assert family.extent(plan.facts).count == maker(family, source).count, family


def test_a_family_that_nobody_taught_the_engine_is_not_one_perturbation(awkward: Any, plan: Plan) -> None:
    asked = Plan((Scores(Unknown()),), plan.facts, 1)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="Unknown"):
        asked.cost(10)
    with pytest.raises(TypeError, match="no maker for Unknown"):
        maker(Unknown(), Source(torch.zeros(1, 3, 8, 8), Normalisation((0.5,) * 3, (0.25,) * 3), {}))


def test_a_way_to_keep_responses_that_is_not_known(awkward: Any, plan: Plan) -> None:
    need = Responses(Flat(), "stem", UNKNOWN)
    answers = torch.zeros(2, 3, 4, 4)
    with pytest.raises(AssertionError, match=UNKNOWN):
        kept(need, answers, answers, torch.arange(2))
    with pytest.raises(AssertionError, match=UNKNOWN):
        need.kept_bytes(plan.facts.layer("stem"))


def test_a_unit_a_slot_a_change_a_rule_and_a_canvas_that_are_not_known() -> None:
    with pytest.raises(AssertionError, match="Unknown"):
        driven(Unknown(), torch.zeros(1, 2), lambda _name: torch.zeros(1, 2))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=UNKNOWN):
        Slot(UNKNOWN).of(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(AssertionError, match=UNKNOWN):
        matrices(Transformed(UNKNOWN, (1.0,)), 8, 8)
    with pytest.raises(AssertionError, match=UNKNOWN):
        canvas(Climb(1, 8, parametrisation=UNKNOWN), 1, (3, 8, 8), torch.device("cpu"))
    x = torch.ones(2, requires_grad=True)
    rectified = torch.relu(x).sum()
    with pytest.raises(AssertionError, match=UNKNOWN), RectifierRule(UNKNOWN):
        torch.autograd.grad(rectified, x)


def test_every_kind_of_finding_can_be_read_back() -> None:
    assert set(KINDS.values()) == set(get_args(Finding))
