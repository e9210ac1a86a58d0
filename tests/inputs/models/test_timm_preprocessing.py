"""`preprocessing: auto` of timm's networks, against timm, and of others that know their input's size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from reportgen.inputs.images.preprocessing import apply
from reportgen.inputs.models.auto_preprocessing import for_model
from reportgen.inputs.models.input_size import known_size
from reportgen.inputs.models.sources import build

AUTO = SimpleNamespace(model=SimpleNamespace(preprocessing="auto"))
VIT = {"embed_dim": 32, "depth": 1, "num_heads": 2}


def automatic(source: str, **arguments):
    network = build(source, arguments, Path())
    return for_model(AUTO, source, network, arguments=arguments)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18.a1_in1k",
        "vit_tiny_patch16_224.augreg_in21k_ft_in1k",  # mean and std 0.5
        "convnext_atto.d2_in1k",
        "mobilenetv3_small_050.lamb_in1k",
        "tf_efficientnet_b0.ap_in1k",
        "vit_base_patch16_clip_224.openai",  # bicubic, means of CLIP
    ],
)
def test_the_numbers_are_those_of_timms_own_transform(name):
    timm = pytest.importorskip("timm")
    options = VIT if name.startswith("vit") else {}
    network = build(f"timm:{name}", options, Path())
    config = timm.data.resolve_model_data_config(network)
    peer = timm.data.create_transform(**config, is_training=False)
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    image = Image.fromarray(noise).resize((401, 300), Image.Resampling.BICUBIC)
    p, notes = for_model(AUTO, f"timm:{name}", network, arguments=options)
    assert notes == []
    assert torch.allclose(torch.as_tensor(apply(image, p)[0]), peer(image), atol=1e-6)


def test_other_channels_take_the_average_as_timm_does():
    pytest.importorskip("timm")
    p, notes = automatic("timm:resnet10t.c3_in1k", in_chans=1)
    assert p.input_shape[1:] == (176, 176)
    assert p.mean == (pytest.approx(0.449, abs=1e-3),) and p.std == (pytest.approx(0.226, abs=1e-3),)
    assert len(notes) == 1 and "takes 1" in notes[0] and "0.449" in notes[0]
    p, _ = automatic("timm:vit_tiny_patch16_224", in_chans=5, **VIT)
    assert p.mean == pytest.approx((0.5,) * 5)


@pytest.mark.parametrize(
    ("size", "shape", "resize"),
    [(384, (384, 384), 426), ((96, 96), (96, 96), 106), ((64, 96), (64, 96), (71, 106))],
)
def test_a_size_that_is_given_speaks_before_the_configuration(size, shape, resize):
    pytest.importorskip("timm")
    p, notes = automatic("timm:vit_tiny_patch16_224", img_size=size, **VIT)
    assert (p.crop, p.resize, p.interpolation) == (shape, resize, "bicubic")
    assert len(notes) == (shape[0] != shape[1])


def test_squashed_images_are_squashed():
    pytest.importorskip("timm")
    p, _ = automatic("timm:vit_tiny_patch16_224", pretrained_cfg_overlay={"crop_mode": "squash"}, **VIT)
    assert p.resize == (248, 248)


def test_torchvision_at_another_size_keeps_the_margin_of_its_preset():
    options = {"image_size": 64, "num_classes": 3}
    network = nn.Conv2d(3, 4, 16)
    p, _ = for_model(AUTO, "torchvision:vit_b_16", network, arguments=options)
    assert (p.resize, p.crop) == (73, (64, 64))  # 256 / 224 of it


def test_a_network_of_ones_own_says_its_size():
    class Net(nn.Module):
        def __init__(self, image_size: int) -> None:
            super().__init__()
            self.image_size = image_size
            self.conv = nn.Conv2d(3, 4, 3)

    p, notes = for_model(AUTO, "net.py:Net", Net(96), arguments={})
    assert (p.crop, p.resize) == ((96, 96), 110)
    assert "96×96" in notes[0]


def test_what_is_no_size_is_none():
    network = nn.Conv2d(3, 4, 3)
    network.image_size = True
    assert known_size(network, {"img_size": "large", "input_size": [3, 0, 5]}) is None
    assert known_size(network, {"input_size": [3, 48, 40]}) == (48, 40)
