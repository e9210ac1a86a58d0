"""Deletion, insertion and single cells against slow loops; shuffled weights against what shuffling means."""

from __future__ import annotations

import pytest
import torch

from reportgen.engine.needs import Normalisation
from reportgen.engine.network.trace import trace
from reportgen.engine.perturb.deletion import (
    blurring,
    by_windows,
    cell_means,
    cell_of_pixels,
    curves,
    deleting_and_inserting,
    one_by_one,
    ranks,
)
from reportgen.engine.perturb.makers import Source, packed
from reportgen.engine.randomise import ShuffledCopies, shuffled

NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)


def test_cells_are_means_of_the_upsampled_map():
    values = torch.arange(28.0 * 28).view(1, 28, 28)
    got = cell_means(values, (28, 28)).view(14, 14)
    assert torch.allclose(got, values[0].view(14, 2, 14, 2).mean((1, 3)))
    assert cell_means(torch.rand(3, 7, 7), (8, 8)).shape == (3, 64)


def test_the_largest_cell_comes_first_and_equal_ones_in_no_corner():
    values = torch.tensor([[0.1, 5.0, -2.0, 3.0]])
    assert ranks(values, 0).tolist() == [[0.5, 0.0, 0.75, 0.25]]
    flat = ranks(torch.zeros(1, 196), 0)[0]
    assert sorted(flat.tolist()) == pytest.approx([k / 196 for k in range(196)])
    assert flat[:98].mean() == pytest.approx(0.5, abs=0.1)


def test_copies_are_those_of_a_slow_loop():
    x = torch.rand(2, 3, 12, 16)
    source = Source(x, NORMAL, {})
    order = torch.stack([ranks(torch.rand(2, 16), k) for k in range(3)], 1)  # 4 x 4 cells
    fractions = torch.tensor([0.25, 0.5, 0.75])
    made = deleting_and_inserting(source, order, fractions, blurring(source))
    assert made.count == 3 * 2 * 3 + 1
    blurred = source.baseline("blur")
    copies = torch.cat([c for *_, c in packed(2, made, 5, torch.device("cpu"))]).view(2, 19, 3, 12, 16)
    for n in range(2):
        for o in range(3):
            for kind in range(2):
                for f, fraction in enumerate(fractions):
                    expected = (x if kind == 0 else blurred)[n].clone()
                    filling = (blurred if kind == 0 else x)[n]
                    for cell in range(16):
                        if order[n, o, cell] < fraction:
                            y, z = 3 * (cell // 4), 4 * (cell % 4)
                            expected[:, y : y + 3, z : z + 4] = filling[:, y : y + 3, z : z + 4]
                    assert torch.equal(copies[n, (o * 2 + kind) * 3 + f], expected)
        assert torch.equal(copies[n, 18], blurred[n])


def test_curves_begin_and_end_at_the_whole_and_the_empty_image():
    p = torch.arange(2 * (2 * 2 * 2 + 1), dtype=torch.float32).view(2, 9)
    got = curves(p, torch.tensor([100.0, 200.0]), orders=2, steps=3)
    assert got.fractions.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert got.deletion[0].tolist() == [[100, 0, 1, 8], [100, 4, 5, 8]]
    assert got.insertion[1].tolist() == [[17, 11, 12, 200], [17, 15, 16, 200]]


def test_the_gain_is_the_area_between_the_curves():
    p = torch.rand(2, 9)
    got = curves(p, torch.rand(2), orders=2, steps=3)
    for n in range(2):
        for order in range(2):
            areas = [torch.trapezoid(c[n, order], got.fractions) for c in (got.insertion, got.deletion)]
            assert float(got.gain[n, order]) == pytest.approx(float(areas[0] - areas[1]), abs=1e-6)


@pytest.mark.parametrize(("height", "width", "cells"), [(28, 28, 14), (15, 21, 14), (9, 7, 7)])
def test_each_cell_alone_is_blurred_and_is_said_to_be_a_box(height, width, cells):
    x = torch.rand(2, 3, height, width)
    source = Source(x, NORMAL, {})
    made = one_by_one(source, cells)
    blurred, cell = source.baseline("blur"), cell_of_pixels(height, width, cells)
    assert made.count == cells**2 and made.local.boxes.shape == (cells**2, 4)
    for n in range(2):
        for number in range(0, cells**2, 5):
            expected = torch.where(cell == number, blurred[n], x[n])
            assert torch.equal(made.make(torch.tensor([n]), torch.tensor([number]))[0], expected)
            top, left, bottom, right = made.local.boxes[number].tolist()
            inside = torch.zeros(height, width, dtype=torch.bool)
            inside[top:bottom, left:right] = True
            assert torch.equal(inside, cell == number)


@pytest.mark.parametrize(("height", "width", "cells"), [(28, 28, 14), (15, 21, 14), (9, 3, 3), (1, 5, 1)])
def test_windows_cover_every_cell_and_say_which(height, width, cells):
    source = Source(torch.rand(1, 3, height, width), NORMAL, {})
    made, covers = by_windows(source, cells)
    cell = cell_of_pixels(height, width, cells)
    assert covers.any(0).all() and len(covers) == made.count
    for number, (top, left, bottom, right) in enumerate(made.local.boxes.tolist()):
        inside = cell[top:bottom, left:right].unique()
        assert sorted(inside.tolist()) == covers[number].nonzero()[:, 0].tolist()
        assert int(covers[number].sum()) == min(4, cells) ** 2


@pytest.mark.parametrize(("share", "touched"), [(0.0, 1), (0.5, 3), (1.0, 6)])
def test_shuffling_keeps_every_value_and_nothing_of_the_order(awkward, share, touched):
    facts = trace(awkward, (3, 32, 32))
    weighted = [x.name for x in facts.leaves() if x.parameters]
    assert weighted == ["stem", "norm", "left", "right", "last", "head"]
    before = {k: v.clone() for k, v in awkward.state_dict().items()}
    other = shuffled(awkward, facts, share, 0).state_dict()
    assert all(torch.equal(v, before[k]) for k, v in awkward.state_dict().items())
    changed = {k.split(".")[0] for k in before if not torch.equal(other[k], before[k])}
    assert changed == set(weighted[:touched])
    for key, value in before.items():
        assert torch.equal(other[key].flatten().sort().values, value.flatten().sort().values)
    again = shuffled(awkward, facts, share, 0).state_dict()
    assert all(torch.equal(again[k], v) for k, v in other.items())


@pytest.mark.parametrize(("room", "kept"), [(1 << 30, True), (0, False)])
def test_shuffled_networks_are_made_once_where_they_take_little_room(awkward, monkeypatch, room, kept):
    monkeypatch.setattr("reportgen.engine.randomise.KEPT_BYTES", room)
    facts, copies = trace(awkward, (3, 32, 32)), ShuffledCopies(8)
    first, other, again = (copies.of(awkward, facts, 1.0, seed) for seed in (0, 1, 0))
    assert (first is again) is kept and other is not first
    expected = shuffled(awkward, facts, 1.0, 0).state_dict()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in expected.items())


def test_blurred_baselines_exist_for_tiny_images():
    assert Source(torch.rand(1, 3, 4, 5), NORMAL, {}).baseline("blur").shape == (1, 3, 4, 5)
