"""Networks that people have, of torchvision, timm and transformers: against what an expert knows of each by
hand, torch's own counts, captum, and gradients.

`make test` tries a sample, `make matrix` all, and prints the table that README has.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import captum.attr
import pytest
import torch
from matrix.networks import SAMPLE, Known, built
from matrix.timm_networks import TIMM
from matrix.torchvision_networks import TORCHVISION
from matrix.transformers_networks import TRANSFORMERS
from matrix.unchosen_networks import UNCHOSEN
from matrix.unseen_networks import UNSEEN
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reportgen.engine.feed import tapped
from reportgen.engine.needs import ModelFacts
from reportgen.engine.network.facts import LayerFacts
from reportgen.engine.network.layout import Layout
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency

ALL = (*SAMPLE, *TORCHVISION, *TIMM, *TRANSFORMERS, *UNCHOSEN, *UNSEEN)
# of every kind one: they are tried by `make test`
QUICK = (
    *("timm ViT, class token", "timm ViT, registers", "timm ViT, attention pool", "torchvision ViT"),
    *("transformers ViT", "torchvision Swin", "timm Swin", "transformers Swin", "torchvision ConvNeXt"),
    *("timm ConvNeXt", "torchvision MaxViT", "transformers PvtV2", "timm CaiT", "transformers ResNet"),
    *("transformers BEiT", "transformers DINOv2", "transformers SegFormer", "transformers ConvNeXt"),
    *("transformers RegNet", "timm DeiT, distilled"),
)
# of the image: less may be chance where all is mixed with all, as where fields are larger than the image
# and few rectifiers are alive (HGNetV2's last stage moves aside by 0.14 with one image, by 0.11 with two)
UNCLEAR = 0.15
LAYERS = 12  # that are looked at of each network
# parts of names where a tensor may look like maps and be none
SUSPECT = ("attn", "attention", "q_norm", "k_norm", "bias", "pos", "rel", "proj", "pool", "token")


@dataclass
class Case:
    """A network, two images for it, and what the engine measures of them."""

    known: Known
    network: nn.Module
    measure: Any

    @cached_property
    def pixels(self) -> Tensor:
        """Two images in the memory format that is measured in. In another, float32 rounds otherwise, and what
        stands on the edge of a rectifier falls to its other side: captum is up to 5 % off itself then."""
        pixels = torch.randn(2, *self.known.shape, generator=torch.Generator().manual_seed(1))
        return pixels.contiguous(memory_format=torch.channels_last)

    @property
    def occlusion(self) -> Occlusion:
        side = self.known.shape[1] // 2
        return Occlusion(window_px=side, stride_px=side, baseline="grey")

    @cached_property
    def measured(self) -> Any:
        return self.measure(self.network, self.pixels, GradCam(), Saliency(), self.occlusion)

    @property
    def facts(self) -> ModelFacts:
        facts: ModelFacts = self.measured.facts
        return facts


def marked(known: Known) -> Any:
    marks = () if known.name in QUICK else (pytest.mark.matrix,)
    return pytest.param(known, id=known.name, marks=marks)


@pytest.fixture(scope="module", params=[marked(known) for known in ALL])
def case(request: pytest.FixtureRequest, measured: Any) -> Case:
    known: Known = request.param
    for package in ("timm", "transformers"):
        if known.name.startswith(package):
            pytest.importorskip(package)
    network = built(known)
    if all(weight.ndim < 5 for weight in network.parameters()):  # a volume has no such format
        network = network.to(memory_format=torch.channels_last)
    return Case(known, network, measured)


@pytest.fixture
def tells(case: Case, record_property: Any) -> Any:
    """Keeps a number for the table: the check's name, and the largest difference as a share."""

    def tell(check: str, value: float) -> float:
        library = case.known.name.partition(" ")[0]
        record_property("matrix", [library, case.known.name, case.known.kind, check, value])
        return value

    return tell


def off(ours: Any, expected: Tensor, least: float = 0.0) -> float:
    """The largest difference as a share of the largest value expected."""
    mine = torch.as_tensor(ours)
    assert mine.shape == expected.shape
    return float((mine - expected).abs().max() / max(float(expected.abs().max()), least))


def by_hand(known: Known, value: Tensor) -> Tensor:
    """What people write as `reshape_transform` for the layer, (N, C, h, w)."""
    if known.kind == "tokens":
        height, width = known.grid
        return value[:, known.prefix :].reshape(len(value), height, width, -1).permute(0, 3, 1, 2)
    return value.permute(0, 3, 1, 2) if known.kind == "maps last" else value


def kept_by_a_hook(network: nn.Module, name: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's output and the gradient of the largest logit by it."""
    kept: dict[str, Tensor] = {}

    def keep(_module: nn.Module, _args: object, out: Any) -> Any:
        first = out if isinstance(out, Tensor) else out[0]
        kept["a"] = first
        copied = first.clone()  # a rectifier in place may follow
        if isinstance(out, Mapping):  # what transformers returns
            return dataclasses.replace(out, last_hidden_state=copied)
        return (copied, *out[1:]) if isinstance(out, tuple) else copied

    handle = network.get_submodule(name).register_forward_hook(keep)
    score = network(x).max(1).values.sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept["a"])  # none by the weights, which torch aborts on
    return kept["a"].detach(), gradient


def test_auto_is_the_layer_that_an_expert_takes_and_its_grad_cam_is_the_one_by_hand(case, tells):
    known = case.known
    got = case.measured
    layer = got.facts.spatial_layer("auto")
    assert layer.name in known.auto.split("|")
    assert layer.layout == Layout(known.kind, known.grid, known.prefix)
    a, g = (by_hand(known, value) for value in kept_by_a_hook(case.network, layer.name, case.pixels))
    assert g.abs().max() > 0
    right = (g.mean((2, 3), keepdim=True) * a).sum(1).relu()
    assert right.shape[1:] == known.grid
    found = got.findings(GradCam())["map"].values
    # a map may be zero everywhere: then its terms are the measure
    terms = float((g.mean((2, 3), keepdim=True) * a).abs().sum(1).max())
    assert tells("grad-cam", off(found, right, terms)) <= 1e-5


def test_parameters_and_multiply_adds_are_torchs_own(case, tells):
    facts, network = case.facts, case.network
    assert facts.parameters == sum(p.numel() for p in network.parameters())
    frozen = copy.deepcopy(network).requires_grad_(False)
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # torch does not count inside of fused attention
    plain = torch.backends.mkldnn.flags(enabled=False)  # nor inside of oneDNN's LSTM
    try:
        counts = FlopCounterMode(display=False)
        with counts as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH), plain:
            frozen(case.pixels[:1])
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    assert tells("macs", off(float(facts.macs), torch.tensor(counter.get_total_flops() / 2))) == 0
    layers = [layer for layer in facts.layers if layer.kind == "layer"]
    assert sum(layer.parameters for layer in layers) == facts.parameters
    assert sum(layer.macs for layer in layers) == facts.macs


def test_saliency_and_occlusion_are_captums(case, tells):
    x, side, network, got = case.pixels, case.known.shape[1] // 2, case.network, case.measured
    targets = network(x).argmax(1)
    saliency = captum.attr.Saliency(network).attribute(x.clone().requires_grad_(), targets).amax(1)
    assert tells("saliency", off(got.findings(Saliency())["map"].values, saliency)) <= 1e-3
    with torch.no_grad():
        occlusion = captum.attr.Occlusion(network).attribute(
            x, (3, side, side), strides=(3, side, side), target=targets, baselines=0.0
        )
    assert tells("occlusion", off(got.findings(case.occlusion)["map"].values, occlusion[:, 0])) <= 1e-3


def chosen(facts: ModelFacts) -> list[LayerFacts]:
    """Layers with places, evenly over the network, and those whose names let one doubt."""
    spatial = [layer for layer in facts.layers if layer.spatial and layer.calls == 1]
    doubted = [layer for layer in spatial if any(word in layer.name for word in SUSPECT)]
    some = spatial[:: max(1, len(spatial) // (LAYERS // 2))] + doubted[:: max(1, len(doubted) // 6)]
    return list({layer.name: layer for layer in some}.values())


def test_what_is_shown_as_maps_lies_as_the_image_does_and_sees_what_its_field_says(case, tells):
    """Rows run down the image and columns across it, found by gradients in float64; and no place sees more
    than its receptive field."""
    facts, network = case.facts, case.network.double()
    try:
        x = case.pixels.double().requires_grad_()
        layers = chosen(facts)
        with tapped(network, [layer.name for layer in layers]) as kept:
            network(x)
        drifts = []
        for layer in layers:
            maps = facts.as_maps(layer.name, kept[layer.name])
            assert maps.shape[1:] == layer.map_shape
            drifts.append(check_places(layer, maps, x))
        assert max(drifts) > 0.1
        tells("fields", float(len(layers)))
    finally:
        network.float()


def check_places(layer: LayerFacts, maps: Tensor, x: Tensor) -> float:
    """How far what is seen moves down from the first to the last row, or across from the first to the last
    column, whichever is less, as a share of the image. None sees more than its field."""
    height, width = maps.shape[2:]
    corners = [layer.receptive.box(row, column) for row, column in ((0, 0), (height - 1, width - 1))]
    moved = []
    for axis, stack in enumerate((maps, maps.transpose(2, 3))):
        centres = []
        for place, box in zip((0, -1), corners, strict=True):
            (gradient,) = torch.autograd.grad(stack[:, :, place].square().sum(), x, retain_graph=True)
            seen = gradient.abs().sum((0, 1))
            if not bool((seen > 0).any()):
                return 0.0  # a stack that no pixel of this network's reaches through its weights
            reached = (seen > 0).nonzero()[:, axis]
            assert box[axis] <= reached.min() and reached.max() < box[axis + 2], (layer.name, axis, place)
            centres.append(centre(seen))
        moved.append((centres[1] - centres[0])[[axis, 1 - axis]])
    for (along, aside), places in zip(moved, (height, width), strict=True):
        # what attention gives sees all of the image nearly alike: then it moves little either way
        clear = places > 1 and max(abs(along), abs(aside)) > UNCLEAR
        assert not clear or along > abs(aside), f"{layer.name} does not lie as the image does"
    return min(float(along) for along, _ in moved)


def centre(seen: Tensor) -> Tensor:
    """The middle of what is seen (H, W), down and across, as shares of the image."""
    weights, sides = seen / seen.sum(), seen.shape
    along = [torch.linspace(0, 1, side, dtype=seen.dtype) for side in sides]
    return torch.stack([(weights.sum(1 - axis) * along[axis]).sum() for axis in (0, 1)])
