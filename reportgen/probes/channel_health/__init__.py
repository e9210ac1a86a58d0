"""The probe of channel health: its options, its layers, and what it decides of every channel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch.nn.functional import adaptive_avg_pool2d

from reportgen.engine.needs import Activation, LayerFacts, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, NotApplicable, Scalar, Tally
from reportgen.probes import probe
from reportgen.probes.channel_health.faults import (
    JUDGED,
    Health,
    counts,
    left_out,
    listing,
    unjudged,
    verdict,
)
from reportgen.probes.channel_health.layers import (
    first_convolutions,
    linear,
    rectified_later,
    rectifiers,
    wrapped,
)
from reportgen.probes.channel_health.moments import (
    correlations,
    highest_and_lowest,
    moments,
    partly_finite,
    scaled,
    spectrum,
)

Share = Annotated[float, Field(gt=0, le=1)]
CEILING = 6.0  # where ReLU6 clips
AT_ONCE = 8  # images: several tensors as large as a layer's output are made of them
ENOUGH_PLACES = 100  # a correlation over fewer may be chance


@probe("channel-health", scope="set", group="inside the network", compare="beside")
class ChannelHealth:
    """Channel health: channels that do nothing, or what another does already, over the whole set.

    Definition. Over every place of every image a channel is dead if it never rises above zero;
    else saturated if it stands at the ceiling of a clipped rectifier (6) in more than
    `saturated_share` of places; else near-constant if its standard deviation is below
    `constant_spread` of its layer's (the root of the channels' mean variance). Of the others, one
    repeats the input if |r| with the mean of the input's colours, averaged to the layer's grid,
    is above `copy_r`, and a duplicate if |r| with another of lower number is above `duplicate_r`
    (in layers of at most `pairs_up_to` channels). Sparsity is the share of values not above zero.
    A channel of the first two convolutions is aliased if more than `aliased_share` of its spectral
    energy, without the mean and under a Hann window, is above 0.4 cycles a place; a grid holds 0.5.
    `auto` layers are outputs of rectifiers, or of convolutions and of linear layers over places where no
    layer is a rectifier: the last of every resolution and the first ones, at most `at_most`.

    Reading. Dead and near-constant channels cost time and carry nothing: look for too high a
    learning rate, or preprocessing other than in training. Duplicates can be pruned, and so can channels
    that repeat the input. Aliased channels of early layers show stripes or checks that are not in the
    image: the layer skips more pixels (a large stride) than its filters smooth.

    Limits. It holds for these images: a channel that sleeps on few may wake on others, and two that
    each fire once, at one place, count as duplicates. Dead, saturated and sparse are said only of
    outputs that are rectified, or of convolutions before rectifiers that are no layers. A fine texture
    looks like aliasing; what a stride folds to low frequencies does not. Of a layer that is called
    several times the last call counts. r needs a hundred places, a spectrum a grid of 8 × 8. An image for
    which no channel of a layer is finite is left out there, and counted.

    Needs. A layer that rectifies, or a convolution.

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
            highs[layer.name], lows[layer.name] = highest_and_lowest(rows)
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
            listing([*judged, *spectra], self.listed),
        ]
        sparsity = [health.share for health in judged if health.share is not None]
        return (
            Scalar("images", "Images", images),
            *(finding for fault in JUDGED for finding in verdict(fault, judged, images)),
            *verdict("aliased", spectra, images),
            *([Scalar("sparsity", "Mean sparsity", 100 * np.mean(sparsity), "%")] if sparsity else []),
            *(table for table in tables if table.rows),
            *unjudged(judged),
            *left_out(tally, images),
        )

    def _layers(self, model: ModelFacts) -> list[LayerFacts]:
        """The layers that are judged, each with channels: (C, h, w), or (C,)."""
        if self.layers != "auto":
            named = [model.layer(name) for name in self.layers]
            if bad := [x.name for x in named if x.map_shape is None]:
                raise NotApplicable(f"no channels in the output of {', '.join(bad)}")
            return list(dict.fromkeys(named))
        candidates = [x for x in rectifiers(model) if x.map_shape is not None] or [
            *wrapped(model),
            *linear(model),
        ]
        if not candidates:
            raise NotApplicable("the model has no layer that rectifies and no convolution")
        last_of = {layer.map_shape[1:]: layer for layer in candidates if layer.map_shape}
        chosen = list(dict.fromkeys([*last_of.values(), *candidates]))[: self.at_most]
        return sorted(chosen, key=lambda layer: layer.finished)

    def _judged(self, layer: LayerFacts, tally: Tally, model: ModelFacts) -> Health:
        """A layer's channels, in the order of the definition."""
        own = f"{layer.name}/"
        sums = {key.removeprefix(own): value for key, value in tally.sums.items() if key.startswith(own)}
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
