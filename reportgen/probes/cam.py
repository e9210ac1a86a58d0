from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from reportgen.engine.needs import Activation, Gradient, LayerFacts, ModelFacts, Need, Tape, Target, Weights
from reportgen.findings import Finding, Flag, Heatmap, NotApplicable
from reportgen.probes import probe

SILENT = {"AdaptiveAvgPool2d", "AvgPool2d", "Flatten", "Dropout", "Identity"}


@probe("cam", scope="image", group="class activation maps", explains=True)
class Cam:
    """CAM: the class's own weights, applied to the last maps instead of to their means.

    Definition. For a network that ends in global average pooling and one linear layer: the sum of
    the last maps A_k, each times the linear layer's weight from k to the class; a rectifier between
    the maps and the pooling takes part. Its mean over the grid, plus the bias, is the logit.

    Reading. Red areas added to the class's score and blue ones took from it; nothing else made it.

    Limits. Only networks that end in this way have it. Each place stands for a large part of the
    image, so the map is less precise than it looks.

    Needs. A network that ends in global average pooling and one linear layer.

    Source. Zhou et al. 2016, Learning Deep Features for Discriminative Localization, eq. 1-2
    (arXiv:1512.04150).
    """

    of_weights: ClassVar[bool] = True  # by the logit and by the class contrast the map is the same

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        maps, head = self._ends(model)
        return Target(), Activation(maps.name), Gradient(maps.name), Weights(head.name)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        targets, a, g, weight = (tape[need] for need in self.needs(tape.model))
        if tape.model.head.kind == "binary":  # class 0 has the one logit with the other sign
            weight = torch.cat([-weight, weight])
        maps, _ = self._ends(tape.model)
        passed = g * (a.shape[2] * a.shape[3])  # (N, C, h, w): what the score gains from each place's mean
        chosen = weight[targets][:, :, None, None]  # (N, C, 1, 1)
        near = (passed - chosen).abs() <= 1e-3 * chosen.abs().amax(1, keepdim=True)
        silent = (passed == 0) & (a <= 0)  # a rectifier that no module holds, as in DenseNet
        values = (chosen * a.where(~silent, 0)).sum(1)  # (N, h, w)
        score = tape.model.head.score_words
        return (
            Heatmap("map", "CAM", values, f"Σ w·A, {score}", signed=True, layer=maps.name),
            Flag(
                "other-head",
                "Something between the maps and the linear layer is not a mean: the map is not exact.",
                # of the class contrast a place's gain has the other classes' weights in it, too
                ~(near | silent).flatten(1).all(1) & (tape.model.score == "logit"),
            ),
        )

    def _ends(self, model: ModelFacts) -> tuple[LayerFacts, LayerFacts]:
        """The last maps and the linear head that reads their means. Raises NotApplicable."""
        if model.head.form != "logits" or model.head.kind == "values":
            raise NotApplicable("the model's outputs are no logits: no weight alone makes a class's score")
        maps, leaves = model.spatial_layer("auto"), model.leaves()
        head = leaves[-1]
        rows = 1 if model.head.kind == "binary" else model.class_count
        between = [x for x in leaves[:-1] if x.finished > maps.finished]
        reads_maps = head.type == "Linear" and head.weight_shape == (rows, maps.maps)
        if not reads_maps or any(x.type not in SILENT for x in between):
            raise NotApplicable("the model does not end in global average pooling and one linear layer")
        return maps, head
