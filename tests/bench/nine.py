"""What the nine basic visualizations show of a photograph: from one pass, and by packages one by one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import captum.attr
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.functional import interpolate

from bench.networks import Known, photographs
from bench.occlusion import answered, by_captum, fastest, layouts
from bench.passes import Pass, facts_of
from bench.sheet import Sheet
from bench.timing import REPEATS, in_turn, ratio, times
from bench.wanted import NINE
from reportgen.engine.feed import tapped
from reportgen.engine.needs import ModelFacts
from reportgen.probes import methods
from reportgen.probes.occlusion import Occlusion

# of the nine, `architecture` and `filters` need no image
OF_IMAGES = (
    "predictions",
    "feature-maps",
    "hypercolumns",
    "saliency",
    "guided-backprop",
    "grad-cam",
    "occlusion",
)
HEADS = ("network", "images", "one pass", "one by one", "times faster")
LAYERS = 15  # that feature maps and hypercolumns are taken of


def one_by_one(
    network: nn.Module, x: Tensor, *, facts: ModelFacts, targets: Tensor, at_once: int
) -> dict[str, Callable[[], Any]]:
    """What gives each with torch's hooks, captum and grad-cam; each package's own forwards are its own."""
    leaf = x.clone().requires_grad_()
    names = [layer.name for layer in facts.layers if len(layer.output_shape or ()) == 3][:LAYERS]
    side = x.shape[-1]
    windows = Occlusion()._windows(facts)

    def by_hooks(sized: bool) -> list[Tensor]:
        with torch.no_grad(), tapped(network, names) as kept:
            network(x)
        maps = [*kept.values()]
        return [interpolate(v, (side, side), mode="bilinear") for v in maps] if sized else maps

    def by_grad_cam() -> Any:
        with GradCAM(network, [network.get_submodule(facts.auto)]) as peer:
            return peer(leaf, [ClassifierOutputTarget(int(k)) for k in targets])

    def predicted() -> Tensor:
        with torch.no_grad():
            return network(x).softmax(1)

    def occluded() -> Tensor:
        with torch.no_grad():
            return by_captum(network, x, targets, windows.window_px, windows.stride_px, at_once)

    return {
        "predictions": predicted,
        "feature-maps": partial(by_hooks, False),
        "hypercolumns": partial(by_hooks, True),
        "saliency": lambda: captum.attr.Saliency(network).attribute(leaf, targets),
        "guided-backprop": lambda: captum.attr.GuidedBackprop(network).attribute(leaf, targets),
        "grad-cam": by_grad_cam,
        "occlusion": occluded,
    }


def compare(
    sheet: Sheet,
    known: Known,
    device: torch.device,
    images: int,
    at_once: Sequence[int] = (8,),
    repeats: int = REPEATS,
) -> None:
    """A row: what the nine show of photographs, from one pass with all that it makes of it (segments, masks,
    tables, which the packages do not give), and by packages of the same network."""
    network, pixels = known.make(), photographs(images, known.side_px)
    facts = facts_of(network, known.side_px)
    ours = Pass(network, facts, {name: methods()[name].probe() for name in OF_IMAGES}, device)
    laid, windows = layouts(network, pixels, device), Occlusion()._windows(facts)
    targets = answered(laid)
    # most of their time is occlusion: all are run in the layout that it is fastest with
    best, count = fastest(laid, targets, (windows.window_px, windows.stride_px), at_once, device)
    works = one_by_one(*laid[best], facts=facts, targets=targets, at_once=count)
    with warnings.catch_warnings(), ours.open():
        warnings.simplefilter("ignore")  # captum tells of each hook that it sets
        taken = in_turn(
            device,
            {
                "one pass": lambda: ours.run(pixels),
                "one by one": lambda: [work() for work in works.values()],
            },
            repeats,
        )
    a, b = taken["one pass"], taken["one by one"]
    sheet.row(known.name, images, a, b, ratio(b, a))
    sheet.aim(NINE.row(times(b, a), ratio(b, a)))
