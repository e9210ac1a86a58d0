from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from reportgen.engine.needs import (
    RULES,
    Bench,
    LayerFacts,
    LayerName,
    ModelFacts,
    Need,
    Projected,
    Projections,
    TopImages,
    channel_of,
    rule_of,
)
from reportgen.findings import Array, Finding, Flag, Gallery, Remark, Scalar, Table
from reportgen.probes import probe

AT_MOST = 4  # layers that `auto` chooses


@probe("top-patches", scope="model", group="inside the network")
class TopPatches:
    """Top patches: what single channels look for, shown by the images that excite them most.

    Definition. Over the whole set, the images in which a channel reaches its highest values, one
    place an image, strongest first. Left, the part of the image that this one value can see (its
    receptive field, moved inward at the border). Right, the value alone projected back to the pixels, all
    others of the layer being zero: by the deconvnet's rule, through the recorded pooling switches; by
    guided backpropagation where the network has no max-pooling; by the plain gradient where it has
    rectifiers without a rule. Images that do not drive the channel above zero are left out. `auto`
    takes the last layer with rectified maps of up to four resolutions (before the rectifier where that
    one is clipped), and channels evenly spaced among those that some image excites, so that none is
    picked for its looks.

    Reading. What the nine patches have in common is what the channel looks for; the projections show
    which strokes of each patch it was. Early channels find edges and colours, later ones parts.

    Limits. The strongest images are not the only ones: a channel may also answer weakly to quite
    other things, and a small set has only its own nine. In deep layers a value can see the whole
    image although it uses a small part of it, which the projection outlines.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which), with a receptive field that is known.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 2.1 and
    fig. 2 (arXiv:1311.2901).
    """

    layers: Literal["auto"] | tuple[LayerName, ...] = "auto"
    channels: PositiveInt | tuple[NonNegativeInt, ...] = 4
    strongest: int = Field(default=9, ge=1, le=64)
    rule: Literal["auto", "deconv", "guided", "exact"] = "auto"
    side_px: int = Field(default=96, ge=8, le=512)

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return tuple(self._projected(layer, model) for layer in self._layers(model))

    def measure(self, tape: Bench) -> tuple[Finding, ...]:
        findings: list[Finding] = []
        rows: list[tuple[object, ...]] = []
        silent: list[str] = []
        for layer in self._layers(tape.model):
            need = self._projected(layer, tape.model)
            measured = tape[need]
            for n, channel in enumerate(measured.channels):
                rows.append(_row(layer, channel, n, measured))
                findings.append(_strongest(layer, channel, n, measured))
                if measured.ranking.excited[n].any():
                    findings += self._galleries(layer, channel, n, measured)
                else:
                    silent.append(f"channel {channel} of {layer.name}")
            if not measured.channels:
                silent.append(f"any channel of {layer.name}")
        columns = ("layer", "channel", "highest", "lowest shown", "images, strongest first", "sees, px")
        titled = Table("strongest", "The strongest images of each channel", columns, tuple(rows))
        text = f"No image of the set drives {', or '.join(silent) or 'it'} above zero."
        words = RULES[rule_of(self.rule, tape.model)]
        return (
            *findings,
            titled,
            Flag("silent", text, bool(silent)),
            Remark("rule", f"Projected by {words}; each projection over its own range, grey is 0."),
        )

    def _galleries(
        self, layer: LayerFacts, channel: int, n: int, measured: Projections
    ) -> tuple[Gallery, Gallery]:
        """The patches of one channel and their projections, both of k tiles in colour."""
        there = measured.ranking.excited[n]
        numbers = measured.ranking.numbers[n][there]
        name, title = f"{layer.name}-{channel}", f"{layer.name}, channel {channel}"
        columns = int(np.ceil(np.sqrt(self.strongest)))
        patches = coloured(measured.patches[n][there])
        back = coloured(measured.projections[n][there])
        shared: dict[str, Any] = {"columns": columns, "counted": "images"}
        return (
            Gallery(f"{name}-patches", title, patches, numbers, "patches", scale="unit", **shared),
            Gallery(f"{name}-projections", title, back, numbers, "projected back", signed=True, **shared),
        )

    def _projected(self, layer: LayerFacts, model: ModelFacts) -> Projected:
        if isinstance(self.channels, tuple):
            wished: int | tuple[int, ...] = tuple(channel_of(layer, c) for c in self.channels)
        else:
            wished = self.channels
        ranks = TopImages(layer.name, self.strongest)
        return Projected(ranks, wished, rule_of(self.rule, model), self.side_px)

    def _layers(self, model: ModelFacts) -> tuple[LayerFacts, ...]:
        if self.layers == "auto":
            return model.landmarks(AT_MOST)
        return model.spatial_layers(self.layers)


def coloured(tiles: Array) -> Array:
    """Tiles (k, C, h, w) in three colours: (k, 3, h, w); other than three channels become grey."""
    if tiles.shape[1] == 3:
        return tiles
    return np.repeat(tiles.mean(1, keepdims=True), 3, axis=1)


def _row(layer: LayerFacts, channel: int, n: int, measured: Projections) -> tuple[object, ...]:
    there = measured.ranking.excited[n]
    values = measured.ranking.values[n][there]
    images = ", ".join(f"{number:06d}" for number in measured.ranking.numbers[n][there].tolist())
    top, left, bottom, right = (measured.boxes[n][there][0] if there.any() else np.zeros(4)).tolist()
    ends = (float(values[0]), float(values[-1])) if there.any() else (None, None)
    return (layer.name, channel, *ends, images, f"{bottom - top:.0f}×{right - left:.0f}")


def _strongest(layer: LayerFacts, channel: int, n: int, measured: Projections) -> Scalar:
    """The highest value of a channel over the set; -inf where no image has one."""
    name = f"{layer.name}-{channel}-highest"
    value = measured.ranking.values[n, 0]
    return Scalar(name, f"Highest value of {layer.name}, channel {channel}", value, printed=False)
