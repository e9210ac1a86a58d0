"""On the object: mass in boxes and the pointing game, by hand."""

from __future__ import annotations

import pytest
import torch

from reportgen.measure.maps.likeness import gaussian
from reportgen.measure.maps.objects import is_on_the_object, mass_in, points_at
from reportgen.probes.saliency import Saliency


def test_a_planted_map_has_all_its_mass_in_the_box_and_points_at_it(asking, quarters, bright):
    boxes = torch.tensor([[[0, 0, 14, 14]], [[0, 14, 14, 28]], [[0, 0, 0, 0]]])
    asked = asking(quarters, bright([0, 0, 0]), Saliency(), boxes=boxes)
    found = is_on_the_object(asked)["p0"]
    assert set(found) == {0, 1}, "the third has no box"
    assert found[0]["mass"] == pytest.approx(1) and found[0]["points"] == 1
    assert found[1]["mass"] == pytest.approx(0, abs=1e-6)
    assert found[0]["gaussian"] == pytest.approx(0.25)


def test_mass_and_pointing_by_hand():
    values = torch.tensor([[1.0, 2.0], [3.0, -9.0]])
    inside = torch.tensor([[True, False], [False, True]])
    assert mass_in(values, inside) == pytest.approx(1 / 6)
    assert mass_in(-values.abs(), inside) is None
    assert points_at(values, inside) == 0 and points_at(values, ~inside) == 1
    near = torch.zeros(30, 30, dtype=torch.bool)
    near[10, 10] = True
    for distance, hits in ((2, 1), (3, 0)):  # a fifteenth of 30 pixels is forgiven
        peak = torch.zeros(30, 30)
        peak[10, 10 + distance] = 1
        assert points_at(peak, near) == hits
    assert points_at(gaussian(4, 4) * torch.nan, near[:4, :4]) is None
