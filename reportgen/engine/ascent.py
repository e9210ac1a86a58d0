"""Activation maximisation: pictures that drive a class or a channel up, by gradient ascent.

Erhan et al. 2009; Simonyan et al. 2013, sec. 2 (logit, L2 decay); Mahendran & Vedaldi 2015, sec. 3
(total variation); Olah et al. 2017 (jitter, scale, rotation; Fourier spectrum, decorrelated
colours). Units of one climb share their random numbers and are climbed in one batch, so that the
picture of a unit does not depend on its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from typing_extensions import assert_never

from reportgen.engine.feed import ANY, Feed
from reportgen.engine.needs import (
    Ascended,
    Ascent,
    ClassLogit,
    Climb,
    ModelFacts,
    Normalisation,
    Parametrisation,
)
from reportgen.engine.network.layout import TOKENS
from reportgen.engine.network.output import Output
from reportgen.engine.top_images import driven
from reportgen.errors import InputError

LEARNING_RATE = 0.05
START_STD = 0.01  # of the random numbers that a climb begins with: nearly even grey
# brightness, red-blue and green-magenta: the principal axes of natural colours (Ruderman et al.
# 1998), with the standard deviations that the example photographs have along them
AXES = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
AXES_STD = (0.38, 0.14, 0.05)
FOURIER_SIDE = 64  # below this a side has too few frequencies to be worth a spectrum


@dataclass(frozen=True)
class Canvas:
    """What is climbed on: free numbers (U, …), and how they become pictures (U, C, h, w) in [0, 1]."""

    numbers: Tensor
    paint: Callable[[Tensor], Tensor]


def canvas(climb: Climb, units: int, shape: tuple[int, int, int], device: torch.device) -> Canvas:
    """A canvas for `units` pictures of `shape` (C, h, w), all beginning alike."""
    channels, height, width = shape
    generator = torch.Generator().manual_seed(climb.seed)
    if not _spectral(climb.parametrisation, shape):
        first = START_STD * torch.randn(1, channels, height, width, generator=generator)
        return Canvas(first.repeat(units, 1, 1, 1).to(device), torch.sigmoid)
    first = START_STD * torch.randn(1, channels, height, width // 2 + 1, 2, generator=generator)
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = torch.hypot(down, across).clamp(min=1 / max(height, width))  # cycles a pixel
    # the amplitudes of natural images fall with the frequency
    weight = (1 / frequency)[..., None].to(device)  # (h, w//2 + 1, 1)
    mixing = _colours(channels).to(device)  # (C, C)

    def paint(numbers: Tensor) -> Tensor:
        spectrum = torch.view_as_complex(numbers * weight)
        planes = torch.fft.irfft2(spectrum, s=(height, width), norm="ortho")  # (U, C, h, w)
        colours: Tensor = torch.einsum("uahw,ac->uchw", planes, mixing)
        return colours.sigmoid()

    return Canvas(first.repeat(units, 1, 1, 1, 1).to(device), paint)


def _spectral(wish: Parametrisation, shape: tuple[int, int, int]) -> bool:
    """Whether a picture of `shape` (C, h, w) is made of frequencies rather than of pixels."""
    if wish == "auto":
        return shape[0] == 3 and min(shape[1:]) >= FOURIER_SIDE
    if wish == "fourier":
        return True
    if wish == "pixels":
        return False
    assert_never(wish)


def _colours(channels: int) -> Tensor:
    """Axis by channel, (C, C): decorrelated colours for three channels, each by itself for others."""
    if channels != 3:
        return AXES_STD[0] * torch.eye(channels)
    axes = torch.tensor(AXES)
    length = axes.norm(dim=1, keepdim=True)
    mixing: Tensor = axes / length * torch.tensor(AXES_STD)[:, None]
    return mixing


def warped(pictures: Tensor, turn: float, zoom: float, shift: tuple[float, float]) -> Tensor:
    """Pictures (U, C, h, w), turned (radians), magnified and moved (px) about their middle.

    Bilinear, mirrored at the border. Indexed rather than by `grid_sample`, whose gradient on CUDA
    differs from run to run.
    """
    height, width = pictures.shape[-2:]
    y = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32)[None] - (width - 1) / 2
    rows = (math.cos(turn) * y - math.sin(turn) * x) / zoom + (height - 1) / 2 - shift[0]  # (h, w)
    columns = (math.sin(turn) * y + math.cos(turn) * x) / zoom + (width - 1) / 2 - shift[1]
    flat = pictures.flatten(2)  # (U, C, h·w)
    total = torch.zeros_like(flat)
    for row, row_weight in _neighbours(rows, height):
        for column, column_weight in _neighbours(columns, width):
            place = (row * width + column).flatten().to(flat.device)
            weight = (row_weight * column_weight).flatten().to(flat.device)
            total = total + weight * flat.index_select(2, place)
    return total.view_as(pictures)


def _neighbours(places: Tensor, side: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The two pixels about each place along an axis, and their weights."""
    last = side - 1
    places = (last - (last - places.abs()).abs()).clamp(0, last)
    below = places.floor()
    yield below.long(), 1 - (places - below)
    yield (below.long() + 1).clamp(max=last), places - below


def unit_length(gradient: Tensor) -> Tensor:
    """Each unit's gradient (U, C, h, w) at length 1: units of all scales climb alike."""
    length: Tensor = gradient.flatten(1).norm(dim=1).clamp(min=1e-20)
    return gradient / length[:, None, None, None]


def roughness(pictures: Tensor) -> Tensor:
    """The total variation of every picture, (U,), a gradient of about length 1 where it is rough."""
    across, down = pictures.diff(dim=3).abs(), pictures.diff(dim=2).abs()
    return (across.flatten(1).sum(1) + down.flatten(1).sum(1)) / math.sqrt(pictures[0].numel())


@dataclass
class Climber:
    """Carries out ascents on a frozen network. `progress` is told the steps done of all."""

    network: nn.Module
    facts: ModelFacts
    normalisation: Normalisation
    device: torch.device
    batch_size: int
    output: Output = None
    feed: Feed = ANY
    progress: Callable[[int, int], None] = lambda done, total: None
    cost: dict[str, int] = field(default_factory=lambda: {"ascent_forwards": 0, "ascent_backwards": 0})

    def run(self, needs: Sequence[Ascent]) -> dict[Ascent, Ascended]:
        """Every ascent's outcome; those of one climb share their batches."""
        batches: list[list[Ascent]] = []
        for climb in dict.fromkeys(need.climb for need in needs):
            alike = [need for need in needs if need.climb == climb]
            batches += [alike[n : n + self.batch_size] for n in range(0, len(alike), self.batch_size)]
        total = sum(batch[0].climb.steps for batch in batches)
        ascended: dict[Ascent, Ascended] = {}
        done = 0
        for batch in batches:
            ascended |= self._climbed(batch, done, total)
            done += batch[0].climb.steps
        return ascended

    def _climbed(self, needs: list[Ascent], done: int, total: int) -> dict[Ascent, Ascended]:
        """One batch of one climb; `done` of `total` steps lie before it."""
        climb = needs[0].climb
        drawing = canvas(climb, len(needs), self._shape(needs), self.device)
        numbers = drawing.numbers.requires_grad_()
        with torch.no_grad():
            start = self._values(needs, drawing.paint(numbers))
        generator = torch.Generator().manual_seed(climb.seed)
        optimiser = torch.optim.Adam([numbers], lr=LEARNING_RATE)
        for step in range(climb.steps):
            pictures = drawing.paint(numbers)  # (U, C, h, w)
            uphill = self._uphill(needs, pictures, _varied(climb, pictures.shape, generator))
            (numbers.grad,) = torch.autograd.grad(pictures, numbers, -uphill)
            optimiser.step()
            self.progress(done + step + 1, total)
        with torch.no_grad():
            pictures = drawing.paint(numbers)
            reached = self._values(needs, pictures)
        return {
            need: Ascended(picture.cpu(), float(a), float(b))
            for need, picture, a, b in zip(needs, pictures, start, reached, strict=True)
        }

    def _uphill(self, needs: list[Ascent], pictures: Tensor, warp: Callable[[Tensor], Tensor]) -> Tensor:
        """The direction to change pictures in, (U, C, h, w): up, towards the mean, and smoother."""
        climb = needs[0].climb
        leaf = pictures.detach().requires_grad_()
        values = self._values(needs, warp(leaf))
        (up,) = torch.autograd.grad(values.sum(), leaf)
        self.cost["ascent_backwards"] += len(needs)
        # half the square of the normalised picture, the penalty that Simonyan et al. call L2
        energy = self._normalised(leaf).square().flatten(1).sum(1) / 2 / math.sqrt(leaf[0].numel())
        penalty = climb.l2 * energy + climb.total_variation * roughness(leaf)
        (back,) = torch.autograd.grad(penalty.sum(), leaf)
        return unit_length(up) - back

    def _values(self, needs: list[Ascent], pictures: Tensor) -> Tensor:
        """What each unit answers to its own picture, (U,): a logit, or a channel's mean."""
        layers = [need.unit.layer for need in needs if not isinstance(need.unit, ClassLogit)]
        taps = tuple(dict.fromkeys(layers))
        logits, kept = self.feed.ask(self.network, self._normalised(pictures), self.output, taps)
        self.cost["ascent_forwards"] += len(needs)

        def answers(layer: str) -> Tensor:
            return self.facts.as_maps(layer, kept[layer])

        return torch.stack([driven(need.unit, logits, answers)[n] for n, need in enumerate(needs)])

    def _normalised(self, pictures: Tensor) -> Tensor:
        mean = pictures.new_tensor(self.normalisation.mean)[:, None, None]
        std = pictures.new_tensor(self.normalisation.std)[:, None, None]
        return (pictures - mean) / std

    def _shape(self, needs: list[Ascent]) -> tuple[int, int, int]:
        """The shape of the pictures: squares of the climb's side where that is smaller than the
        input and the network takes them, else as large as the input."""
        channels, height, width = self.facts.input_shape
        side = needs[0].climb.side_px
        layers = [need.unit.layer for need in needs if not isinstance(need.unit, ClassLogit)]
        if any(self.facts.layer(name).layout.kind in TOKENS for name in layers):
            return self.facts.input_shape  # the grid of tokens is known for that size
        if side >= min(height, width) or not self._takes((channels, side, side)):
            return self.facts.input_shape
        return (channels, side, side)

    def _takes(self, shape: tuple[int, int, int]) -> bool:
        """Whether the network answers to another size than its own; only trying can tell."""
        try:
            with torch.no_grad():
                self.feed.ask(self.network, torch.zeros(1, *shape, device=self.device), self.output)
        except (RuntimeError, ValueError, AssertionError, InputError):
            return False
        return True


def _varied(climb: Climb, shape: torch.Size, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """The random warp of one step, the same for every unit."""
    coins = (2 * torch.rand(4, generator=generator) - 1).tolist()  # each in (-1, 1)
    turn = math.radians(climb.rotation_deg) * coins[0]
    zoom = (1 + climb.scale) ** coins[1]
    far = climb.jitter * min(shape[-2:])
    shift = (far * coins[2], far * coins[3])
    return lambda pictures: warped(pictures, turn, zoom, shift)
