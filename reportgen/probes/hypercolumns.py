from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, TypeAlias

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate, one_hot, pad

from reportgen.engine.needs import Activation, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Picture, Remark, Scalar, Segments, nth
from reportgen.probes import probe

COMPONENTS = 8  # that the segments are told apart by
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
        mean = mean_map(maps, side)  # (N, H, W)
        # nothing is decomposed of what is not finite; the report says so of the mean
        sound = torch.stack([x.flatten(1).isfinite().all(1) for x in (mean, *maps)]).all(0)  # (N,)
        pca, share = mean[:, None].repeat(1, 3, 1, 1) * torch.nan, mean.new_full((len(mean),), torch.nan)
        labels = torch.zeros_like(mean, dtype=torch.int64)
        if sound.any():
            components, share[sound] = principal([m[sound] for m in maps], side, COMPONENTS)
            pca[sound] = torch.stack([as_rgb(c[:3]) for c in components.flatten(2)]).unflatten(2, side)
            labels[sound] = k_means(components.flatten(2), self.segments).unflatten(1, side)
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


def _activations(model: ModelFacts, layers: tuple[LayerName, ...]) -> list[Need]:
    return [Activation(model.spatial_layer(name).name) for name in layers]


def _in_words(model: ModelFacts, layers: tuple[LayerName, ...]) -> str:
    """The layers in words, with how many channels they have together."""
    stack = [model.layer(name) for name in layers]
    channels = sum(layer.maps for layer in stack)
    return f"{channels} channels of {', '.join(layer.name for layer in stack)}"


def resampled(maps: Tensor, side: torch.Size) -> Tensor:
    """Maps (N, C, h, w) on the grid `side`, (N, C, H, W)."""
    on_grid: Tensor = interpolate(maps, tuple(side), mode="bilinear", align_corners=False)
    return on_grid


def mean_map(maps: Sequence[Tensor], side: torch.Size) -> Tensor:
    """The mean over the channels of all maps, each (N, C_i, h_i, w_i), on the grid `side`, (N, H, W)."""
    # resampling is linear: one map a layer is resampled, and not every channel's
    sums = [resampled(m.sum(1, keepdim=True), side) for m in maps]
    return torch.stack(sums).sum(0)[:, 0] / sum(m.shape[1] for m in maps)


def principal(maps: Sequence[Tensor], side: torch.Size, count: int) -> tuple[Tensor, Tensor]:
    """The leading principal components of N images' channels on the grid `side`, each layer scaled to the
    same total variance, (N, count, H, W), and the share of the variance that the first three hold, (N,).

    Each sign is fixed so that the largest loading is positive. Of fewer channels than `count` there are as
    many components, and at least three, of which the last are zero.
    """
    maps, covariance = _covariance(maps, side)
    variances, loadings = torch.linalg.eigh(covariance.double())  # ascending
    count = min(count, covariance.shape[1])
    loadings = loadings.flip(2)[:, :, :count]  # (N, C, count)
    strongest = loadings.gather(1, loadings.abs().argmax(1, keepdim=True))  # (N, 1, count)
    loadings = (loadings * torch.where(strongest < 0, -1.0, 1.0)).to(maps[0].dtype)
    own = loadings.split([m.shape[1] for m in maps], 1)
    parts = [torch.einsum("nck,nchw->nkhw", w, m) for w, m in zip(own, maps, strict=True)]
    components = torch.stack([resampled(part, side) for part in parts]).sum(0)
    share = variances.flip(1)[:, :3].sum(1) / variances.sum(1).clamp(min=1e-30)
    missing = max(0, 3 - count)  # a stack of one or two channels still makes a picture
    return pad(components, (0, 0, 0, 0, 0, missing)), share.to(components.dtype)


def _covariance(maps: Sequence[Tensor], side: torch.Size) -> tuple[list[Tensor], Tensor]:
    """The maps, centred and each layer scaled to a total variance of 1, as they are on the grid; and the
    products of all their channels, summed over its places, (N, C, C)."""
    ramps = [(_ramp(m, 2, side), _ramp(m, 3, side)) for m in maps]
    maps = [_centred(m, *own) for m, own in zip(maps, ramps, strict=True)]
    products = [_products(m, m, own, own) for m, own in zip(maps, ramps, strict=True)]
    places = side[0] * side[1]
    variance = [p.diagonal(dim1=1, dim2=2).sum(1) / (places - 1) for p in products]  # each (N,)
    scales = [v.sqrt().clamp(min=1e-12)[:, None, None] for v in variance]
    maps = [m / scale[..., None] for m, scale in zip(maps, scales, strict=True)]
    blocks = {(i, i): own / scale**2 for i, (own, scale) in enumerate(zip(products, scales, strict=True))}
    for i, j in combinations(range(len(maps)), 2):
        block = _products(maps[i], maps[j], ramps[i], ramps[j])
        blocks |= {(i, j): block, (j, i): block.transpose(1, 2)}
    order = range(len(maps))
    covariance = torch.cat([torch.cat([blocks[i, j] for j in order], 2) for i in order], 1)  # (N, C, C)
    return maps, covariance


def _ramp(maps: Tensor, axis: int, side: torch.Size) -> Tensor:
    """What resampling along one axis of maps (N, C, h, w) comes to: their places to those of the grid,
    (h, H). A resampled map is the product of it, of rows and of columns."""
    unit = torch.eye(maps.shape[axis], dtype=maps.dtype, device=maps.device)
    ramp: Tensor = interpolate(unit[None], side[axis - 2], mode="linear", align_corners=False)[0]
    return ramp


def _centred(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Maps less the mean of what they are on the grid: what a place of the grid is made of sums to 1."""
    return maps - torch.einsum("nchw,h,w->nc", maps, rows.mean(1), columns.mean(1))[:, :, None, None]


def _products(
    one: Tensor, other: Tensor, ramps: tuple[Tensor, Tensor], others: tuple[Tensor, Tensor]
) -> Tensor:
    """The products of every two channels of maps (N, C, h, w) and (N, K, i, j), as they are on the grid,
    summed over its places, (N, C, K). Neither is resampled: channels are many, and a grid is large."""
    rows, columns = ((a @ b.T) for a, b in zip(ramps, others, strict=True))  # (h, i) and (w, j)
    seen = torch.einsum("nchj,hi->ncij", one @ columns, rows)  # (N, C, i, j)
    return seen.flatten(2) @ other.flatten(2).transpose(1, 2)


def as_rgb(components: Tensor) -> Tensor:
    """Components (3, P) to [0, 1], each over its own 1st to 99th percentile."""
    ends = components.new_tensor([0.01, 0.99])
    low, high = torch.quantile(components, ends, dim=1)  # each (3,)
    spread = (high - low).clamp(min=1e-12)[:, None]
    scaled: Tensor = (components - low[:, None]) / spread
    return scaled.clamp(0, 1)


def k_means(points: Tensor, k: int) -> Tensor:
    """The segment of each of P points of N images (N, D, P), int64 (N, P), largest segment first.

    Lloyd 1982 from the starts of Arthur & Vassilvitskii 2007 (k-means++), on at most SAMPLE points of an
    image; the best of three tries. Seeded with a constant: equal points give equal segments.
    """
    step = max(1, points.shape[2] // SAMPLE)
    sample = points[:, :, ::step].contiguous()
    centres = lloyd(sample, starts(sample, k))  # (N, TRIES, k, D)
    best = _scores(sample, centres).amin(2).sum(2, dtype=torch.float64).argmin(1)  # (N,)
    chosen = centres[torch.arange(len(points), device=points.device), best]  # (N, k, D)
    labels = _scores(points, chosen[:, None]).min(2).indices[:, 0]  # (N, P)
    counts = one_hot(labels, k).sum(1)  # (N, k)
    places = counts.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return places.gather(1, labels)


def _scores(points: Tensor, centres: Tensor) -> Tensor:
    """How far points (N, D, P) are from centres (N, T, k, D), (N, T, k, P): the squared distance less the
    point's own square, which says nothing of which centre is nearest."""
    own = centres.square().sum(3).flatten(1)[:, :, None]  # (N, T·k, 1)
    every = torch.baddbmm(own, centres.flatten(1, 2), points, alpha=-2)  # (N, T·k, P)
    return every.view(*centres.shape[:3], -1)


def starts(points: Tensor, k: int) -> Tensor:
    """For each try k of the points (N, D, P), each drawn by its squared distance from those before it,
    (N, TRIES, k, D). Every image has the same chances."""
    generator = torch.Generator().manual_seed(0)
    chances = torch.empty(TRIES, k, points.shape[2], dtype=torch.float64).exponential_(generator=generator)
    chances = chances.to(points.device)
    distances = points.new_ones(len(points), TRIES, points.shape[2])
    chosen: list[Tensor] = []
    for number in range(k):
        # the place of the highest weight/exponential is drawn by its weight; equal points are all as good
        weights = distances.double().clamp(min=1e-12)
        drawn = (weights / chances[:, number]).max(2).indices  # (N, TRIES)
        at = drawn[:, None].expand(-1, points.shape[1], -1)  # (N, D, TRIES)
        chosen.append(points.gather(2, at).transpose(1, 2))
        away = points[:, None] - chosen[-1][..., None]  # (N, TRIES, D, P)
        nearest = away.square().sum(2)
        distances = torch.minimum(distances, nearest) if number else nearest
    return torch.stack(chosen, 2)


def lloyd(points: Tensor, centres: Tensor) -> Tensor:
    """The centres that Lloyd's rounds lead to on points (N, D, P), given those to begin with
    (N, TRIES, k, D); one that loses all its points stays."""
    k = centres.shape[2]
    for _ in range(ROUNDS):
        nearest = _scores(points, centres).min(2).indices  # (N, TRIES, P)
        belongs = nearest[:, :, None] == torch.arange(k, device=points.device)[:, None]
        belongs = belongs.to(points.dtype)  # (N, TRIES, k, P); numbers are summed faster than truths
        sums = belongs.flatten(1, 2) @ points.transpose(1, 2)  # (N, TRIES·k, D)
        counts = belongs.sum(3)[..., None]  # (N, TRIES, k, 1)
        moved = torch.where(counts > 0, sums.view_as(centres) / counts.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
