"""Networks of torchvision that segment or detect: `auto` is on the way to what is explained, and of several
scales it is what all are made of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.models.segmentation.fcn import FCN, FCNHead
from torchvision.ops import MultiScaleRoIAlign

from reportgen.engine.feed import tapped
from reportgen.engine.network.dense import Region
from reportgen.engine.network.head import Head
from reportgen.engine.network.trace import trace


class Mean(nn.Module):
    """The mean of a segmentation's logits over the image, or of those beside them: what is explained."""

    def __init__(self, net: nn.Module, key: str = "out") -> None:
        super().__init__()
        self.net, self.key = net, key

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)[self.key].mean((2, 3))
        return logits


class Backbone(nn.Module):
    """Two stages, as torchvision's backbones give them out."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x).relu()
        return {"aux": low, "out": self.high(low).relu()}


@pytest.mark.parametrize(("key", "auto"), [("out", "net.classifier"), ("aux", "net.aux_classifier")])
def test_an_auxiliary_classifier_is_on_no_way_to_the_answer(key, auto):
    net = FCN(Backbone(), FCNHead(8, 3), FCNHead(8, 3))
    facts = trace(Mean(net, key).eval(), (3, 32, 48))
    assert facts.auto.startswith(auto)
    other = "net.aux_classifier" if key == "out" else "net.classifier"
    network = Mean(net, key).eval()
    score = network(torch.randn(1, 3, 32, 48))[0, 0]
    beside = list(network.get_submodule(other).parameters())
    gradients = torch.autograd.grad(score, beside, allow_unused=True)
    assert all(gradient is None for gradient in gradients)  # what was followed is what autograd says
    assert facts.layer(other).spatial  # it may be named


class Pyramid(nn.Module):
    """Two scales as dict, the fine one with the coarse one added, as torchvision's pyramids."""

    out_channels = 8

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.fine, self.coarse = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x).relu()
        high = self.high(low).relu()
        added = low + nn.functional.interpolate(high, scale_factor=2.0)
        return {"0": self.fine(added), "1": self.coarse(high)}


class Stages(Pyramid):
    """Two scales, the second made of the first."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(x).relu()
        return {"0": low, "1": self.high(low)}


SIZES = {"min_size": 64, "max_size": 64, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
ANCHORS = AnchorGenerator(((16,), (32,)), ((1.0,),) * 2)


def rcnn() -> nn.Module:
    pool = MultiScaleRoIAlign(["0", "1"], 2, 2)
    box = {"box_roi_pool": pool, "box_score_thresh": 0.0, "rpn_post_nms_top_n_test": 10}
    return FasterRCNN(Pyramid(), 3, rpn_anchor_generator=ANCHORS, **box, **SIZES)


def retina() -> nn.Module:
    return RetinaNet(Pyramid(), 3, anchor_generator=ANCHORS, score_thresh=0.0, topk_candidates=9, **SIZES)


def ssd() -> nn.Module:
    boxes = DefaultBoxGenerator([[2], [2]])
    head = SSDHead([8, 8], boxes.num_anchors_per_location(), 3)
    means = {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    return SSD(Stages(), boxes, (64, 64), 3, head=head, score_thresh=0.0, topk_candidates=9, **means)


@pytest.mark.parametrize(
    ("make", "auto"), [(rcnn, "backbone.high"), (retina, "backbone.high"), (ssd, "backbone.low")]
)
def test_of_a_network_that_detects_auto_is_what_all_scales_are_made_of(make, auto):
    torch.manual_seed(0)
    network = make().eval()
    facts = trace(network, (3, 64, 64), output=Head(region=Region(None, (64, 64), classes=3)))
    assert facts.auto == auto
    assert facts.layer(auto).spatial
    with tapped(network, [auto]) as kept:
        (found,) = network(torch.rand(1, 3, 64, 64))
    (gradient,) = torch.autograd.grad(found["scores"].sum(), kept[auto])
    assert gradient.abs().max() > 0


def test_one_scale_alone_does_not_lead_to_the_answers_of_the_other():
    """The truth behind the choice: what is found by the coarse maps has no gradient by the fine ones."""
    torch.manual_seed(0)
    network = retina().eval()
    with tapped(network, ["backbone.fine", "backbone.high"]) as kept:
        features = list(network.backbone(torch.rand(1, 3, 64, 64)).values())
        answers = network.head(features)["cls_logits"]
    coarse = answers[:, 16 * 16 :].sum()  # the places of the fine maps come first
    gradients = torch.autograd.grad(coarse, list(kept.values()), allow_unused=True)
    by = dict(zip(kept, gradients, strict=True))
    assert by["backbone.fine"] is None or not by["backbone.fine"].any()
    assert by["backbone.high"].abs().max() > 0
