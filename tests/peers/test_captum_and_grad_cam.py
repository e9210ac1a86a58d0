"""What other tools get wrong, so that README's table of it stays honest: each is shown against a reference.

No line of ours runs here: what fails after an update is a claim about another package, not reportgen.
"""

from __future__ import annotations

import inspect

import captum.attr
import numpy as np
import pytest
from captum.attr import visualization
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning"),
]


@pytest.fixture
def shown(record_property, off_by):
    """Asserts that a peer is off by more than 1 %, and records it for the table."""

    def check(peer: str, network: str, why: str, theirs, truth) -> None:
        error = off_by(theirs, truth)
        record_property("peer", [peer, network, error, why])
        assert error > 0.01

    return check


@pytest.mark.parametrize(
    ("name", "why"),
    [("googlenet", "functional ReLU is not seen"), ("mobilenet_v2", "ReLU6 is not seen")],
)
@pytest.mark.parametrize(("kind", "rule"), [("GuidedBackprop", "guided"), ("Deconvolution", "deconv")])
def test_captum_misses_rectifiers(name, why, kind, rule, network_and_images, slow_gradient, shown):
    network, pixels = network_and_images(name)
    targets = network(pixels).argmax(1)
    truth = slow_gradient(network, pixels, targets, rule)
    theirs = getattr(captum.attr, kind)(network).attribute(pixels.clone().requires_grad_(), targets)
    shown(f"captum `{kind}`", name, why, theirs, truth)


def test_captum_upsamples_grad_cam_in_blocks(network_and_images, shown):
    network, pixels = network_and_images("resnet18")
    targets = network(pixels).argmax(1)
    peer = captum.attr.GuidedGradCam(network, network.layer4)
    default = peer.attribute(pixels.clone().requires_grad_(), targets)
    smooth = peer.attribute(pixels.clone().requires_grad_(), targets, interpolate_mode="bilinear")
    shown("captum `GuidedGradCam`", "resnet18", "its default is the nearest value", default, smooth)


def test_captum_means_noise_in_absolute_units():
    assert inspect.signature(captum.attr.NoiseTunnel.attribute).parameters["stdevs"].default == 1.0


def test_captum_draws_channels_of_opposite_sign_as_nothing():
    attribution = np.zeros((4, 4, 3), np.float32)
    attribution[0, 0] = (5, -5, 0)  # strong, but the sum over colour is zero
    attribution[3, 3] = (1, 0, 0)
    figure, axes = visualization.visualize_image_attr(attribution, sign="absolute_value", use_pyplot=False)
    drawn = np.asarray(axes.images[0].get_array())
    assert drawn[0, 0] == 0 and drawn[3, 3] == 1
    figure.clear()


@pytest.mark.parametrize("kind", [GradCAM, EigenCAM])
def test_grad_cam_package_keeps_a_tensor_that_is_rewritten(kind, network_and_images, peer_map, shown):
    network, pixels = network_and_images("densenet121")
    targets = network(pixels).argmax(1)
    guarded, naive = (
        peer_map(kind, network, pixels, targets, network.features, guarded=guarded)
        for guarded in (True, False)
    )
    if kind is GradCAM:
        guarded, naive = guarded.clip(0), naive.clip(0)
    why = "an in-place ReLU rewrites the maps that it kept"
    shown(f"grad-cam `{kind.__name__}`", "densenet121", why, naive, guarded)


def test_grad_cam_package_has_an_eps_that_small_gradients_drown_in(network_and_images, peer_map, shown):
    network, pixels = network_and_images("googlenet")
    targets, layer = network(pixels).argmax(1), network.inception5b
    theirs = peer_map(GradCAMPlusPlus, network, pixels, targets, layer).clip(0)
    truth = peer_map(GradCAMPlusPlus, network, pixels, targets, layer, units=1e9).clip(0)
    shown("grad-cam `GradCAMPlusPlus`", "googlenet", "gradients are below its eps", theirs, truth)


def test_grad_cam_package_aligns_corners(network_and_images, shown, monkeypatch):
    network, pixels = network_and_images("resnet18")
    kept = []
    with network.layer4.register_forward_hook(lambda _m, _args, out: kept.append(out.clone())):
        targets = [ClassifierOutputTarget(int(k)) for k in network(pixels).argmax(1)]
    few = kept[0][:, :8].numpy()

    def measure() -> np.ndarray:
        with ScoreCAM(network, [network.layer4]) as peer:
            return peer.get_cam_weights(pixels, None, targets, few, None)  # (N, 8)

    theirs = measure()
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", lambda size: nn.Upsample(size=size, mode="bilinear"))
    shown("grad-cam `ScoreCAM`", "resnet18", "it aligns corners (its weights)", theirs, measure())
