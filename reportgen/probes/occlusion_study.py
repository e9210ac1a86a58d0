from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from reportgen.engine.needs import (
    AUTO,
    RULES,
    Activation,
    Baseline,
    LayerFacts,
    LayerName,
    Logits,
    ModelFacts,
    Need,
    NeighboursByChannel,
    Occluded,
    Reference,
    Responses,
    Scores,
    Tape,
    answers,
    rule_of,
)
from reportgen.findings import (
    Array,
    ClassMap,
    Finding,
    Gallery,
    Heatmap,
    NotApplicable,
    Picture,
    Remark,
    Scalar,
)
from reportgen.probes import probe

HERE = "while the window is here"


@probe("occlusion-study", scope="image", group="perturbations")
class OcclusionStudy:
    """Occlusion study: does the network look at the object, and which of its maps sees it there?

    Definition. A square window is moved over the image. Five panels: the image where the window lowers
    the probability of the class most (the label's, or the predicted one's without a label); by the
    window's position the sum of one map of a layer, the map that the whole image drives furthest; what
    the highest value of this map is made of, projected back to the pixels, beside the same for the images
    of the set that drive the map furthest; the probability of the class, and the most probable class,
    by position. `auto` is the last layer with rectified maps. The windows are those of `occlusion`
    where the options are, and are scored once.

    Reading. Where the probability and the map fall at the same places, and these are on the object,
    the answer rests on the object and this map carries it. Compare the projections: what they have in
    common with those of other images is what the map stands for.

    Limits. One map of many is followed, the strongest, which need not be the one that the answer
    rests on most. The window's size sets what can be found, and a grey square is itself unusual.

    Needs. A layer whose output is places, and max-pooling or rectifiers where its projection is to be
    more than a gradient.

    Source. Zeiler & Fergus 2013, Visualizing and Understanding Convolutional Networks, sec. 4.2 and
    fig. 7 (arXiv:1311.2901).
    """

    layer: LayerName = AUTO
    window_px: PositiveInt | Literal["auto"] = "auto"
    stride_px: PositiveInt | Literal["auto"] = "auto"
    baseline: Baseline = "grey"
    others: int = Field(default=3, ge=1, le=15)
    rule: Literal["auto", "deconv", "guided", "exact"] = "auto"

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        if not model.head.probable:
            raise NotApplicable("the network gives values, and nothing is a class")
        layer, windows = self._layer(model), self._windows(model)
        sums = Responses(windows, layer.name, "channel-sums")
        neighbours = NeighboursByChannel(layer.name, self.others, rule_of(self.rule, model))
        cover = Reference(self.baseline)
        return Logits(), Scores(windows), sums, Activation(layer.name), cover, neighbours

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        layer, windows = self._layer(tape.model), self._windows(tape.model)
        *needs, _ = self.needs(tape.model)
        logits, scores, sums, activation, cover = (tape[need] for need in needs)
        rule = rule_of(self.rule, tape.model)
        neighbours = tape.neighbours[NeighboursByChannel(layer.name, self.others, rule)]
        classes = torch.where(tape.labels >= 0, tape.labels, logits.argmax(1))  # (N,)
        channels = torch.tensor(neighbours.channels, device=logits.device)  # (N,)
        height, width = tape.pixels.shape[-2:]
        grid = (len(windows.starts(height)), len(windows.starts(width)))
        chosen = classes[:, None, None].expand(-1, scores.shape[1], 1)
        probabilities = tape.model.head.readout(scores).gather(2, chosen)[..., 0]  # (N, V)
        followed = channels[:, None, None].expand(-1, sums.shape[1], 1)
        activity = sums.gather(2, followed)[..., 0]  # (N, V)
        clean = activation.sum((2, 3)).gather(1, channels[:, None])[:, 0]  # (N,)
        worst = probabilities.argmin(1)  # (N,)
        boxes = torch.tensor(windows.boxes(height, width), device=worst.device)[worst]  # (N, 4)
        return (
            self._covered(tape, cover, boxes, classes),
            _by_position("activity", "Sum of the strongest map", activity.unflatten(1, grid), HERE),
            replace(
                _by_position("probability", "Probability by window", probabilities.unflatten(1, grid), HERE),
                explains=classes,
            ),
            ClassMap("classes", "Most probable class", answers(scores).unflatten(1, grid), HERE),
            *_galleries(neighbours.patches, neighbours.projections, neighbours.ranking.numbers),
            Scalar("activity-channel", f"map of {layer.name}", channels),
            Scalar("activity-clean", "sum without a window", clean),
            Scalar("probability-lowest", "lowest", probabilities.amin(1)),
            Remark("rule", f"Projected back by {RULES[rule_of(self.rule, tape.model)]}."),
        )

    def _layer(self, model: ModelFacts) -> LayerFacts:
        if self.layer == AUTO:
            return model.landmarks(len(model.layers))[-1]
        return model.spatial_layer(self.layer)

    def _windows(self, model: ModelFacts) -> Occluded:
        return Occluded.of(model, self.window_px, self.stride_px, self.baseline)

    def _covered(self, tape: Tape, cover: Tensor, boxes: Tensor, classes: Tensor) -> Picture:
        """The images with one box (N, 4) each covered: where the probability of `classes` (N,) is lowest."""
        mean = tape.pixels.new_tensor(tape.normalisation.mean)[:, None, None]
        std = tape.pixels.new_tensor(tape.normalisation.std)[:, None, None]
        shown = tape.pixels.clone()
        for n, (top, left, bottom, right) in enumerate(boxes.tolist()):
            shown[n, :, top:bottom, left:right] = cover[n, :, top:bottom, left:right]
        pixels = (shown * std + mean).clamp(0, 1)
        if pixels.shape[1] != 3:
            pixels = pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        words = f"of all places of the {self.baseline} window"
        return Picture("occluded", "Where the window hurts most", pixels, words, explains=classes)


def _by_position(name: str, title: str, values: Tensor, quantity: str) -> Heatmap:
    """A number by window position, (N, rows, columns): no map that explains the answer by itself."""
    return Heatmap(name, title, values, quantity, overlay=False)


def _galleries(patches: Array, projections: Array, numbers: Array) -> tuple[Gallery, Gallery]:
    """The map's highest places in this image and in others, and what is projected back from them."""
    shared: dict[str, Any] = {"columns": patches.shape[1], "counted": "images"}
    title, first, projected = "The strongest map", coloured(patches), coloured(projections)
    return (
        Gallery("patches", title, first, numbers, "this image first", scale="unit", **shared),
        Gallery("projections", title, projected, numbers, "projected back", signed=True, **shared),
    )


def coloured(tiles: Array) -> Array:
    """Tiles (N, k, C, h, w) in three colours; other than three channels become grey."""
    return tiles if tiles.shape[2] == 3 else np.repeat(tiles.mean(2, keepdims=True), 3, axis=2)
