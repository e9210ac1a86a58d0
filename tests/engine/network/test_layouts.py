"""Layouts of the layers of networks that people have: against what an expert knows of each, by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reportgen.engine.feed import tapped
from reportgen.engine.network.layout import Layout
from reportgen.engine.network.trace import trace
from reportgen.probes.grad_cam import GradCam

FILE = Path(__file__).resolve().parents[2] / "matrix" / "networks.py"
spec = importlib.util.spec_from_file_location("networks_of_the_matrix", FILE)
networks = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = networks  # dataclasses look their module up
spec.loader.exec_module(networks)


# one of each way that layers lie: the rest is `make matrix`
KEPT = (
    "timm ViT, registers",
    "torchvision ViT",
    "torchvision Swin v2",
    "transformers Swin",
    "torchvision ConvNeXt",
    "timm CaiT",
    "timm PVT v2",
)


def marked():
    for known in networks.SAMPLE:
        marks = () if known.name in KEPT else pytest.mark.matrix
        yield pytest.param(known, id=known.name, marks=marks)


@pytest.fixture(params=marked())
def known(request):
    for package in ("timm", "transformers"):
        if request.param.name.startswith(package):
            pytest.importorskip(package)
    return request.param


def test_what_is_kept_is_in_the_matrix():
    assert {known.name for known in networks.SAMPLE}.issuperset(KEPT)


def by_hand(known, value: Tensor) -> Tensor:
    """What people write as `reshape_transform` for the layer, (N, C, h, w)."""
    if known.kind == "tokens":
        height, width = known.grid
        return value[:, known.prefix :].reshape(len(value), height, width, -1).permute(0, 3, 1, 2)
    return value.permute(0, 3, 1, 2) if known.kind == "maps last" else value


def test_auto_is_the_layer_that_an_expert_takes_and_its_grad_cam_is_the_one_by_hand(known, measured):
    network = networks.built(known)
    x = torch.randn(2, *known.shape, generator=torch.Generator().manual_seed(1))
    got = measured(network, x, GradCam())
    layer = got.facts.spatial_layer("auto")
    assert layer.name in known.auto.split("|")
    assert layer.layout == Layout(known.kind, known.grid, known.prefix)
    kept = {}

    def keep(_module: nn.Module, _args: object, out: Tensor) -> Tensor:
        out.retain_grad()
        kept["a"] = out
        return out.clone()  # a rectifier in place may follow

    handle = network.get_submodule(layer.name).register_forward_hook(keep)
    network(x).max(1).values.sum().backward()
    handle.remove()
    a, g = by_hand(known, kept["a"].detach()), by_hand(known, kept["a"].grad)
    assert g.abs().max() > 0
    right = (g.mean((2, 3), keepdim=True) * a).sum(1).relu()
    assert right.shape[1:] == known.grid
    found = torch.as_tensor(got.findings(GradCam())["map"].values)
    assert torch.allclose(found, right, atol=1e-5 * float(right.max() + g.abs().max() * a.abs().max()))


def test_every_place_of_every_layer_sees_what_its_field_says_at_most(known):
    network = networks.built(known).double()
    facts = trace(network.float(), known.shape)
    network.double()
    spatial = [layer for layer in facts.layers if layer.spatial and layer.calls == 1]
    x = torch.randn(1, *known.shape, dtype=torch.float64, requires_grad=True)
    with tapped(network, [layer.name for layer in spatial]) as kept:
        network(x)
    step = max(1, len(spatial) // 12)
    for layer in spatial[::step]:
        maps = facts.as_maps(layer.name, kept[layer.name])
        assert maps.shape[1:] == layer.map_shape
        for row, column in ((0, 0), (maps.shape[2] // 2, maps.shape[3] // 2), (maps.shape[2] - 1, 0)):
            value = maps[0, :, row, column].sum()
            (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
            rows, columns = (gradient[0] != 0).any(0).nonzero().unbind(1)
            if len(rows):
                top, left, bottom, right = layer.receptive.box(row, column)
                assert top <= rows.min() and rows.max() < bottom, (layer.name, row, column)
                assert left <= columns.min() and columns.max() < right, (layer.name, row, column)
