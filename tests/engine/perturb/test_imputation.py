"""Noisy linear imputation against the authors' own solver, as grad-cam ships it, and against what it is
defined by."""

from __future__ import annotations

import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from reportgen.engine.perturb.imputation import NOISE, harmonic, imputing


def holes(side: int, share: float, seed: int) -> torch.Tensor:
    """A mask of cells of two pixels, bool (1, side, side)."""
    draw = torch.Generator().manual_seed(seed)
    cells = torch.rand(side // 2, side // 2, generator=draw) < share
    return cells.repeat_interleave(2, 0).repeat_interleave(2, 1)[None]


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_it_fills_in_what_the_authors_fill_in(share):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 28, 28)
    hidden = torch.stack([holes(28, share, seed) for seed in (0, 1)])
    got = imputing(x, 0)(torch.arange(2), hidden)
    spread = x.amax((1, 2, 3)) - x.amin((1, 2, 3))
    for n in range(2):
        theirs = NoisyLinearImputer(noise=0)(x[n], (~hidden[n, 0]).float())
        assert torch.equal(got[n][:, ~hidden[n, 0]], x[n][:, ~hidden[n, 0]]), "what is left is as it was"
        difference = (got[n] - theirs)[:, hidden[n, 0]]
        assert float(difference.std()) == pytest.approx(NOISE * float(spread[n]), rel=0.2), "the noise is all"
        assert abs(float(difference.mean())) < NOISE * float(spread[n]) / 4


def test_every_missing_place_is_the_weighted_mean_of_its_neighbours():
    torch.manual_seed(0)
    values, known = torch.rand(1, 2, 9, 12), ~holes(12, 0.5, 3)[:, :9][None]
    got = harmonic(values, known, torch.zeros(1, 2, 1, 1))[0]
    for y in range(9):
        for x in range(12):
            if known[0, 0, y, x]:
                assert torch.equal(got[:, y, x], values[0, :, y, x])
                continue
            total, weight = torch.zeros(2), 0
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy or dx) and 0 <= y + dy < 9 and 0 <= x + dx < 12:
                        heavy = 1 if dy and dx else 2
                        total += heavy * got[:, y + dy, x + dx]
                        weight += heavy
            assert torch.allclose(got[:, y, x], total / weight, atol=3e-3)


def test_where_nothing_is_left_it_is_the_mean_and_where_all_is_nothing_changes():
    x = torch.rand(2, 3, 28, 28)
    every, none = torch.ones(2, 1, 28, 28, dtype=torch.bool), torch.zeros(2, 1, 28, 28, dtype=torch.bool)
    fill = imputing(x, 0)
    assert torch.equal(fill(torch.arange(2), none), x)
    empty = fill(torch.arange(2), every)
    spread = (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))[:, None]
    assert ((empty - x.mean((2, 3), keepdim=True)).flatten(2).std(2) < 1.2 * NOISE * spread).all()


def test_a_large_image_is_solved_on_a_coarser_grid_and_means_the_same():
    """A ramp stays a ramp: it is what lies between its ends at any fineness."""
    ramp = torch.linspace(0, 1, 224).expand(1, 3, 224, 224)
    hidden = torch.zeros(1, 1, 224, 224, dtype=torch.bool)
    hidden[..., 64:160] = True
    got = imputing(ramp, 0)(torch.tensor([0]), hidden)
    assert float((got - ramp).abs().max()) < 0.06
    assert float((got - ramp).abs().mean()) < 0.01


def test_no_image_depends_on_those_beside_it():
    """One beside it needs many steps more of the solver."""
    generator = torch.Generator().manual_seed(3)
    values = torch.rand(2, 3, 24, 24, generator=generator)
    known = torch.rand(2, 1, 24, 24, generator=generator) > 0.3
    known[1] = False
    known[1, :, :2, :2] = True
    mean = values.mean((2, 3), keepdim=True)
    alone = harmonic(values[:1], known[:1], mean[:1])
    assert torch.equal(harmonic(values, known, mean)[:1], alone)
