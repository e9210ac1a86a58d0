from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import PositiveInt

from reportgen.engine.needs import (
    AUTO,
    Activation,
    ChannelMasks,
    LayerName,
    ModelFacts,
    Need,
    Scores,
    Tape,
    Target,
)
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("score-cam", scope="image", group="class activation maps", explains=True)
class ScoreCam:
    """Score-CAM: maps weighted by what the class's score is when only they show the image.

    Definition. Each of the layer's maps A_k, upsampled and scaled to [0, 1], masks the image; the
    softmax over k of the masked images' class logits are the weights; the map is
    ReLU(sum of w_k·A_k). Of wide layers the `channels` maps of largest variance take part.

    Reading. As Grad-CAM, but without gradients: warm areas are those that suffice to raise the
    score on their own.

    Limits. The network runs once for every map, which takes long. A few maps decide nearly alone,
    and masked images are unlike any that the network has seen.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which); no gradient.

    Source. Wang et al. 2020, Score-CAM, eq. 4-7 (arXiv:1910.01279).
    """

    layer: LayerName = AUTO
    channels: PositiveInt | Literal["all"] = 64

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        masks = self._masks(model)
        return Target(), Activation(masks.layer), Scores(masks)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        targets, a, scores = (tape[need] for need in self.needs(tape.model))
        masks = self._masks(tape.model)
        why = tape.model.layer(masks.layer).auto_words(self.layer)
        channels = masks.channels(a)  # (N, K)
        chosen = a.gather(1, channels[:, :, None, None].expand(-1, -1, *a.shape[2:]))  # (N, K, h, w)
        each = targets[:, None, None].expand(-1, scores.shape[1], 1)
        weights = scores.gather(2, each)[..., 0].softmax(1)  # (N, K)
        values = (weights[:, :, None, None] * chosen).sum(1).relu()  # (N, h, w)
        return (
            Heatmap("map", "Score-CAM", values, "ReLU(Σ w·A), activation", layer=masks.layer),
            Remark("channels", f"{channels.shape[1]} of {a.shape[1]} channels"),
            *([Remark("layer", why)] if why else []),
        )

    def _masks(self, model: ModelFacts) -> ChannelMasks:
        name = model.spatial_layer(self.layer).name
        return ChannelMasks(name, None if self.channels == "all" else self.channels)
