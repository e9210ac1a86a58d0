from __future__ import annotations

from collections.abc import Sequence

import torch

from reportgen.engine.needs import AUTO, Activation, LayerName, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap, Remark
from reportgen.probes import probe


@probe("eigen-cam", scope="image", group="class activation maps", explains=True)
class EigenCam:
    """Eigen-CAM: what the maps of a layer have most in common, whatever the class.

    Definition. The first principal component of the layer's maps over the grid: the centred maps,
    projected on the direction of their largest variance. Its sign is the one that goes with the
    maps' mean.

    Reading. Red areas are what this layer singles out in the image; on a clear photograph that is
    the main object.

    Limits. No class and no gradient takes part: it shows what stands out, not why the answer was
    given.

    Needs. A layer whose output is places: maps, maps with channels last, or tokens on a grid (`reportgen
    inspect` says which); no gradient.

    Source. Muhammad & Yeasin 2020, Eigen-CAM, eq. 3-4 (arXiv:2008.00299).
    """

    layer: LayerName = AUTO

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        return (Activation(model.spatial_layer(self.layer).name),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        (a,) = (tape[need] for need in self.needs(tape.model))  # (N, C, h, w)
        rows = a.flatten(2) - a.flatten(2).mean(2, keepdim=True)  # (N, C, h·w)
        finite = rows.isfinite().all(2).all(1)[:, None]  # (N, 1); no direction is found in the others
        decomposed = torch.linalg.svd(rows.where(finite[..., None], 0), full_matrices=False)
        loadings = decomposed.U[:, :, 0]  # (N, C)
        component = (loadings[:, None] @ rows)[:, 0]  # (N, h·w)
        mean = rows.mean(1)  # (N, h·w)
        sign = torch.where((component * mean).sum(1, keepdim=True) < 0, -1.0, 1.0)
        values = (sign * component).where(finite, torch.nan).unflatten(1, a.shape[2:])  # (N, h, w)
        layer = tape.model.spatial_layer(self.layer)
        quantity = "first principal component, activation"
        heatmap = Heatmap("map", "Eigen-CAM", values, quantity, signed=True, layer=layer.name)
        why = layer.auto_words(self.layer)
        return (heatmap, *([Remark("layer", why)] if why else []))
