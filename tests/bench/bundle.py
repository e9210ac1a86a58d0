"""Seven maps from one pass, one by one by other packages, and the least that they cost."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import captum.attr
import torch
from pytorch_grad_cam import GradCAMPlusPlus, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from bench.networks import Known, photographs
from bench.passes import Pass, facts_of
from bench.sheet import Sheet
from bench.timing import REPEATS, in_turn, ratio, times
from bench.wanted import bundle as wanted
from reportgen.engine.feed import Feed
from reportgen.probes import methods

MAPS = (
    "saliency",
    "guided-backprop",
    "deconvnet",
    "gradient-times-input",
    "grad-cam",
    "grad-cam-plus-plus",
    "layer-cam",
)
HEADS = (
    "network",
    "images",
    "one pass",
    "one by one",
    "times faster",
    "a forward and three backwards",
    "times that",
)


def one_by_one(
    network: nn.Module, layer: nn.Module, x: Tensor, targets: Tensor
) -> dict[str, Callable[[], Any]]:
    """What gives each map with captum and grad-cam, as their pages say. The weights are frozen, which makes
    every one of them faster than as it comes."""
    leaf = x.clone().requires_grad_()
    chosen = [ClassifierOutputTarget(int(k)) for k in targets]

    def by_grad_cam(kind: Any) -> Any:
        with kind(network, [layer]) as peer:
            return peer(leaf, chosen)

    def of_layer() -> Tensor:
        peer = captum.attr.LayerGradCam(network, layer)
        return peer.attribute(leaf, targets, relu_attributions=True).cpu()

    kinds = (captum.attr.Saliency, captum.attr.GuidedBackprop, captum.attr.Deconvolution)
    inputs = {
        name: partial(lambda kind: kind(network).attribute(leaf, targets).cpu(), kind)
        for name, kind in zip(MAPS[:3], kinds, strict=True)
    }
    return inputs | {
        "gradient-times-input": lambda: captum.attr.InputXGradient(network).attribute(leaf, targets).cpu(),
        "grad-cam": of_layer,
        "grad-cam-plus-plus": partial(by_grad_cam, GradCAMPlusPlus),
        "layer-cam": partial(by_grad_cam, LayerCAM),
    }


def least(network: nn.Module, x: Tensor, targets: Tensor) -> None:
    """One forward and three backwards: the exact rule, the guided one and the deconvnet's."""
    leaf = x.clone().requires_grad_()
    score = network(leaf).gather(1, targets[:, None]).sum()
    for number in range(3):
        torch.autograd.grad(score, leaf, retain_graph=number < 2)


def compare(sheet: Sheet, known: Known, device: torch.device, images: int, repeats: int = REPEATS) -> None:
    """A row: seven maps of a batch from one pass, and otherwise.

    All in the process as our pass has it: what it gains by keeping freed memory, the packages gain too.
    """
    network, pixels = known.make(), photographs(images, known.side_px)
    facts = facts_of(network, known.side_px)
    ours = Pass(network, facts, {name: methods()[name].probe() for name in MAPS}, device)
    # the packages get it as torch lays it out, the least cost is that of the layout that we use
    theirs = copy.deepcopy(network).to(device)
    placed = Feed().placed(copy.deepcopy(network), device)
    x = pixels.to(device)
    with torch.no_grad():
        targets = theirs(x).argmax(1)
    works = one_by_one(theirs, theirs.get_submodule(facts.auto), x, targets)
    laid = Feed().laid(x)
    with warnings.catch_warnings(), ours.open():
        warnings.simplefilter("ignore")  # captum tells of each hook that it sets
        taken = in_turn(
            device,
            {
                "one pass": lambda: ours.run(pixels),
                "one by one": lambda: [work() for work in works.values()],
                "least": lambda: least(placed, laid, targets),
            },
            repeats,
        )
    a, b, c = taken.values()
    sheet.row(known.name, images, a, b, ratio(b, a), c, ratio(a, c))
    faster, cost = wanted(known.name)
    sheet.aim(faster.row(times(b, a), ratio(b, a)))
    sheet.aim(cost.row(times(a, c), ratio(a, c), f"{times(c, a):.0%}"))
