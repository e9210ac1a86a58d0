"""A network that answers every pixel is explained by the mean of a class over a box."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from reportgen.engine.needs import Normalisation
from reportgen.engine.network.dense import Region
from reportgen.engine.network.head import Head
from reportgen.engine.network.output import logits_of
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import Plan
from reportgen.engine.recognise import recognised
from reportgen.engine.targets import Slot
from reportgen.errors import InputError
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency

BOX = (4, 8, 12, 24)


class PerPixel(nn.Module):
    """Each pixel's colours are its logits, at half the resolution."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": nn.functional.avg_pool2d(x, 2), "aux": x}


def test_the_mean_is_over_the_box_whatever_the_resolution() -> None:
    x = torch.rand(2, 3, 32, 32)
    expected = x[:, :, 8:24, 4:12].mean((2, 3))
    region = Region(BOX, (32, 32))
    assert torch.allclose(region.mean(x), expected)
    assert torch.allclose(logits_of(PerPixel()(x), Head("values", region=region), 2), expected)
    assert torch.allclose(Region(None, (32, 32)).mean(x), x.mean((2, 3)))


@pytest.mark.parametrize("box", [(0, 0, 33, 4), (4, 4, 4, 8)])
def test_a_box_outside_of_the_input_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match=r"model\.target"):
        Region(box, (32, 32))


def test_detections_count_by_their_overlap_with_the_box() -> None:
    found = {
        "boxes": torch.tensor([[0.0, 0, 16, 16], [0, 0, 16, 32], [16, 16, 32, 32], [4, 4, 12, 12]]),
        "labels": torch.tensor([1, 1, 2, 2]),
        "scores": torch.tensor([0.8, 0.6, 0.9, 0.4], requires_grad=True),
    }
    region = Region((0, 0, 16, 16), (32, 32), classes=3)
    rows = logits_of([found], Head("values", region=region), 1)
    # whole, half of the larger one, beside it, a quarter of it
    expected = torch.tensor([[0.0, 0.8 + 0.6 * 256 / 512, 0.4 * 64 / 256]])
    assert torch.allclose(rows, expected)
    (gradient,) = torch.autograd.grad(rows[0, 1], found["scores"])
    assert torch.allclose(gradient, torch.tensor([1.0, 0.5, 0, 0]))
    nothing = {name: value[:0] for name, value in found.items()}
    assert torch.equal(region.detected([nothing]), torch.zeros(1, 3))
    with pytest.raises(InputError, match="how many classes"):
        Region(None, (32, 32)).detected([found])


def test_saliency_and_occlusion_of_a_torchvision_detection_network() -> None:
    torch.manual_seed(0)
    sizes = {"min_size": 64, "max_size": 64, "rpn_pre_nms_top_n_test": 20, "rpn_post_nms_top_n_test": 10}
    build = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn
    network = build(weights=None, weights_backbone=None, num_classes=3, box_score_thresh=0.0, **sizes).eval()
    normal, shape = Normalisation((0.0,) * 3, (1.0,) * 3), (3, 64, 64)
    head = Head(region=Region((16, 16, 48, 48), (64, 64), classes=3))
    facts = recognised(network, trace(network, shape, list("abc"), head), normal)
    assert facts.head.region and facts.head.region.detects and facts.class_count == 3
    assert "detects" in facts.head.reading
    probes = (Saliency(), Occlusion(window_px=32, stride_px=32))
    plan = Plan(tuple(need for probe in probes for need in probe.needs(facts)), facts, 1)
    with frozen(network):
        engine = OnePass(network, plan, (Slot("named", 1),), normal, torch.device("cpu"), 8, facts.head)
        (tape,) = engine.run(torch.rand(1, *shape), torch.full((1,), -1))
    assert tape.logits[0, 1] > 0
    for probe in probes:
        assert abs(probe.measure(tape)[0].values).max() > 0


def test_maps_of_a_torchvision_segmentation_network() -> None:
    torch.manual_seed(0)
    build = torchvision.models.segmentation.lraspp_mobilenet_v3_large
    network = build(weights=None, weights_backbone=None, num_classes=3)
    normal, shape = Normalisation((0.5,) * 3, (0.25,) * 3), (3, 64, 64)
    region = Region((16, 16, 48, 48), (64, 64))
    facts = recognised(network, trace(network, shape, list("abc"), Head(region=region)), normal)
    assert (facts.head.kind, facts.head.output, facts.class_count) == ("values", "out", 3)
    assert "no classifier" in facts.head.reading
    probes = (Saliency(), GradCam(), Occlusion(window_px=32, stride_px=32))
    plan = Plan(tuple(need for probe in probes for need in probe.needs(facts)), facts, 1)
    x = torch.randn(2, *shape)
    with frozen(network):
        engine = OnePass(network, plan, (Slot("named", 1),), normal, torch.device("cpu"), 8, facts.head)
        (tape,) = engine.run(x, torch.full((2,), -1))
        leaf = x.clone().requires_grad_()
        mean = network(leaf)["out"][:, 1, 16:48, 16:48].mean((1, 2))
        (gradient,) = torch.autograd.grad(mean.sum(), leaf)
    assert torch.allclose(tape.logits[:, 1], mean, atol=1e-5)
    saliency, *_ = probes[0].measure(tape)
    expected = gradient.abs().amax(1).numpy()
    assert abs(saliency.values - expected).max() <= 1e-4 * expected.max()
    for probe in probes[1:]:
        assert any(finding.name == "map" for finding in probe.measure(tape))


@pytest.mark.parametrize("name", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_the_layer_of_maps_is_not_the_answer_itself(name: str) -> None:
    """Grad-CAM of the maps of classes would show nothing but the class's own map again."""
    torch.manual_seed(0)
    build = getattr(torchvision.models.segmentation, name)
    network = build(weights=None, weights_backbone=None, num_classes=3)
    facts = trace(network, (3, 64, 64), output=Head(region=Region(None, (64, 64))))
    assert facts.auto is not None
    layer = facts.layer(facts.auto)
    assert layer.output_shape is not None and layer.output_shape[0] > 3 and layer.output_shape[1] > 1
