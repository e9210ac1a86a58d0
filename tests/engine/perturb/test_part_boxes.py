"""Parts that are covered, and boxes of their sizes at random places."""

from __future__ import annotations

import pytest
import torch

from reportgen.engine.needs import CoveredParts, Normalisation, Scores
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.perturb.makers import Source, maker, packed
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot

SIDE = 32
BOXES = torch.tensor(
    [
        [[2, 3, 10, 9], [20, 20, 32, 32]],
        [[0, 0, 0, 0], [4, 4, 8, 8]],  # lacks the first part
        [[5, 5, 6, 30], [0, 0, 3, 4]],
    ]
)
MIDGREY = Normalisation((0.5,) * 3, (0.25,) * 3)


def test_random_boxes_have_the_parts_sizes_lie_inside_and_are_the_images_own():
    found = PartBoxes(BOXES, (7, 8, 9)).with_random(50, 0, SIDE, SIDE)
    assert torch.equal(found[:, :2], BOXES)
    drawn = found[:, 2:].view(3, 50, 2, 4)
    size = BOXES[..., 2:] - BOXES[..., :2]
    assert torch.equal(drawn[..., 2:] - drawn[..., :2], size[:, None].expand(-1, 50, -1, -1))
    assert drawn.min() >= 0 and drawn.max() <= SIDE
    assert not torch.equal(drawn[0, ..., :2], drawn[2, ..., :2])
    starts = drawn[0, :, 0, :2]
    assert starts.amin(0).max() <= 3 and (starts.amax(0) - torch.tensor([24, 26])).abs().max() <= 3


def test_a_random_place_depends_on_the_seed_and_the_image_not_on_the_batch():
    straight = PartBoxes(BOXES, (7, 8, 9)).with_random(3, 1, SIDE, SIDE)
    alone = PartBoxes(BOXES[2:], (9,)).with_random(3, 1, SIDE, SIDE)
    assert torch.equal(straight[2], alone[0])
    assert not torch.equal(straight, PartBoxes(BOXES, (7, 8, 9)).with_random(3, 2, SIDE, SIDE))


def test_an_image_without_all_parts_is_not_whole():
    assert PartBoxes(BOXES, (0, 1, 2)).whole.tolist() == [True, False, True]
    assert PartBoxes(BOXES[:, :0], (0, 1, 2)).whole.tolist() == [False] * 3


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_perturbations_are_of_whole_images_only_with_the_part_in_grey(batch_size):
    x = torch.randn(3, 3, SIDE, SIDE)
    made = maker(CoveredParts(2, 1), Source(x, MIDGREY, {}, PartBoxes(BOXES, (0, 1, 2))))
    batches = list(packed(3, made, batch_size, x.device))
    image, number, perturbed = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert image.tolist() == [0] * 4 + [2] * 4 and number.tolist() == [0, 1, 2, 3] * 2
    expected = x[0].clone()
    expected[:, 2:10, 3:9] = 0  # grey is 0.5, the mean
    assert torch.equal(perturbed[0], expected)
    for picture, changed in zip(x[image], perturbed, strict=True):
        where = (picture != changed).any(0)
        assert where.any() and (changed[:, where] == 0).all()


def run(network, x, boxes):
    plan = Plan((Scores(CoveredParts(2, 1)),), trace(network, (3, SIDE, SIDE)), 1)
    engine = OnePass(network, plan, (Slot("predicted"),), MIDGREY, torch.device("cpu"), 3)
    with frozen(network):
        (tape,) = engine.run(x, torch.full((len(x),), -1), PartBoxes(boxes, range(len(x))))
    return tape[Scores(CoveredParts(2, 1))], engine


def test_images_that_lack_a_part_are_nan_and_cost_nothing(awkward):
    x = torch.randn(3, 3, SIDE, SIDE)
    scores, engine = run(awkward, x, BOXES)
    assert scores.shape == (3, 4, 5)
    assert scores[1].isnan().all() and scores[[0, 2]].isfinite().all()
    assert engine.counted.perturbed_forwards == 8
    nobody, engine = run(awkward, x, torch.zeros_like(BOXES))
    assert nobody.shape == (3, 4, 5) and nobody.isnan().all()
    assert engine.counted.perturbed_forwards == 0


def test_parts_that_nobody_places_are_a_fault_of_the_caller():
    with pytest.raises(ValueError, match="boxes"):
        maker(CoveredParts(2, 1), Source(torch.zeros(1, 3, 8, 8), MIDGREY, {}))
