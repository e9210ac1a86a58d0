"""Batches whose maps are asked by the real engine, and networks of which it is known what they rest on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.perturb.asking import Counter
from reportgen.engine.perturb.deletion import cell_means
from reportgen.measure.maps.asking import Asking, Others, Sampled
from reportgen.measure.maps.likeness import Ranked
from reportgen.recipe import TrustRecipe
from reportgen.stats import unit_ranks


class Quarters(nn.Module):
    """Class k is what is bright in quarter k, and nothing else: the quarters are disconnected (Rao et al.
    2022, DiFull, arXiv:2205.10435)."""

    def __init__(self, scale: float = 4.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.act = nn.ReLU()
        self.scale = scale
        torch.manual_seed(0)
        with torch.no_grad():
            self.conv.weight.uniform_(0.5, 1)
            self.conv.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        a = self.act(self.conv(x)).mean(1)
        h, w = a.shape[1] // 2, a.shape[2] // 2
        parts = (a[:, :h, :w], a[:, :h, w:], a[:, h:, :w], a[:, h:, w:])
        return self.scale * torch.stack([part.mean((1, 2)) for part in parts], 1)


class Hues(nn.Module):
    """Class k is how much of colour k there is anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return (torch.relu(self.conv(x)) ** 2).mean((2, 3))


@pytest.fixture
def hues() -> nn.Module:
    return Hues()


@pytest.fixture
def coloured() -> Callable[[list[int]], Tensor]:
    """Images (n, 3, 16, 16) of one colour each, with a little noise."""

    def make(colours: list[int]) -> Tensor:
        draw = torch.Generator().manual_seed(0)
        plain = torch.eye(3)[colours][:, :, None, None].expand(-1, 3, 16, 16)
        return plain + 0.05 * torch.rand(plain.shape, generator=draw)

    return make


@pytest.fixture
def quarters() -> nn.Module:
    return Quarters()


@pytest.fixture
def bright() -> Callable[..., Tensor]:
    """Images (n, 3, side, side) of fine stripes, which a blur takes away, in one quarter each, and of faint
    ones elsewhere."""

    def make(where: list[int], side: int = 28, faint: float = 0.2) -> Tensor:
        draw = torch.Generator().manual_seed(0)
        stripes = torch.where(torch.arange(side) % 2 == 0, 3.0, -3.0).expand(3, side, side)
        half = side // 2
        images = []
        for number in where:
            share = torch.full((side, side), faint)
            y, x = half * (number // 2), half * (number % 2)
            share[y : y + half, x : x + half] = 1
            images.append(share * stripes)
        return torch.stack(images) + 0.02 * torch.randn(len(where), 3, side, side, generator=draw)

    return make


@pytest.fixture
def asking(measured: Any) -> Callable[..., Asking]:
    """asking(network, pixels, probe, …, maps=, targets=, rivals=, boxes=, trust=, seed=): the methods are
    called p0, p1, …; `maps` takes the place of theirs."""

    def make(
        network: nn.Module,
        pixels: Tensor,
        *probes: Any,
        maps: dict[str, Tensor] | None = None,
        targets: list[int] | None = None,
        rivals: list[int] | None = None,
        boxes: Tensor | None = None,
        seed: int = 0,
        places: list[int] | None = None,
        **trust: Any,
    ) -> Asking:
        done = measured(network, pixels, *probes)
        own = {f"p{n}": torch.from_numpy(done.findings(p)["map"].values) for n, p in enumerate(probes)}
        held = own if maps is None else maps
        side = (pixels.shape[2], pixels.shape[3])
        places = list(range(len(pixels))) if places is None else places
        others = Others(
            max(places) + 1,
            {
                name: {place: Ranked.of(v) for place, v in zip(places, of, strict=True)}
                for name, of in held.items()
            },
            {
                name: {
                    place: unit_ranks(cell_means(v[None], side)[0].double().numpy())
                    for place, v in zip(places, of, strict=True)
                }
                for name, of in held.items()
            },
        )
        batch = Sampled(
            tuple(places),
            pixels,
            torch.tensor(targets or [0] * len(pixels)),
            None if rivals is None else torch.tensor(rivals),
            held,
            torch.zeros(len(pixels), 0, 4, dtype=torch.int64) if boxes is None else boxes,
        )
        engine = replace(done.engine, counted=Counter())
        recipe = TrustRecipe(**{"copies": 2, **trust})
        shown = done.chosen.of_scope("image") if maps is None else ()
        return Asking(engine, done.facts, recipe, seed, shown, batch, others)

    return make
