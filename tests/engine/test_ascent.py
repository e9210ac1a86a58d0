"""Ascents against arithmetic, planted networks and relations that any true ascent keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from reportgen.engine.ascent import Climber, canvas, roughness, unit_length, warped
from reportgen.engine.needs import (
    Ascended,
    Ascent,
    ChannelMean,
    ClassLogit,
    Climb,
    Logits,
    ModelFacts,
    Normalisation,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import frozen
from reportgen.engine.plan import make_plan

PLAIN = Climb(steps=40, side_px=128, jitter=0, scale=0, rotation_deg=0)
CPU = torch.device("cpu")


def climber(
    network: nn.Module,
    shape: tuple[int, int, int],
    batch_size: int = 16,
    mean: float = 0.5,
    std: float = 0.25,
) -> Climber:
    normal = Normalisation((mean,) * shape[0], (std,) * shape[0])
    return Climber(network, trace(network, shape), normal, CPU, batch_size)


def ascend(
    network: nn.Module,
    shape: tuple[int, int, int],
    *units: ClassLogit | ChannelMean,
    climb: Climb = PLAIN,
    batch_size: int = 16,
) -> list[Ascended]:
    needs = [Ascent(unit, climb) for unit in units]
    with frozen(network):
        found = climber(network, shape, batch_size).run(needs)
    return [found[need] for need in needs]


def linear(weight: Tensor) -> nn.Module:
    """Logits that are sums of pixels, weighted by (classes, C, h, w)."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(weight[0].numel(), len(weight), bias=False))
    network[1].weight = nn.Parameter(weight.flatten(1))
    return network.eval()


class Colours(nn.Module):
    """Class k is the mean of colour k: it takes any size."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.maps.weight.copy_(torch.eye(3).view(3, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))


def test_a_linear_unit_gets_white_where_it_weighs_up_and_black_where_it_weighs_down():
    torch.manual_seed(0)
    weight = torch.randn(2, 1, 8, 8)
    for k, end in enumerate(ascend(linear(weight), (1, 8, 8), ClassLogit(0), ClassLogit(1))):
        clear = weight[k].abs() > 0.2
        assert torch.equal((end.picture > 0.5)[clear], (weight[k] > 0)[clear])
        bound = (weight[k].abs() * 2).sum()  # black and white are at ∓2 after normalisation
        assert end.start < end.reached <= bound
    longer = replace(PLAIN, steps=400)
    (end,) = ascend(linear(weight), (1, 8, 8), ClassLogit(0), climb=longer)
    assert end.reached > 0.9 * (weight[0].abs() * 2).sum()


@pytest.mark.parametrize("parametrisation", ["fourier", "pixels"])
def test_a_colours_class_gets_its_colour(parametrisation):
    climb = replace(PLAIN, parametrisation=parametrisation, jitter=0.1, scale=0.1, rotation_deg=10)
    ends = ascend(Colours().eval(), (3, 32, 32), *map(ClassLogit, range(3)), climb=climb)
    for k, end in enumerate(ends):
        assert end.picture.shape == (3, 32, 32)
        assert end.picture.min() >= 0 and end.picture.max() <= 1
        assert end.picture.mean((1, 2)).argmax() == k
        assert end.picture[k].mean() > 0.6


def test_the_values_are_what_the_network_says_of_the_picture(awkward):
    units = (ClassLogit(2), ChannelMean("last", 3), ChannelMean("relu", 1), ChannelMean("head", 4))
    seen: dict[str, Tensor] = {}
    ends = ascend(awkward, (3, 32, 32), *units, climb=replace(PLAIN, steps=10))
    for name in ("last", "relu", "head"):
        # before the rectifier that rewrites `last` in place
        awkward.get_submodule(name).register_forward_hook(
            lambda _m, _a, y, name=name: seen.update({name: y.clone()})
        )
    for unit, end in zip(units, ends, strict=True):
        with torch.no_grad():
            logits = awkward((end.picture[None] - 0.5) / 0.25)
        value = logits[0, unit.index] if isinstance(unit, ClassLogit) else seen[unit.layer][0, unit.channel]
        assert end.reached == pytest.approx(float(value.mean()), rel=1e-4, abs=1e-5)


def test_every_class_rises(awkward):
    for end in ascend(awkward, (3, 32, 32), *map(ClassLogit, range(5))):
        assert end.reached > end.start


def test_a_picture_does_not_depend_on_its_neighbours_or_on_the_batch(awkward):
    climb = replace(PLAIN, steps=5, jitter=0.1, rotation_deg=10)
    units = [ClassLogit(k) for k in range(5)]
    together = ascend(awkward, (3, 32, 32), *units, climb=climb)
    pairs = ascend(awkward, (3, 32, 32), *units, climb=climb, batch_size=2)
    (alone,) = ascend(awkward, (3, 32, 32), units[3], climb=climb)
    torch.testing.assert_close(alone.picture, together[3].picture, atol=1e-4, rtol=0)
    for one, other in zip(together, pairs, strict=True):
        torch.testing.assert_close(one.picture, other.picture, atol=1e-4, rtol=0)


def test_a_unit_a_thousand_times_as_strong_gets_the_same_picture(awkward):
    climb = replace(PLAIN, steps=5, l2=0.05, total_variation=0.05)
    (one,) = ascend(awkward, (3, 32, 32), ClassLogit(0), climb=climb)
    with torch.no_grad():
        awkward.head.weight.mul_(1024)
        awkward.head.bias.mul_(1024)
    (other,) = ascend(awkward, (3, 32, 32), ClassLogit(0), climb=climb)
    torch.testing.assert_close(one.picture, other.picture, atol=1e-4, rtol=0)
    assert other.reached == pytest.approx(1024 * one.reached, rel=1e-2)


def test_the_seed_decides_and_nothing_else_random_does(awkward):
    climb = replace(PLAIN, steps=5, jitter=0.1, scale=0.1, rotation_deg=10)
    (one,) = ascend(awkward, (3, 32, 32), ClassLogit(0), climb=climb)
    torch.manual_seed(99)
    (again,) = ascend(awkward, (3, 32, 32), ClassLogit(0), climb=climb)
    (other,) = ascend(awkward, (3, 32, 32), ClassLogit(0), climb=replace(climb, seed=1))
    assert torch.equal(one.picture, again.picture)
    assert not torch.allclose(one.picture, other.picture, atol=1e-3)


@pytest.mark.parametrize(
    ("penalty", "measure"),
    [("l2", lambda p: (p - 0.5).square().mean()), ("total_variation", lambda p: roughness(p[None])[0])],
)
def test_each_penalty_lowers_what_it_is_about(
    awkward, penalty: str, measure: Callable[[Tensor], Tensor]
):
    free, held = (
        ascend(awkward, (3, 32, 32), ClassLogit(1), climb=replace(PLAIN, **{penalty: weight}))[0]
        for weight in (0.0, 0.2)
    )
    assert measure(held.picture) < 0.8 * measure(free.picture)


def test_a_network_that_takes_other_sizes_climbs_at_the_side_and_another_at_its_own(awkward):
    small = replace(PLAIN, steps=1, side_px=24)
    (free,) = ascend(awkward, (3, 48, 40), ClassLogit(0), climb=small)
    assert free.picture.shape == (3, 24, 24)
    (fixed,) = ascend(linear(torch.ones(2, 3, 48, 40)), (3, 48, 40), ClassLogit(0), climb=small)
    assert fixed.picture.shape == (3, 48, 40)
    (large,) = ascend(awkward, (3, 48, 40), ClassLogit(0), climb=replace(small, side_px=128))
    assert large.picture.shape == (3, 48, 40)


class Wish:
    """A probe that needs some ascents."""

    def __init__(self, *needs: Ascent | Logits) -> None:
        self.needed = needs

    def needs(self, _model: ModelFacts) -> tuple[Ascent | Logits, ...]:
        return self.needed


def test_the_plan_knows_what_ascents_cost_and_the_pass_is_not_charged(awkward):
    needs = [Ascent(ClassLogit(k), replace(PLAIN, steps=3)) for k in range(3)]
    needs.append(Ascent(ClassLogit(0), replace(PLAIN, steps=4)))
    work = climber(awkward, (3, 32, 32), batch_size=2)
    sizes: list[int] = []
    told: list[tuple[int, int]] = []
    work.progress = lambda done, total: told.append((done, total))
    awkward.register_forward_hook(lambda _m, args, _y: sizes.append(len(args[0])))
    with frozen(awkward):
        work.run(needs)
    # two probes that need the same ascent share it
    plan = make_plan([("a", "model", Wish(*needs)), ("b", "model", Wish(needs[0]))], work.facts, 1)
    assert plan.ascent_cost == work.cost == {"ascent_forwards": sum(sizes), "ascent_backwards": 13}
    assert plan.cost(7, 7) == {"forwards": 7, "backwards": 0, "occlusion_forwards": 0}
    assert told == [(step, 10) for step in range(1, 11)]  # batches of 2 and 1, then another climb
    assert not any(m._forward_hooks for name, m in awkward.named_modules() if name)


def test_a_probe_of_the_model_may_not_need_an_image(awkward):
    with pytest.raises(TypeError, match="only what needs no image at hand"):
        make_plan([("a", "model", Wish(Logits()))], trace(awkward, (3, 32, 32)), 1)


def test_warping_by_nothing_changes_nothing_and_by_quarter_turns_and_pixels_moves_exactly():
    x = torch.rand(2, 3, 9, 9)
    torch.testing.assert_close(warped(x, 0, 1, (0, 0)), x)
    torch.testing.assert_close(warped(x, math.pi / 2, 1, (0, 0)), x.rot90(-1, (2, 3)))
    moved = warped(x, 0, 1, (2, -3))
    torch.testing.assert_close(moved[..., 2:, :-3], x[..., :-2, 3:])


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 10)])
def test_warping_is_grid_sample_with_mirrored_borders(height, width):
    torch.manual_seed(1)
    x = torch.rand(2, 3, height, width)
    turn, zoom, shift = 0.3, 1.2, (1.7, -0.6)
    down, across = (height - 1) / 2, (width - 1) / 2
    # from normalised to normalised places, through pixels about the middle
    theta = torch.tensor(
        [
            [math.cos(turn), math.sin(turn) * down / across, -shift[1] * zoom / across],
            [-math.sin(turn) * across / down, math.cos(turn), -shift[0] * zoom / down],
        ]
    )
    grid = affine_grid((theta / zoom)[None].expand(2, 2, 3), list(x.shape), align_corners=True)
    expected = grid_sample(x, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(warped(x, turn, zoom, shift), expected, atol=1e-5, rtol=0)


def test_roughness_is_the_sum_of_steps_over_the_root_of_the_size():
    x = torch.rand(2, 3, 4, 5)
    slow = sum(
        abs(float(x[1, c, i, j] - x[1, c, k, m]))
        for c in range(3)
        for i in range(4)
        for j in range(5)
        for k, m in ((i + 1, j), (i, j + 1))
        if k < 4 and m < 5
    )
    assert roughness(x)[1] == pytest.approx(slow / math.sqrt(60), rel=1e-5)
    assert not roughness(torch.full((1, 3, 4, 4), 0.3)).any()


def test_a_gradient_has_length_one_and_none_stays_none():
    g = torch.randn(3, 1, 4, 4) * torch.tensor([1e-9, 0, 1e9]).view(3, 1, 1, 1)
    length = unit_length(g).flatten(1).norm(dim=1)
    assert length.tolist() == pytest.approx([1, 0, 1])


def test_a_wave_of_twice_the_frequency_has_half_the_amplitude():
    made = canvas(replace(PLAIN, parametrisation="fourier"), 2, (3, 32, 64), CPU)
    numbers = torch.zeros_like(made.numbers)
    numbers[0, 0, 0, 4, 0] = numbers[1, 0, 0, 8, 0] = 1  # brightness, across, 4 and 8 cycles
    waves = made.paint(numbers).logit()  # (2, 3, 32, 64)
    low, high = (wave.abs().max() for wave in waves)
    assert float(low / high) == pytest.approx(2, rel=1e-4)
    torch.testing.assert_close(waves[:, 0], waves[:, 2])  # brightness is the same in every colour
    cosine = torch.cos(2 * math.pi * 4 * torch.arange(64) / 64)
    torch.testing.assert_close(waves[0, 0, 5] / low, cosine, atol=1e-4, rtol=0)


def test_the_digits_network_knows_the_pictures_of_its_classes(digits):
    mean, std = 0.1307, 0.3081
    climb = Climb(steps=64, side_px=128, l2=0.015, total_variation=0.05)
    with frozen(digits):
        found = climber(digits, (1, 28, 28), mean=mean, std=std).run(
            [Ascent(ClassLogit(k), climb) for k in range(10)]
        )
    pictures = torch.stack([end.picture for end in found.values()])
    with torch.no_grad():
        answers = digits((pictures - mean) / std).softmax(1)
    assert answers.argmax(1).tolist() == list(range(10))
    assert (answers.diagonal() > 0.9).all()


@pytest.fixture
def digits() -> nn.Module:
    import importlib.util

    from safetensors.torch import load_file

    folder = Path(__file__).resolve().parents[2] / "examples" / "mnist"
    spec = importlib.util.spec_from_file_location("ascended_network", folder / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.DigitNet().eval()
    network.load_state_dict(load_file(folder / "checkpoints" / "epoch-10.safetensors"))
    return network
