"""The order that a report shows its visualizations in where the recipe does not list them.

What is measured of the model or over the whole set comes first, then each image's figures group by
group. A visualization that is not named here stands at the end of its group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from reportgen.probes import Method

NAMED = (
    "architecture",
    "filters",
    "channel-health",
    "top-patches",
    "evolution",
    "correspondence",
    "activation-maximisation",
    "predictions",
    "saliency",
    "gradient-times-input",
    "smoothgrad",
    "integrated-gradients",
    "guided-backprop",
    "deconvnet",
    "legrad",
    "transmm",
    "grad-cam",
    "grad-cam-plus-plus",
    "layer-cam",
    "cam",
    "eigen-cam",
    "score-cam",
    "guided-grad-cam",
    "occlusion",
    "occlusion-class-map",
    "occlusion-study",
    "rise",
    "invariance",
    "attention",
    "attention-rollout",
    "set-map",
    "hypercolumns",
    "feature-maps",
    "filter-responses",
)


def usual_order(methods: Mapping[str, Method]) -> list[str]:
    """The names of `methods` as a report shows them, without those that only a recipe's list asks for."""
    from reportgen.probes import Group  # the probes import torch

    groups: tuple[str, ...] = get_args(Group)

    def position(name: str) -> tuple[bool, int, int, str]:
        method = methods[name]
        known = NAMED.index(name) if name in NAMED else len(NAMED)
        return method.scope == "image", groups.index(method.group), known, name

    return sorted((name for name, method in methods.items() if method.by_default), key=position)
