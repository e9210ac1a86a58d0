"""Saliency, Grad-CAM and occlusion against captum, planted truths and relations."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.guided_backprop import GuidedBackprop
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency


def seeded(name: str) -> nn.Module:
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **options).eval()


def close(got: np.ndarray, expected: torch.Tensor) -> bool:
    """Within 1e-4 of the map's maximum."""
    expected = expected.detach().numpy()
    return bool(abs(got - expected).max() <= 1e-4 * abs(expected).max())


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer4"), ("googlenet", "inception5b"), ("mobilenet_v2", "features.18.0")],
)
def test_saliency_and_grad_cam_equal_captum(name, layer, measured):
    network = seeded(name)
    pixels = torch.randn(2, 3, 64, 64)
    cam = GradCam(layer=layer)
    done = measured(network, pixels, Saliency(), cam)
    targets = done.tapes[0].targets
    expected = captum.attr.Saliency(network).attribute(pixels.clone().requires_grad_(), targets)
    assert close(done.findings(Saliency())["map"].values, expected.amax(1))
    module = network.get_submodule(layer)
    by_captum = captum.attr.LayerGradCam(network, module).attribute(pixels, targets, relu_attributions=True)
    found = done.findings(cam)["map"]
    assert close(found.values, by_captum[:, 0])
    assert found.layer == layer


def test_grad_cam_of_a_layer_that_is_rewritten_in_place_is_that_of_its_own_output(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    cam = GradCam(layer="last")
    done = measured(awkward, pixels, cam)
    kept = {}

    def keep(_module, _args, out):  # the reference: a layer whose output nothing rewrites
        kept["a"] = out.detach().clone().requires_grad_()
        return kept["a"].clone()

    handle = awkward.last.register_forward_hook(keep)
    score = awkward(pixels).gather(1, done.tapes[0].targets[:, None]).sum()
    handle.remove()
    g = torch.autograd.grad(score, kept["a"])[0]
    expected = (g.mean((2, 3), keepdim=True) * kept["a"]).sum(1).relu()
    assert close(done.findings(cam)["map"].values, expected)


def test_twice_the_logit_gives_twice_the_gradient_maps(measured):
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    pixels = torch.randn(2, 3, 9, 9)
    once = measured(network, pixels, Saliency(), GradCam(layer="1"))
    with torch.no_grad():
        network[4].weight.mul_(2)
        network[4].bias.mul_(2)
    twice = measured(network, pixels, Saliency(), GradCam(layer="1"))
    for probe in (Saliency(), GradCam(layer="1")):
        a, b = (run.findings(probe)["map"].values for run in (once, twice))
        assert np.allclose(2 * a, b, rtol=1e-5)


class Blind(nn.Module):
    """Sees only the upper left quadrant of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 1)
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[-1] // 2
        seen = self.conv(x[..., :half, :half])
        return self.head(torch.relu(seen).mean((2, 3)))


def test_a_network_blind_outside_one_quadrant_has_no_map_there(measured):
    torch.manual_seed(5)
    network = Blind().eval()
    pixels = torch.rand(3, 3, 32, 32) * 2 - 1
    probes = (Saliency(), GuidedBackprop(), Occlusion(window_px=4, stride_px=4))
    done = measured(network, pixels, *probes)
    for probe in probes:
        values = done.findings(probe)["map"].values
        # two forwards of one image in batches of different size differ by rounding
        floor = 1e-6 if isinstance(probe, Occlusion) else 0
        assert max(abs(values[:, 16:]).max(), abs(values[:, :, 16:]).max()) <= floor
        assert values[:, :16, :16].any()
    mask = done.findings(probes[2])["mask"].values
    assert not mask[:, 16:].any() and not mask[:, :, 16:].any()


@pytest.mark.parametrize(("window", "stride"), [(8, 8), (8, 3), (7, 5)])
def test_occlusion_equals_captum_where_windows_fit_and_where_they_are_clipped(
    awkward, measured, window, stride
):
    pixels = torch.randn(2, 3, 32, 32)
    probe = Occlusion(window_px=window, stride_px=stride, baseline="mean")
    done = measured(awkward, pixels, probe, batch_size=7)
    expected = captum.attr.Occlusion(awkward).attribute(
        pixels,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=0,
        target=done.tapes[0].targets,
    )
    assert close(done.findings(probe)["map"].values, expected[:, 0])


@pytest.mark.parametrize(("baseline", "pixel"), [("grey", 0.5), ("black", 0.0), ("mean", 0.5)])
def test_baselines_are_meant_in_pixel_space(measured, baseline, pixel):
    seen = []

    class Spy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.clone())
            return x.mean((2, 3))

    done = measured(Spy(), torch.rand(1, 3, 8, 8) + 5, Occlusion(window_px=4, stride_px=4, baseline=baseline))
    normal = done.engine.normalisation  # mean 0.5, std 0.25: its mean is mid-grey
    windows = seen[-1]  # (4, 3, 8, 8)
    covered = windows[0, 0, :4, :4] * normal.std[0] + normal.mean[0]
    assert torch.allclose(covered, torch.full((4, 4), pixel), atol=1e-6)
    assert (windows[0, :, 4:, :] >= 5).all()


def test_share_mask_is_the_fewest_pixels_that_carry_half():
    from reportgen.probes.occlusion import share_mask

    values = torch.tensor([[[8.0, 1, 1], [-50, 5, 1], [0, 0, 0]]])  # falls 16, half is 8
    assert share_mask(values).nonzero().tolist() == [[0, 0, 0]]
    values[0, 0, 0] = 7.9  # 15.9: 7.9 does not carry half of it, 7.9 + 5 does
    assert share_mask(values).nonzero().tolist() == [[0, 0, 0], [0, 1, 1]]
    assert not share_mask(torch.full((1, 3, 3), -1.0)).any()


def test_masks_that_say_nothing_are_flagged(measured):
    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_tensor([[2.0, 1.0]]).expand(len(x), 2)

    pixels = torch.rand(2, 3, 16, 16)
    for rule, flag in (("share", "mask-small"), ("probability", "mask-empty")):
        found = measured(Constant(), pixels, probe := Occlusion(mask=rule)).findings(probe)
        assert found[flag].values.all() and not found["mask"].values.any()
    lax = Occlusion(mask="probability", mask_threshold=1.0)

    class Corner(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, 0, 0, 0] * 9, x[:, 1, 0, 0] * 0], 1)

    found = measured(Corner(), pixels + 5, lax).findings(lax)
    assert found["mask-share"].values.max() < 50, "only windows over the corner lower anything"


@pytest.mark.parametrize(("factor", "small"), [(0.98, True), (1.02, False)])
def test_a_fall_that_is_small_beside_the_spread_of_the_scores_makes_no_mask(measured, factor, small):
    """Planted: one window lowers the first score by `factor` of what is too small, and no other does."""
    from reportgen.probes.occlusion import SMALL

    class Window(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            others = x.new_tensor([0.0, 1.0, 2.0]).expand(len(x), 3)
            spread = torch.tensor([5.0, 0.0, 1.0, 2.0]).std()
            seen = (x[:, 0, :8, :8].abs().amax((1, 2)) > 0).float()
            return torch.cat([(5.0 - factor * SMALL * spread * (1 - seen))[:, None], others], 1)

    probe = Occlusion(window_px=8, stride_px=8, baseline="grey")
    found = measured(Window(), torch.rand(2, 3, 16, 16) + 0.1, probe).findings(probe)
    assert found["mask-small"].values.tolist() == [small] * 2
    assert found["mask"].values.any((1, 2)).tolist() == [not small] * 2
    assert not found["mask-empty"].values.any(), "it is said once"


def test_the_probability_table_is_that_of_each_window(awkward, measured):
    pixels = torch.randn(1, 3, 32, 32)
    probe = Occlusion(window_px=16, stride_px=16, baseline="mean")
    done = measured(awkward, pixels, probe)
    found = done.findings(probe)
    target = done.tapes[0].targets[0]
    for row in range(2):
        for column in range(2):
            covered = pixels.clone()
            covered[..., row * 16 : row * 16 + 16, column * 16 : column * 16 + 16] = 0
            with torch.no_grad():
                p = awkward(covered).softmax(1)[0, target]
            assert found["probability"].values[0, row, column] == pytest.approx(float(p), abs=1e-6)
    lowest = found["probability"].values[0].argmin()
    assert found["lowest-x"].values[0] == 8 + 16 * (lowest % 2)
    assert found["lowest-y"].values[0] == 8 + 16 * (lowest // 2)


def test_default_windows_are_two_sevenths_moved_by_a_fourteenth(measured):
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

    for side, words in ((28, "8 px grey window every 2 px"), (56, "16 px grey window every 4 px")):
        probe = Occlusion()
        found = measured(Mean(), torch.rand(1, 3, side, side), probe).findings(probe)
        assert found["windows"].text == words
        assert found["probability"].values.shape == (1, 11, 11)


def test_guided_backprop_refuses_networks_it_is_not_defined_for():
    from reportgen.engine.network.trace import trace

    smooth = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(144, 2))
    with pytest.raises(NotApplicable, match="silu"):
        GuidedBackprop().needs(trace(smooth, (3, 8, 8)))
    linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(NotApplicable, match="no ReLU"):
        GuidedBackprop().needs(trace(linear, (3, 2, 2)))


def test_an_unknown_layer_is_named_with_the_nearest(awkward):
    from reportgen.engine.network.trace import trace

    with pytest.raises(UnknownName, match="did you mean 'last'"):
        GradCam(layer="lastt").needs(trace(awkward, (3, 32, 32)))
