"""The atlas of a layer against slow references, and a network whose two directions are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn
from torch.nn import functional

from reportgen.engine import atlas
from reportgen.engine.ascent import Climber
from reportgen.engine.needs import (
    Activation,
    Atlas,
    Charted,
    Climb,
    Direction,
    ModelFacts,
    Normalisation,
    PlacesDrawn,
    linear_head,
    reads_means,
)
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import frozen
from reportgen.engine.plan import Plan
from reportgen.engine.tape import BatchTape
from reportgen.engine.top_images import driven
from reportgen.findings import Tally

NORMAL = Normalisation((0.5,) * 3, (0.25,) * 3)
DRAWN = PlacesDrawn("1", places=120)


def red_or_blue() -> nn.Sequential:
    """Channel 0 answers to red, channel 1 to blue, each place by itself; a class for each."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        network[0].weight[:] = torch.tensor([[1.0, 0, -1], [-1, 0, 1]])[:, :, None, None]
        network[4].weight[:] = torch.eye(2)
        network[4].bias[:] = 0
    return network.eval()


def tape_of(network: nn.Sequential, facts: ModelFacts, x: Tensor, layer: str = "1") -> BatchTape:
    with torch.no_grad():
        a = network[:2](x)
        logits = network(x)
    none = torch.full((len(x),), -1)
    return BatchTape(facts, NORMAL, x, logits, logits.argmax(1), none, {}, {Activation(layer): a})


def images(count: int = 12, side: int = 8) -> Tensor:
    """Half of them red with a little noise, half blue."""
    generator = torch.Generator().manual_seed(0)
    x = 0.1 * torch.randn(count, 3, side, side, generator=generator)
    x[: count // 2, 0] += 2
    x[count // 2 :, 2] += 2
    return x


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    return red_or_blue()


@pytest.fixture(scope="module")
def facts(network: nn.Sequential) -> ModelFacts:
    return trace(network, (3, 8, 8))


def climbed(
    network: nn.Sequential, facts: ModelFacts, need: Atlas, x: Tensor, size: int = 12
) -> Charted:
    plan, numbers = Plan((need,), facts, 1), range(len(x))
    drawn = atlas.drawn_of(plan, numbers)
    tallies = [
        atlas.keep(drawn, tape_of(network, facts, x[n : n + size]), numbers[n : n + size])
        for n in range(0, len(x), size)
    ]
    whole = Tally()
    for tally in tallies:
        whole = whole.merged(tally) if tally else whole
    with frozen(network):
        climber = Climber(network, facts, NORMAL, torch.device("cpu"), 8)
        return atlas.charted([need], whole, climber)[need]


def wished(seed: int = 0, steps: int = 40) -> Atlas:
    climb = Climb(steps, 16, seed, jitter=0, scale=0, rotation_deg=0)
    return Atlas(PlacesDrawn("1", 120, seed), side=4, fewest=3, power=2.0, climb=climb)


def test_a_direction_is_driven_as_the_article_has_it() -> None:
    a = torch.randn(3, 5, 2, 4, generator=torch.Generator().manual_seed(1))
    u = torch.randn(5, generator=torch.Generator().manual_seed(2))
    expected = []
    for image in a:
        values = []
        for row in range(2):
            for column in range(4):
                here = image[:, row, column]
                dot = sum(float(p) * float(q) for p, q in zip(here, u, strict=True))
                length = math.sqrt(sum(float(p) ** 2 for p in here))
                values.append(dot * max(0.1, dot / length) ** 3)
        expected.append(sum(values) / len(values))
    found = driven(Direction("x", tuple(u.tolist()), 3.0), torch.zeros(3, 2), lambda _name: a)
    assert found.tolist() == pytest.approx(expected, rel=1e-4)


def test_a_place_is_what_the_layer_answered_there_and_its_border_is_left_out(
    network: nn.Sequential, facts: ModelFacts
) -> None:
    x = images()
    a = tape_of(network, facts, x)[Activation("1")]
    drawn = atlas.drawn_of(Plan((DRAWN,), facts, 1), range(12))
    kept = atlas.keep(drawn, tape_of(network, facts, x), range(12))
    assert kept
    drawn = {name: rows for name, rows in kept.sums.items() if name.startswith(atlas.key(DRAWN))}
    assert len(drawn) == 12
    for name, rows in drawn.items():
        number = int(name[-6:])
        assert len(rows) == 10  # 120 places of 12 images
        assert set(rows[:, 0]) == {float(number >= 6)}  # the answer
        inside = a[number, :, 1:-1, 1:-1].flatten(1).T.double().numpy()
        assert all((inside == row).all(1).any() for row in rows[:, 1:])
        assert len(np.unique(rows[:, 1:], axis=0)) == len(rows)  # none twice


def test_how_many_places_an_image_gives_depends_on_how_many_images_there_are() -> None:
    drawn = atlas.share(PlacesDrawn("x", 10), range(100, 104))
    assert (drawn.places, sorted(drawn.images)) == (2, [100, 101, 102, 103])
    drawn = atlas.share(PlacesDrawn("x", 10), range(1000))
    assert drawn.places == 1 and len(drawn.images) == 10
    assert drawn.images != atlas.share(PlacesDrawn("x", 10, seed=1), range(1000)).images


def test_cells_against_a_loop() -> None:
    positions = np.random.default_rng(0).normal(size=(200, 2))
    expected: dict[tuple[int, int], list[int]] = {}
    (left, low), (right, high) = positions.min(0), positions.max(0)
    for n, (x, y) in enumerate(positions):
        column = min(4, int(5 * (x - left) / (right - left)))
        row = min(4, int(5 * (y - low) / (high - low)))
        expected.setdefault((row, column), []).append(n)
    found = atlas.cells_of(positions, 5, 4)
    assert {place: rows.tolist() for place, rows in found.items()} == {
        place: rows for place, rows in expected.items() if len(rows) >= 4
    }
    assert list(found) == sorted(found)


def test_whitening_undoes_the_second_moments_as_ledoit_and_wolf_shrink_them() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 1
    scale = np.sqrt(np.square(vectors).mean())
    moments = LedoitWolf(assume_centered=True).fit(vectors / scale).covariance_
    assert atlas.whitened(vectors) @ moments == pytest.approx(np.eye(6), abs=1e-3)
    assert np.isfinite(atlas.whitened(np.zeros((5, 4)))).all()


def test_cells_of_known_directions_climb_to_them(network: nn.Sequential, facts: ModelFacts) -> None:
    charted = climbed(network, facts, wished(), images())
    assert (charted.places, charted.images) == (120, 12)
    red = [cell for cell in charted.cells if cell.mean[0] > 2 * cell.mean[1]]
    blue = [cell for cell in charted.cells if cell.mean[1] > 2 * cell.mean[0]]
    assert red and blue and len(red) + len(blue) == len(charted.cells)
    assert charted.shown == sum(cell.places for cell in charted.cells)
    for cells, one, other, answer in ((red, 0, 2, 0), (blue, 2, 0, 1)):
        for cell in cells:
            colours = cell.picture.flatten(1).mean(1)
            assert colours[one] > colours[other] + 0.2
            assert cell.reached > cell.start
            assert cell.answers == ((answer, cell.images),)


def test_the_seed_alone_decides_and_not_the_batches(network: nn.Sequential, facts: ModelFacts) -> None:
    one, same = (climbed(network, facts, wished(steps=4), images(), size) for size in (12, 5))
    other = climbed(network, facts, wished(seed=1, steps=4), images())
    where, again = ([(c.row, c.column, c.places) for c in made.cells] for made in (one, same))
    assert where == again
    for cell, twin in zip(one.cells, same.cells, strict=True):
        assert torch.equal(cell.picture, twin.picture)
    assert not np.array_equal(one.cells[0].mean, other.cells[0].mean)


def test_an_image_without_an_answer_gives_no_place(network: nn.Sequential, facts: ModelFacts) -> None:
    x = images()
    x[0, :, 0, 0] = torch.nan
    drawn = atlas.drawn_of(Plan((DRAWN,), facts, 1), range(12))
    kept = atlas.keep(drawn, tape_of(network, facts, x), range(12))
    assert kept
    names = sorted(name for name in kept.sums if name.startswith(atlas.key(DRAWN)))
    assert [int(name[-6:]) for name in names] == list(range(1, 12))
    with frozen(network):
        climber = Climber(network, facts, NORMAL, torch.device("cpu"), 8)
        nothing = atlas.charted([wished()], None, climber)[wished()]
    assert (nothing.cells, nothing.places) == ((), 0)


class Written(nn.Module):
    """What stands between the maps and the linear layer is written into the forward: no module tells."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.maps, self.head, self.between = nn.Conv2d(3, 6, 3), nn.Linear(6, 4), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.maps(x)))


@pytest.mark.parametrize(
    ("between", "means"),
    [
        (lambda a: a.mean((2, 3)), True),
        (lambda a: functional.adaptive_avg_pool2d(a, 1).flatten(1), True),
        (lambda a: functional.avg_pool2d(a, 2).mean((2, 3)), True),
        (lambda a: a.mean((2, 3)) + 1, True),  # as good as a bias
        (lambda a: a.relu().mean((2, 3)), False),  # as densenet has it
        (lambda a: a.mean((2, 3)).relu(), False),
        (lambda a: functional.max_pool2d(a, 2).mean((2, 3)), False),
        (lambda a: a.amax((2, 3)), False),
        (lambda a: a[:, :, 2, 2], False),
        (lambda a: functional.layer_norm(a.mean((2, 3)), (6,)), False),
        (lambda a: 2 * a.mean((2, 3)), False),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_reads_the_means_is_told_by_numbers(
    between: Callable[[Tensor], Tensor], means: bool, dtype: torch.dtype
) -> None:
    network = Written(between).eval()
    facts = trace(network, (3, 8, 8))
    assert linear_head(facts, facts.layer("maps")) is not None  # the modules alone do not tell
    generator, network = torch.Generator().manual_seed(3), network.to(dtype)
    x = torch.randn(12, 3, 8, 8, generator=generator) + torch.randn(12, 3, 1, 1, generator=generator)
    need = PlacesDrawn("maps", 50)
    with torch.no_grad():
        a, logits = network.maps(x.to(dtype)).float(), network(x.to(dtype)).float()
    none = torch.full((12,), -1)
    tape = BatchTape(facts, NORMAL, x, logits, logits.argmax(1), none, {}, {Activation("maps"): a})
    tally = atlas.keep(atlas.drawn_of(Plan((need,), facts, 1), range(12)), tape, range(12))
    assert tally is not None
    compared = atlas.compared(need, tally, 6)
    assert [len(x) for x in compared] == [atlas.COMPARED] * 2
    weight = network.head.weight.detach().double().numpy()
    assert reads_means(weight, Charted((), 0, 0, 0, "", *compared)) is means
    assert not reads_means(weight, Charted((), 0, 0, 0, "", *(x[:1] for x in compared)))  # one image alone
