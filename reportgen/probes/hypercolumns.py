from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from reportgen.engine.needs import Activation, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Picture, Remark, Scalar, Segments, nth
from reportgen.probes import probe

SAMPLE = 12_500  # points that the segments are fitted to; all are then assigned
TRIES = 3
ROUNDS = 25  # Lloyd's rounds: labels of a picture settle well before


Layers: TypeAlias = Annotated[tuple[LayerName, ...], Field(min_length=1)]


@probe("hypercolumns", scope="image", group="inside the network")
class Hypercolumns:
    """Hypercolumns: every pixel described by the layers above it.

    Definition. The chosen layers' maps, resampled to the input and stacked, give each pixel a
    vector. Shown are its mean over all channels, its first three principal components as red,
    green and blue (each layer scaled to the same total variance first), and k-means segments of
    its leading components. Layers given by number count in call order from 1; a list of lists makes
    one description each.

    Reading. Pixels of one colour look alike to the network. Regions that follow the object's parts
    mean that these layers already tell them apart.

    Limits. It shows what can be told apart, not what the answer depends on. Colours and segments
    have no meaning of their own and cannot be compared between images.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which); of several, those named.

    Source. Hariharan et al. 2014, Hypercolumns for Object Segmentation, sec. 3 (arXiv:1411.5752).
    """

    layers: Layers | tuple[Layers, ...] = (1, 4, 7)
    segments: int = Field(default=5, ge=2, le=12)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        every = [need for layers in self._stacks(model) for need in _activations(model, layers)]
        return tuple(dict.fromkeys(every))

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        stacks = self._stacks(tape.model)
        if len(stacks) == 1:
            layers = _in_words(tape.model, stacks[0])
            return (*self._findings(tape, stacks[0], 0, "Hypercolumns"), Remark("layers", layers))
        return tuple(
            finding
            for number, layers in enumerate(stacks)
            for finding in self._findings(tape, layers, number, f"Hypercolumns {number + 1}")
        )

    def _findings(
        self, tape: Tape, layers: tuple[LayerName, ...], number: int, title: str
    ) -> tuple[Finding, ...]:
        """What is shown of one stack of layers; of several, each names its own layers."""
        maps = [tape[need] for need in _activations(tape.model, layers)]  # each (N, C_i, h_i, w_i)
        side = tape.pixels.shape[-2:]
        parts = [self._describe([m[n : n + 1] for m in maps], side) for n in range(len(tape.pixels))]
        mean, pca, labels, share = (torch.stack(column) for column in zip(*parts, strict=True))
        quantity = "mean activation"
        if title != "Hypercolumns":
            quantity = f"mean activation of {_in_words(tape.model, layers)}"
        prefix = f"{nth('pca', number)}-" if number else ""  # of the first, it is known without
        return (
            Heatmap(
                nth("map", number),
                f"{title}, mean",
                mean,
                quantity,
                overlay=False,
            ),
            Picture(nth("pca", number), f"{title}, components", pca, "three components as red, green, blue"),
            Segments(
                nth("segments", number), f"{title}, segments", labels, f"{self.segments} k-means segments"
            ),
            Scalar(f"{prefix}explained-variance", "Variance in three components", 100 * share, "%"),
        )

    def _stacks(self, model: ModelFacts) -> tuple[tuple[LayerName, ...], ...]:
        """The stacks of layers, each less the numbers of a preset that a small network does not reach."""
        several = self.layers if isinstance(self.layers[0], tuple) else (self.layers,)
        spatial = {layer.number for layer in model.leaves() if layer.spatial}
        kept: list[tuple[LayerName, ...]] = []
        for layers in several:
            assert isinstance(layers, tuple)
            kept.append(tuple(x for x in layers if isinstance(x, str) or x in spatial) or layers)
        return tuple(kept)

    def _describe(self, maps: list[Tensor], side: torch.Size) -> tuple[Tensor, ...]:
        """One image's mean (H, W), components (3, H, W), segments (H, W) and explained share."""
        stacks = [resampled(m, side) for m in maps]  # each (C_i, H·W)
        mean = torch.cat(stacks).mean(0).unflatten(0, side)
        if not mean.isfinite().all():  # nothing can be decomposed; the report says so of the mean
            none = torch.full_like(mean, torch.nan)
            return mean, none.expand(3, -1, -1), torch.zeros_like(mean, dtype=torch.int64), none[0, 0]
        scaled = [x / x.var(1).sum().sqrt().clamp(min=1e-12) for x in map(centred, stacks)]
        components, share = principal(torch.cat(scaled), count=8)  # (8, H·W)
        labels = k_means(components, self.segments)
        return mean, as_rgb(components[:3]).unflatten(1, side), labels.unflatten(0, side), share


def _activations(model: ModelFacts, layers: tuple[LayerName, ...]) -> list[Need]:
    return [Activation(model.spatial_layer(name).name) for name in layers]


def _in_words(model: ModelFacts, layers: tuple[LayerName, ...]) -> str:
    """The layers in words, with how many channels they have together."""
    stack = [model.layer(name) for name in layers]
    channels = sum(layer.maps for layer in stack)
    return f"{channels} channels of {', '.join(layer.name for layer in stack)}"


def resampled(maps: Tensor, side: torch.Size) -> Tensor:
    """Maps (1, C, h, w) on the grid `side`, a row a channel: (C, H·W)."""
    return interpolate(maps, tuple(side), mode="bilinear", align_corners=False)[0].flatten(1)


def centred(rows: Tensor) -> Tensor:
    return rows - rows.mean(1, keepdim=True)


def principal(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The leading principal components of centred rows (C, P) as (count, P), and the share of the
    variance that the first three hold. Each sign is fixed so that the largest loading is positive."""
    variances, loadings = torch.linalg.eigh((rows @ rows.T).double())  # ascending
    count = min(count, len(rows))
    loadings = loadings.flip(1)[:, :count]  # (C, count)
    strongest = loadings.gather(0, loadings.abs().argmax(0, keepdim=True))  # (1, count)
    loadings = loadings * torch.where(strongest < 0, -1.0, 1.0)
    components = loadings.T.to(rows.dtype) @ rows
    share = variances.flip(0)[:3].sum() / variances.sum().clamp(min=1e-30)
    missing = max(0, 3 - count)  # a stack of one or two channels still makes a picture
    padded = torch.cat([components, components.new_zeros(missing, rows.shape[1])])
    return padded, share.to(rows.dtype)


def as_rgb(components: Tensor) -> Tensor:
    """Components (3, P) to [0, 1], each over its own 1st to 99th percentile."""
    ends = components.new_tensor([0.01, 0.99])
    low, high = torch.quantile(components, ends, dim=1)  # each (3,)
    spread = (high - low).clamp(min=1e-12)[:, None]
    scaled: Tensor = (components - low[:, None]) / spread
    return scaled.clamp(0, 1)


def k_means(points: Tensor, k: int) -> Tensor:
    """The segment of each of P points (D, P), int64, largest segment first.

    Lloyd 1982 from the starts of Arthur & Vassilvitskii 2007 (k-means++), on at most SAMPLE points;
    the best of three tries. Seeded with a constant: equal points give equal segments.
    """
    points = points.T  # (P, D)
    sample = points[:: max(1, len(points) // SAMPLE)]
    generator = torch.Generator().manual_seed(0)
    tries = [lloyd(sample, starts(sample, k, generator)) for _ in range(TRIES)]
    centres = min(tries, key=lambda c: float(torch.cdist(sample, c).amin(1).square().sum()))
    labels = torch.cdist(points, centres).argmin(1)  # (P,)
    counts = torch.bincount(labels, minlength=k)
    return counts.argsort(descending=True, stable=True).argsort()[labels]


def starts(points: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k of the points (P, D), each drawn by its squared distance from those before it, (k, D)."""
    distances = points.new_ones(len(points))
    chosen: list[Tensor] = []
    while len(chosen) < k:
        # equal points are all as good as any other
        weights = distances.cpu().double().clamp(min=1e-12)
        chosen.append(points[int(torch.multinomial(weights, 1, generator=generator))])
        distances = torch.cdist(points, torch.stack(chosen)).amin(1).square()
    return torch.stack(chosen)


def lloyd(points: Tensor, centres: Tensor) -> Tensor:
    """The centres (k, D) that Lloyd's rounds lead to; one that loses all its points stays."""
    for _ in range(ROUNDS):
        labels = torch.cdist(points, centres).argmin(1)
        counts = torch.bincount(labels, minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        moved = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
