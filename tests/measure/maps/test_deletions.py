"""What counts: the gain of a map, of random orders and of the greediest order, where it is known what
counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from reportgen.measure.maps.amounts import says_how_much
from reportgen.measure.maps.deletions import FILLS, taken_apart
from reportgen.probes.saliency import Saliency


def planted(side: int = 28) -> torch.Tensor:
    """A map of the first quarter."""
    values = torch.zeros(side, side)
    values[: side // 2, : side // 2] = 1
    return values


def test_a_perfect_map_gains_as_the_greediest_order_does_and_its_reverse_loses(asking, quarters, bright):
    maps = {"perfect": planted().expand(2, 28, 28), "reverse": -planted().expand(2, 28, 28)}
    asked = asking(quarters, bright([0, 0]), Saliency(), maps=maps, random_orders=6)
    taken = taken_apart(asked)
    for fill in FILLS:
        gain = taken.curves[fill].gain.numpy()  # (n, 2 methods + 2 greedy + 6 random + their reverses)
        assert gain.shape == (2, 2 + 2 + 12)
        random = gain[:, 4:]
        assert (gain[:, 0] > random.max(1)).all() and (gain[:, 1] < random.min(1)).all()
        assert gain[:, 0] == pytest.approx(gain[:, 2], rel=0.15)


def test_a_reversed_random_order_gains_the_same_but_for_the_sign(asking, quarters, bright):
    asked = asking(quarters, bright([0, 1]), Saliency(), random_orders=3)
    for found in taken_apart(asked).curves.values():
        gain = found.gain[:, -6:].numpy()
        assert gain[:, 3:] == pytest.approx(-gain[:, :3], abs=1e-6)
        assert np.abs(gain).min() > 0


def test_every_image_of_the_sample_has_random_orders_of_its_own_whatever_its_batch(asking, quarters, bright):
    pixels = bright([0, 1])
    together = taken_apart(asking(quarters, pixels, Saliency(), random_orders=2))
    alone = taken_apart(asking(quarters, pixels[1:], Saliency(), random_orders=2, places=[1]))
    for fill in FILLS:
        assert torch.allclose(together.curves[fill].gain[1], alone.curves[fill].gain[0], atol=1e-5)
        assert not torch.allclose(together.curves[fill].gain[0, -4:], together.curves[fill].gain[1, -4:])


def test_the_falls_are_those_of_a_slow_loop(asking, quarters, bright):
    pixels = bright([2, 1])
    asked = asking(quarters, pixels, Saliency(), targets=[2, 1])
    taken = taken_apart(asked)
    assert taken.falls.shape == (2, 196)
    from reportgen.engine.perturb.makers import Source

    blurred = Source(pixels, asked.engine.normalisation, {}).baseline("blur")
    for n, target in enumerate([2, 1]):
        for cell in (0, 13, 100, 195):
            changed = pixels[n].clone()
            y, x = 2 * (cell // 14), 2 * (cell % 14)
            changed[:, y : y + 2, x : x + 2] = blurred[n, :, y : y + 2, x : x + 2]
            with torch.no_grad():
                both = quarters(torch.stack([pixels[n], changed]))[:, target]
            assert float(taken.falls[n, cell]) == pytest.approx(float(both[0] - both[1]), abs=1e-5)


def test_how_much_is_scipys_correlation_with_the_falls(asking, quarters, bright):
    asked = asking(quarters, bright([0, 0]), Saliency())
    taken = taken_apart(asked)
    found = says_how_much(asked, taken)["p0"]
    for row in range(2):
        cells, falls = taken.cells["p0"][row].numpy(), taken.falls[row].numpy()
        assert found[row]["rho"] == pytest.approx(spearmanr(cells, falls).statistic, abs=1e-6)
        other = taken.cells["p0"][1 - row].numpy()
        assert found[row]["others"] == pytest.approx(spearmanr(other, falls).statistic, abs=1e-6)


def test_the_falls_themselves_say_how_much_and_their_magnitudes_do_not(asking, quarters, bright):
    """Signed, never absolute: half of the cells speak against the class."""
    asked = asking(quarters, bright([0, 0]), Saliency())
    falls = taken_apart(asked).falls.view(2, 14, 14)
    signed = (falls - falls.mean()).repeat_interleave(2, 1).repeat_interleave(2, 2)
    asked = asking(quarters, bright([0, 0]), Saliency(), maps={"signed": signed, "size": -signed.abs()})
    found = says_how_much(asked, taken_apart(asked))
    for row in range(2):
        assert found["signed"][row]["rho"] > 0.99
        assert found["size"][row]["rho"] < 0.5
