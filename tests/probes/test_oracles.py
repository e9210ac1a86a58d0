"""Every attribution method on eight architectures against its oracle: a peer, or a slow reference.

Both sides compute in float64. In float32 the order of summation alone decides the rectifiers whose
input is nearly zero: two memory layouts of one network's gradient differ by 1 % on GoogLeNet.
The table of errors is printed at the end of the run; the README keeps it.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from oracles import Architecture
from pytorch_grad_cam import EigenCAM, GradCAMPlusPlus, LayerCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn.functional import interpolate

from reportgen.engine.needs import AUTO, Probe, Scores
from reportgen.probes import methods

OWN = {path.stem.removeprefix("test_").replace("_", "-") for path in Path(__file__).parent.glob("test_*.py")}
BESIDE = ("occlusion-class-map", "occlusion-study", "invariance")  # of perturbed images, too
BLACK = -2.0  # black pixels after the normalisation of `measured`: (0 - 0.5) / 0.25
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def probes(known: Architecture) -> dict[str, Probe]:
    """Every method that explains an answer and has no test file of its own; CAMs of two layers where
    they take several, three windows a side, the last one clipped by the border."""
    occluded = {"window_px": known.side_px // 2, "stride_px": known.side_px // 3, "baseline": "black"}
    both = {"layer": (AUTO, known.middle)}
    options: dict[str, dict[str, Any]] = {
        "smoothgrad": {"samples": 2, "noise_std": 0.1, "seed": 7},
        "integrated-gradients": {"steps": 4, "baseline": "black"},
        "grad-cam": both,
        "grad-cam-plus-plus": both,
        "layer-cam": both,
        "score-cam": {"channels": 4},
        "occlusion": occluded,
        "occlusion-class-map": occluded,
        "invariance": {"steps": 2},
        "rise": {"masks": 8, "cells": 4, "baseline": "black"},
    }
    explain = [name for name, method in methods().items() if method.explains and name not in OWN]
    return {name: methods()[name].probe(**options.get(name, {})) for name in sorted([*explain, *BESIDE])}


def test_saliency(case, agrees):
    expected = captum.attr.Saliency(case.network).attribute(case.leaf(), case.targets)
    agrees("saliency", "captum `Saliency`", case.maps("saliency"), [expected.amax(1)])


def test_gradient_times_input(case, agrees):
    expected = captum.attr.InputXGradient(case.network).attribute(case.leaf(), case.targets).sum(1)
    ours = case.maps("gradient-times-input")
    agrees("gradient-times-input", "captum `InputXGradient`", ours, [expected])


def test_smoothgrad(case, agrees):
    probe, saliency = case.probes["smoothgrad"], captum.attr.Saliency(case.network)
    total = torch.zeros_like(case.pixels)
    span = torch.stack([x.max() - x.min() for x in case.pixels])
    for sample in range(probe.samples):
        generator = torch.Generator().manual_seed(probe.seed * 1_000_003 + sample)
        noise = torch.randn(case.pixels.shape[1:], generator=generator).double()
        noisy = case.pixels + probe.noise_std * span[:, None, None, None] * noise
        total += saliency.attribute(noisy.requires_grad_(), case.targets, abs=False)
    expected = (total / probe.samples).abs().amax(1)
    agrees("smoothgrad", "mean of captum `Saliency`", case.maps("smoothgrad"), [expected])


def test_integrated_gradients(case, agrees):
    steps = case.probes["integrated-gradients"].steps
    expected = captum.attr.IntegratedGradients(case.network).attribute(
        case.pixels, BLACK, case.targets, n_steps=steps, method="gausslegendre"
    )
    ours = case.maps("integrated-gradients")
    agrees("integrated-gradients", "captum `IntegratedGradients`", ours, [expected.sum(1)])


@pytest.mark.parametrize(("method", "rule"), [("guided-backprop", "guided"), ("deconvnet", "deconv")])
def test_guided_backprop_and_deconvnet(case, agrees, method, rule, slow_gradient):
    if case.known.modules:
        kind = captum.attr.GuidedBackprop if rule == "guided" else captum.attr.Deconvolution
        oracle = f"captum `{kind.__name__}`"
        expected = kind(case.network).attribute(case.leaf(), case.targets)
    else:
        oracle = "slow reference"
        expected = slow_gradient(case.network, case.pixels, case.targets, rule)
    colour = case.found(method)["colour"].values[:, : expected.shape[1]]
    agrees(method, oracle, [colour, *case.maps(method)], [expected, expected.abs().amax(1)])
    rectifiers = case.done.facts.rectifiers
    assert case.found(method)["coverage"].text == f"{rectifiers} of {rectifiers} rectifiers"


def grad_cam_by_captum(case, layer: nn.Module) -> Tensor:
    peer = captum.attr.LayerGradCam(case.network, layer)
    return peer.attribute(case.leaf(), case.targets, relu_attributions=True)  # (N, 1, h, w)


def test_grad_cam(case, agrees):
    expected = [grad_cam_by_captum(case, layer)[:, 0] for layer in case.layers]
    agrees("grad-cam", "captum `LayerGradCam`", case.maps("grad-cam"), expected)


def test_grad_cam_plus_plus(case, agrees, peer_map):
    # where gradients are in small units, so large numbers, the peer's eps of 1e-6 counts nothing
    expected = [
        peer_map(GradCAMPlusPlus, case.network, case.pixels, case.targets, layer, units=1e9).clip(0)
        for layer in case.layers
    ]
    ours = case.maps("grad-cam-plus-plus")
    agrees("grad-cam-plus-plus", "grad-cam `GradCAMPlusPlus`, eps → 0", ours, expected)


def test_layer_cam(case, agrees, peer_map):
    expected = [
        peer_map(LayerCAM, case.network, case.pixels, case.targets, layer).clip(0) for layer in case.layers
    ]
    agrees("layer-cam", "grad-cam `LayerCAM`", case.maps("layer-cam"), expected)


def test_cam(case, agrees, record_property):
    if not case.known.pooled:
        record_property("oracle", ["cam", case.name, None, ""])
        assert "global average pooling" in case.refused["cam"]
        return
    a = case.activation()
    if case.name == "densenet121":  # the rectifier before its pooling is no module
        a = a.relu()
    *_, head = (module for module in case.network.modules() if isinstance(module, nn.Linear))
    pairs = zip(head.weight[case.targets], a, strict=True)
    expected = torch.stack([torch.tensordot(weights, maps, 1) for weights, maps in pairs])
    agrees("cam", "Zhou's eq. 2 by hand", case.maps("cam"), [expected])
    assert not case.found("cam")["other-head"].values.any()
    logits = expected.mean((1, 2)) + head.bias[case.targets]
    assert torch.allclose(logits, case.logits(case.pixels)), "the oracle itself adds up"


def test_eigen_cam(case, agrees, peer_map):
    expected = peer_map(EigenCAM, case.network, case.pixels, case.targets, case.layers[0])
    (ours,) = case.maps("eigen-cam")
    signs = np.sign((ours * expected).sum((1, 2), keepdims=True))
    agrees("eigen-cam", "grad-cam `EigenCAM`, up to sign", [ours], [signs * expected])


def test_score_cam(case, agrees, monkeypatch):
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", lambda size: nn.Upsample(size=size, mode="bilinear"))
    a = case.activation()
    strongest = torch.argsort(-a.flatten(2).var(2), stable=True)[:, : case.probes["score-cam"].channels]
    chosen = torch.stack([maps[k] for maps, k in zip(a, strongest, strict=True)]).numpy()
    wanted = [ClassifierOutputTarget(int(target)) for target in case.targets]
    with ScoreCAM(case.network, [case.layers[0]]) as peer:
        expected = peer.get_cam_image(case.pixels, None, wanted, chosen, None, False).clip(0)
    agrees("score-cam", "grad-cam `ScoreCAM`, corners not aligned", case.maps("score-cam"), [expected])


def test_guided_grad_cam(case, agrees, slow_gradient):
    if case.known.modules:
        oracle = "captum `GuidedGradCam`, bilinear"
        peer = captum.attr.GuidedGradCam(case.network, case.layers[0])
        expected = peer.attribute(case.leaf(), case.targets, interpolate_mode="bilinear")
    else:
        oracle = "slow reference × captum `LayerGradCam`"
        guided = slow_gradient(case.network, case.pixels, case.targets, "guided")
        cam = grad_cam_by_captum(case, case.layers[0])
        expected = guided * interpolate(cam, guided.shape[2:], mode="bilinear")
    agrees("guided-grad-cam", oracle, case.maps("guided-grad-cam"), [expected.abs().amax(1)])


def test_occlusion(case, agrees):
    probe, channels = case.probes["occlusion"], case.pixels.shape[1]
    expected = captum.attr.Occlusion(case.network).attribute(
        case.pixels,
        sliding_window_shapes=(channels, probe.window_px, probe.window_px),
        strides=(channels, probe.stride_px, probe.stride_px),
        baselines=BLACK,
        target=case.targets,
    )
    agrees("occlusion", "captum `Occlusion`", case.maps("occlusion"), [expected[:, 0]])


def test_occlusion_class_map(case, record_property):
    probe, found = case.probes["occlusion-class-map"], case.found("occlusion-class-map")
    expected = torch.empty(2, 3, 3, dtype=torch.int64)
    for row, column in itertools.product(range(3), range(3)):
        top, left = row * probe.stride_px, column * probe.stride_px
        covered = case.pixels.clone()
        covered[:, :, top : top + probe.window_px, left : left + probe.window_px] = BLACK
        expected[:, row, column] = case.network(covered).argmax(1)
    differing = float((found["classes"].values != expected.numpy()).mean())
    record_property("oracle", ["occlusion-class-map", case.name, differing, "loop over windows"])
    assert differing == 0
    kept = (expected == case.network(case.pixels).argmax(1)[:, None, None]).double().mean((1, 2))
    assert found["classes-kept"].values == pytest.approx(100 * kept.numpy())


def test_rise(case, agrees):
    probe, (height, width) = case.probes["rise"], case.pixels.shape[2:]
    (need,) = (need.perturbations for need in probe.needs(case.done.facts) if isinstance(need, Scores))
    total = torch.zeros(2, height, width, dtype=torch.float64)
    for mask in need.masks(height, width):
        p = case.probabilities(BLACK + mask * (case.pixels - BLACK))
        total += p[:, None, None] * mask
    agrees("rise", "loop over the same masks", case.maps("rise"), [total / (probe.masks * probe.keep)])


def test_no_method_that_explains_is_without_a_test():
    explain = {name for name, method in methods().items() if method.explains}
    here = " ".join(name for name in globals() if name.startswith("test_"))
    assert {name for name in explain - OWN if name.replace("-", "_") not in here} == set()
