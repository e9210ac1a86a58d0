from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from reportgen.engine.needs import Activation, LayerFacts, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Array, Finding, Flag, NotApplicable, Remark, Scalar, Table, Tally
from reportgen.probes import probe

Share = Annotated[float, Field(gt=0, le=1)]
RECTIFIERS = ("ReLU", "ReLU6")
CEILING = 6.0  # where ReLU6 clips
AT_ONCE = 8  # images: a layer is copied several times over
NEAR_NYQUIST = 0.4  # cycles a place; a grid holds 0.5 at most
SIDE = 8  # a smaller grid has too few frequencies to speak of those near the highest
ENOUGH_PLACES = 100  # a correlation over fewer may be chance
ENOUGH_IMAGES = 100  # over fewer a sound channel may well sleep
# fault: its title, what it is in short, the name of the value that tells it
FAULTS = {
    "not-finite": ("Not finite", "NaN or infinity somewhere", "highest value"),
    "dead": ("Dead", "never above zero", "highest value"),
    "saturated": ("Saturated", "nearly everywhere at the rectifier's ceiling", "share of places"),
    "near-constant": ("Near-constant", "hardly varying beside their layer", "spread / layer's spread"),
    "copies": ("Same as the input", "following the grey input", "r with the input"),
    "duplicates": ("Duplicates", "following another channel of their layer", "r"),
    "aliased": ("Aliased", "most of their energy near the highest frequency", "share of energy"),
}
JUDGED = tuple(fault for fault in FAULTS if fault != "aliased")  # of the layers that `layers` names


@dataclass(frozen=True)
class Health:
    """What one layer's channels were found to have; a fault that cannot be judged there is absent."""

    layer: str
    channels: int
    faults: dict[str, tuple[Array, Array]]  # has it (C,) bool, the value that tells it (C,)
    twins: Array  # (C,) the channel of lower number that each follows most
    share: float | None = None  # of values not above zero, or of energy near the highest frequency

    def count(self, fault: str) -> int | None:
        """How many channels have a fault."""
        return int(self.faults[fault][0].sum()) if fault in self.faults else None


@probe("channel-health", scope="set", group="inside the network")
class ChannelHealth:
    """Channel health: channels that do nothing, or what another does already, over the whole set.

    Definition. Over every place of every image a channel is dead if it never rises above zero;
    else saturated if it stands at the ceiling of a clipped rectifier (6) in more than
    `saturated_share` of places; else near-constant if its standard deviation is below
    `constant_spread` of its layer's (the root of the channels' mean variance). Of the others, one is
    a copy of the input if |r| with the mean of the input's colours, averaged to the layer's grid,
    is above `copy_r`, and a duplicate if |r| with another of lower number is above `duplicate_r`
    (in layers of at most `pairs_up_to` channels). Sparsity is the share of values not above zero.
    A channel of the first two convolutions is aliased if more than `aliased_share` of its spectral
    energy, without the mean and under a Hann window, is above 0.4 cycles a place; a grid holds 0.5.
    `auto` layers are outputs of rectifiers, or of convolutions where no layer is a rectifier: the
    last of every resolution and the first ones, at most `at_most`.

    Reading. Dead and near-constant channels cost time and carry nothing: look for too high a
    learning rate, or preprocessing other than in training. Duplicates and copies can be pruned.
    Aliased channels of early layers show stripes or checks that are not in the image: the layer skips
    more pixels (a large stride) than its filters smooth.

    Limits. It holds for these images: a channel that sleeps on few may wake on others, and two that
    each fire once, at one place, count as duplicates. Dead, saturated and sparse are said only of
    outputs that are rectified, or of convolutions before rectifiers that are no layers. A fine texture
    looks like aliasing; what a stride folds to low frequencies does not. Of a layer that is called
    several times the last call counts. r needs a hundred places, a spectrum a grid of 8 × 8. An image for
    which no channel of a layer is finite is left out there, and counted.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.1,
    fig. 6: dead features, and aliasing from a stride of 4 (arXiv:1311.2901). Saturation: Glorot & Bengio
    2010, Understanding the Difficulty of Training Deep Feedforward Neural Networks, sec. 3. Sparsity:
    Glorot et al. 2011, Deep Sparse Rectifier Neural Networks. Correlated channels: Li et al. 2016,
    Convergent Learning (arXiv:1511.07543).
    """

    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    at_most: PositiveInt = 12
    saturated_share: Share = 0.95
    constant_spread: Share = 1e-3
    copy_r: Share = 0.95
    duplicate_r: Share = 0.99
    pairs_up_to: PositiveInt = 256
    aliased_share: Share = 0.5
    listed: PositiveInt = 5

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        tapped = (*self._layers(model), *first_convolutions(model))
        return tuple(dict.fromkeys(Activation(layer.name) for layer in tapped))

    def measure(self, tape: Tape) -> Tally:
        starts = range(0, len(tape.pixels), AT_ONCE)
        return reduce(Tally.merged, (self._tally(tape, slice(n, n + AT_ONCE)) for n in starts))

    def _tally(self, tape: Tape, part: slice) -> Tally:
        """What is kept of a part of the batch."""
        std = tape.pixels.new_tensor(tape.normalisation.std)
        grey = (tape.pixels[part] * std[:, None, None]).mean(1, keepdim=True)  # (N, 1, H, W), less a constant
        sums: dict[str, Any] = {"images": len(grey)}
        highs, lows = {}, {}
        for layer in self._layers(tape.model):
            a = tape[Activation(layer.name)][part]
            a = a[:, :, None, None] if a.ndim == 2 else a  # (N, C, h, w)
            seen = partly_finite(a)
            rows = a[seen].transpose(0, 1).flatten(1)  # (C, P), every place of every image
            input_row = adaptive_avg_pool2d(grey[seen], (a.shape[2], a.shape[3])).reshape(1, -1)
            highs[layer.name], lows[layer.name] = extremes(rows)
            kept = moments(torch.cat([rows, input_row]), pairs=len(rows) <= self.pairs_up_to)
            kept |= {"zeros": (rows <= 0).sum(1), "full": (rows >= CEILING).sum(1), "left-out": (~seen).sum()}
            sums |= {f"{layer.name}/{key}": value for key, value in kept.items()}
        for layer in first_convolutions(tape.model):
            a = tape[Activation(layer.name)][part]
            seen = partly_finite(a)
            energy, fine = spectrum(a[seen])
            sums |= {f"{layer.name}/energy": energy, f"{layer.name}/fine-energy": fine}
            sums[f"{layer.name}/transformed"] = seen.sum()
        return Tally(sums, highs, lows)

    def conclude(self, tally: Tally, model: ModelFacts) -> tuple[Finding, ...]:
        judged = [self._judged(layer, tally, model) for layer in self._layers(model)]
        spectra = [self._aliased(layer, tally) for layer in first_convolutions(model)]
        images = int(tally.sums["images"])
        tables = [
            counts("layers", "Channels by layer", judged, JUDGED, "sparsity, %"),
            counts("aliasing", "Energy near the highest frequency", spectra, ("aliased",), "energy, %"),
            self._channels([*judged, *spectra]),
        ]
        sparsity = [held.share for held in judged if held.share is not None]
        return (
            Scalar("images", "Images", images),
            *(told for fault in JUDGED for told in verdict(fault, judged, images)),
            *verdict("aliased", spectra, images),
            *([Scalar("sparsity", "Mean sparsity", 100 * np.mean(sparsity), "%")] if sparsity else []),
            *(table for table in tables if table.rows),
            *unjudged(judged),
            *left_out(tally, images),
        )

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        """The layers that are judged, each with channels: (C, h, w), or (C,)."""
        if self.layers != "auto":
            found = [model.layer(name) for name in self.layers]
            if bad := [x.name for x in found if x.map_shape is None]:
                raise NotApplicable(f"no channels in the output of {', '.join(bad)}")
            return list(dict.fromkeys(found))
        found = [x for x in rectifiers(model) if x.map_shape is not None] or wrapped(model)
        if not found:
            raise NotApplicable("the model has no layer that rectifies and no convolution")
        last_of = {layer.map_shape[1:]: layer for layer in found if layer.map_shape}
        chosen = list(dict.fromkeys([*last_of.values(), *found]))[: self.at_most]
        return sorted(chosen, key=lambda layer: layer.finished)

    def _judged(self, layer: LayerFacts, tally: Tally, model: ModelFacts) -> Health:
        """A layer's channels, in the order of the definition."""
        own = f"{layer.name}/"
        sums = {key.removeprefix(own): held for key, held in tally.sums.items() if key.startswith(own)}
        high, low, places = tally.highs[layer.name], tally.lows[layer.name], float(sums["places"])
        std, by_input, between = correlations(sums)
        finite = np.isfinite(high) & np.isfinite(low)
        faults = {"not-finite": (~finite, high)}
        sound = finite
        if rectified := bool((low[finite] >= 0).all()) or rectified_later(layer, model):
            faults["dead"] = (sound & (high <= 0), high)
            sound = sound & (high > 0)
        if rectified and high[finite].max(initial=0) == CEILING:  # no other rectifier's values end there
            full = sums["full"] / max(places, 1)
            faults["saturated"] = (sound & (full > self.saturated_share), full)
            sound = sound & (full <= self.saturated_share)
        layers_std = float(np.sqrt(np.mean(std[finite] ** 2))) if finite.any() else 0.0
        spread = std / layers_std if layers_std else np.ones_like(std)
        faults["near-constant"] = (sound & (spread < self.constant_spread), spread)
        sound = sound & (spread >= self.constant_spread)
        twins = np.zeros(len(high), int)
        if places >= ENOUGH_PLACES:
            faults["copies"] = (sound & (np.abs(by_input) > self.copy_r), by_input)
        if places >= ENOUGH_PLACES and between is not None:
            lower = np.tril(np.where(np.outer(sound, sound), between, 0), -1)  # (C, C)
            twins = np.abs(lower).argmax(1)
            nearest = lower[np.arange(len(twins)), twins]
            faults["duplicates"] = (np.abs(nearest) > self.duplicate_r, nearest)
        share = float(sums["zeros"].sum() / places / len(high)) if rectified and places else None
        return Health(layer.name, len(high), faults, twins, share)

    def _aliased(self, layer: LayerFacts, tally: Tally) -> Health:
        energy, fine = tally.sums[f"{layer.name}/energy"], tally.sums[f"{layer.name}/fine-energy"]
        known = np.isfinite(energy) & (tally.sums[f"{layer.name}/transformed"] > 0)
        if not known.any():
            return Health(layer.name, len(energy), {}, np.zeros(0), None)
        varies = known & (energy > self.constant_spread**2 * energy[known].mean())
        share = scaled(np.where(varies, fine, 0), energy)  # (C,)
        faults = {"aliased": (share > self.aliased_share, share)}
        return Health(layer.name, len(share), faults, np.zeros(0), float(share[known].mean()))

    def _channels(self, judged: Sequence[Health]) -> Table:
        """The channels that were found, at most `listed` of a layer and fault."""
        rows = []
        for held in judged:
            for fault, (has, value) in held.faults.items():
                title, _, what = FAULTS[fault]
                for channel in np.flatnonzero(has)[: self.listed].tolist():
                    measured = float(value[channel]) if np.isfinite(value[channel]) else None
                    with_ = f" with {held.twins[channel]}" if fault == "duplicates" else ""
                    rows.append((held.layer, channel, title.lower(), measured, what + with_))
        title = f"Channels that were found, at most {self.listed} of a layer and fault"
        return Table("channels", title, ("layer", "channel", "fault", "value", "what it is"), tuple(rows))


def rectifiers(model: ModelFacts) -> list[LayerFacts]:
    """Every layer that is a rectifier, in call order."""
    return [x for x in model.leaves() if x.type in RECTIFIERS]


def convolutions(model: ModelFacts) -> list[LayerFacts]:
    """Every two-dimensional convolution whose output is maps, in call order."""
    return [x for x in model.leaves() if x.weight_shape and len(x.weight_shape) == 4 and x.spatial]


def first_convolutions(model: ModelFacts) -> list[LayerFacts]:
    """Of the first two convolutions those whose grid is fine enough for a spectrum."""
    return [x for x in convolutions(model)[:2] if min(x.layout.grid) >= SIDE]


def wrapped(model: ModelFacts) -> list[LayerFacts]:
    """Every convolution, or the module around it that holds no other: what is done there to its output,
    a normalisation or a functional rectifier, is done by then."""
    found = convolutions(model)
    around = {x.name: x for x in model.layers if x.spatial}
    parents = [around.get(x.name.rpartition(".")[0], x) for x in found]
    holds = [sum(x.name.startswith(f"{parent.name}.") for x in found) for parent in parents]
    return [parent if n == 1 else x for x, parent, n in zip(found, parents, holds, strict=True)]


def rectified_later(layer: LayerFacts, model: ModelFacts) -> bool:
    """Whether it is a convolution in a network whose rectifiers are all functional."""
    return model.rectifiers > 0 and not rectifiers(model) and layer in convolutions(model)


def partly_finite(a: Tensor) -> Tensor:
    """Which images of a layer's output (N, C, …) have a channel that is finite throughout, bool (N,).

    An image of which nothing is finite says nothing of a channel: it would make all of them unknown.
    """
    return a.flatten(2).isfinite().all(2).any(1)


def extremes(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest and the smallest value of each row (R, P); -inf and inf where there is no place."""
    if rows.shape[1]:
        return rows.amax(1), rows.amin(1)
    nothing = rows.new_full((len(rows),), torch.inf)
    return -nothing, nothing


def moments(rows: Tensor, pairs: bool) -> dict[str, Tensor]:
    """First and second moments of rows (R, P) over P places, the last row being the input's.

    They are taken about the batch's mean, where single precision is enough, and moved to zero in
    double precision, where they add up.
    """
    count = rows.shape[1]
    mean = (rows.mean(1) if count else rows.sum(1)).double()  # (R,)
    centred = rows - mean.to(rows.dtype)[:, None]
    found = {
        "places": torch.tensor(count),
        "total": count * mean,
        "square": centred.square().sum(1).double() + count * mean.square(),
        "input": (centred @ centred[-1]).double() + count * mean * mean[-1],
    }
    if pairs:
        cross = (centred @ centred.T).double() + count * mean.outer(mean)  # (R, R)
        upper = torch.triu_indices(len(rows), len(rows), device=rows.device)
        found["pairs"] = cross[upper[0], upper[1]]  # half of a symmetric matrix
    return found


def correlations(sums: dict[str, Array]) -> tuple[Array, Array, Array | None]:
    """From summed `moments` of C channels and the input: the channels' standard deviation (C,), r with
    the input (C,), r between channels (C, C) or None. r is 0 where either does not vary."""
    places = max(float(sums["places"]), 1)  # of a layer that is nowhere finite there are none
    mean = sums["total"] / places
    std = np.sqrt(np.maximum(sums["square"] / places - mean**2, 0))
    by_input = scaled(sums["input"] / places - mean * mean[-1], std * std[-1])
    if "pairs" not in sums:
        return std[:-1], by_input[:-1], None
    half = np.zeros((len(mean), len(mean)))
    half[np.triu_indices(len(mean))] = sums["pairs"]
    cross = half + np.triu(half, 1).T
    between = scaled(cross / places - np.outer(mean, mean), np.outer(std, std))
    return std[:-1], by_input[:-1], between[:-1, :-1]


def scaled(covariance: Array, spread: Array) -> Array:
    """Covariances over products of spreads; 0 where those are none, or not finite."""
    usable = np.isfinite(covariance) & np.isfinite(spread) & (spread > 0)
    found: Array = np.divide(covariance, spread, out=np.zeros_like(covariance), where=usable)
    return found


def spectrum(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The energy of each channel of maps (N, C, h, w) but for the mean, and that above NEAR_NYQUIST
    along either axis, summed over images: (C,) and (C,). The window keeps the maps' borders, which
    do not meet, out of the spectrum."""
    if not len(maps):
        nothing = maps.new_zeros(maps.shape[1], dtype=torch.float64)
        return nothing, nothing
    height, width = maps.shape[2:]
    window = torch.outer(
        torch.hann_window(height, periodic=False, device=maps.device),
        torch.hann_window(width, periodic=False, device=maps.device),
    )
    centred = maps - (maps * window).sum((2, 3), keepdim=True) / window.sum()
    rounding = 1e-6 * maps.abs().amax((2, 3), keepdim=True)  # all that is left of a constant map
    centred = torch.where(centred.abs() > rounding, centred, 0)
    halves = torch.view_as_real(torch.fft.rfft2(centred * window))  # (N, C, h, w//2 + 1, 2)
    power = halves.square().sum((0, -1)).double()  # (C, h, w//2 + 1)
    down = torch.fft.fftfreq(height, device=maps.device).abs()[:, None]
    across = torch.fft.rfftfreq(width, device=maps.device)[None]
    power *= torch.where((across == 0) | (across == 0.5), 1, 2)  # the others stand for two, +f and -f
    return power.sum((1, 2)), power[:, torch.maximum(down, across) > NEAR_NYQUIST].sum(1)


def counts(name: str, title: str, judged: Sequence[Health], faults: Sequence[str], share: str) -> Table:
    """A row a layer: how many of its channels have each fault that any row is judged for, and its share."""
    shown = [fault for fault in faults if any(fault in held.faults for held in judged)]
    if not any(held.count("not-finite") for held in judged):
        shown = [fault for fault in shown if fault != "not-finite"]
    columns = ("layer", "channels", *(FAULTS[fault][0].lower() for fault in shown), share)
    rows = tuple(
        (held.layer, held.channels, *map(held.count, shown), None if held.share is None else 100 * held.share)
        for held in judged
    )
    return Table(name, title, columns, rows)


def unjudged(judged: Sequence[Health]) -> tuple[Finding, ...]:
    """The faults that no layer could be judged for."""
    absent = [FAULTS[fault][0] for fault in JUDGED if all(fault not in held.faults for held in judged)]
    return (Remark("judged", f"Cannot be judged here: {', '.join(absent).lower()}."),) if absent else ()


def left_out(tally: Tally, images: int) -> tuple[Finding, ...]:
    """A sentence on the images that a layer could not be judged by; nothing where there are none."""
    counts = {name: int(n) for name, n in tally.sums.items() if name.endswith("/left-out")}
    worst = max(counts, key=lambda name: counts[name], default="")
    if not worst or not counts[worst]:
        return ()
    text = (
        f"Left out: {counts[worst]:,} of {images:,} images, for which no channel of"
        f" {worst.removesuffix('/left-out')} is finite (NaN or infinite)"
    )
    return (Flag("left-out", text, True, "bad"),)


def verdict(fault: str, judged: Sequence[Health], images: int) -> tuple[Finding, ...]:
    """How many channels have a fault, and a sentence where any has; nothing where none was judged."""
    found = [held for held in judged if held.count(fault) is not None]
    total = sum(held.count(fault) or 0 for held in found)
    if not found or (fault == "not-finite" and not total):
        return ()
    title, means, _ = FAULTS[fault]
    number = Scalar(fault, title, total)
    if not total:
        return (number,)
    worst = max(found, key=lambda held: (held.count(fault) or 0) / held.channels)
    several = sum(bool(held.count(fault)) for held in found) > 1
    text = (
        f"{title}, {means}: {total:,} of {sum(held.channels for held in found):,} channels over these"
        f" {images:,} images, {'most of all' if several else 'all'} in {worst.layer}"
        f" ({worst.count(fault)} of {worst.channels})"
    )
    level: Literal["note", "warn", "bad"] = "warn" if images >= ENOUGH_IMAGES else "note"
    return (number, Flag(f"{fault}-found", text, True, "bad" if fault == "not-finite" else level))
