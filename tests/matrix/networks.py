"""Small networks of torchvision, timm and transformers with random weights, and what an expert knows of each.

`auto` is the layer that an expert takes for Grad-CAM, several names where the tensor is the same; `kind`,
`prefix` and `grid` are how its output lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Known:
    name: str
    make: Callable[[], nn.Module]
    auto: str
    kind: str
    grid: tuple[int, int]
    prefix: int = 0
    shape: tuple[int, int, int] = (3, 64, 64)


class Logits(nn.Module):
    """What `model.output` does for a network of transformers: its logits, or the one output that it has."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.net(pixel_values=x)
        return outputs.logits if "logits" in outputs else outputs[0]


def timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        return timm.create_model(name, num_classes=5, **options)

    return make


def tv(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=5, **options)

    return make


def hf(name: str, head: str = "", **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name}Config")(num_labels=5, **options)
        return Logits(getattr(transformers, f"{name}ForImageClassification{head}")(config))

    return make


def tv_vit() -> nn.Module:
    from torchvision.models.vision_transformer import VisionTransformer

    net = VisionTransformer(64, 16, 2, 2, 32, 64, num_classes=5)
    nn.init.normal_(net.heads.head.weight)  # torchvision starts with a head of zeros
    return net


def tv_swin(block: str = "") -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from torchvision.models import swin_transformer as swin

        options: dict[str, Any] = {}
        if block:
            options = {"block": swin.SwinTransformerBlockV2, "downsample_layer": swin.PatchMergingV2}
        return swin.SwinTransformer([4, 4], 16, [2, 2], [2, 2], [4, 4], num_classes=5, **options)

    return make


def tv_convnext() -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    return ConvNeXt([CNBlockConfig(16, 32, 1), CNBlockConfig(32, None, 2)], num_classes=5)


def tv_maxvit() -> nn.Module:
    from torchvision.models.maxvit import MaxVit

    return MaxVit((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0, num_classes=5)


VIT = {"img_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2}
SWIN = {"embed_dim": 16, "depths": (2, 2), "num_heads": (2, 2), "window_size": 4}
HF_VIT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 16,
}
SAMPLE = (
    Known(
        "timm ViT, class token",
        timm("vit_tiny_patch16_224", **VIT),
        *("blocks.1.norm1", "tokens", (4, 4), 1),
    ),
    Known(
        "timm ViT, registers",
        timm("vit_small_patch14_reg4_dinov2", patch_size=16, **VIT),
        *("blocks.1.norm1", "tokens", (4, 4), 5),
    ),
    Known(
        "timm ViT, mean of patches",
        timm("vit_tiny_patch16_224", global_pool="avg", **VIT),
        *("blocks", "tokens", (4, 4), 1),
    ),
    Known("timm ViT, attention pool", timm("vit_base_patch16_siglip_224", **VIT), "norm", "tokens", (4, 4)),
    Known(
        "timm DeiT, distilled",
        timm("deit_tiny_distilled_patch16_224", **VIT),
        *("blocks.1.norm1", "tokens", (4, 4), 2),
    ),
    Known("torchvision ViT", tv_vit, "encoder.layers.encoder_layer_1.ln_1", "tokens", (4, 4), 1),
    Known("transformers ViT", hf("ViT", **HF_VIT), "net.vit.layers.1.layernorm_before", "tokens", (4, 4), 1),
    Known("torchvision Swin", tv_swin(), "norm", "maps last", (8, 8)),
    Known("torchvision Swin v2", tv_swin("v2"), "norm", "maps last", (8, 8)),
    Known(
        "timm Swin",
        timm("swin_tiny_patch4_window7_224", img_size=64, **SWIN),
        *("norm", "maps last", (8, 8)),
    ),
    Known(
        "transformers Swin",
        hf("Swin", image_size=64, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4),
        *("net.swin.layernorm", "tokens", (8, 8)),
    ),
    Known("torchvision ConvNeXt", tv_convnext, "features", "maps", (8, 8)),
    Known(
        "timm ConvNeXt",
        timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
        *("stages", "maps", (2, 2)),
    ),
    Known("torchvision MaxViT", tv_maxvit, "blocks.1", "maps", (8, 8)),
    Known("timm PVT v2", timm("pvt_v2_b0", depths=(1, 1, 1, 1)), "stages", "maps", (2, 2)),
    Known(
        "timm MLP-Mixer",
        timm("mixer_s16_224", img_size=64),
        *("norm", "tokens", (4, 4)),
    ),
    Known("timm PoolFormer", timm("poolformer_s12"), "stages", "maps", (2, 2)),
    Known(
        "timm CaiT",
        timm("cait_xxs24_224", img_size=64, embed_dim=32, depth=1, num_heads=2),
        *("blocks_token_only.1.norm1", "tokens", (4, 4), 1),
    ),
    Known("torchvision ResNet", tv("resnet18"), "layer4", "maps", (2, 2)),
    Known("torchvision DenseNet", tv("densenet121"), "features", "maps", (2, 2)),
    Known(
        "transformers ConvNeXt",
        hf("ConvNext", hidden_sizes=[16, 32], depths=[1, 1], num_stages=2),
        *("net.convnext.encoder.stages.1", "maps", (8, 8)),
    ),
    Known(
        "transformers BEiT",
        hf("Beit", use_relative_position_bias=True, use_mean_pooling=True, **HF_VIT),
        *("net.beit.layers.1", "tokens", (4, 4), 1),
    ),
    Known(
        "transformers DINOv2",
        hf("Dinov2", **{**HF_VIT, "mlp_ratio": 2}),
        *("net.dinov2.layernorm", "tokens", (4, 4), 1),
    ),
    Known("timm RegNet", timm("regnety_002"), "s4", "maps", (2, 2)),
    Known("timm MobileViT", timm("mobilevit_xxs"), "final_conv", "maps", (2, 2)),
    Known("timm EfficientFormer", timm("efficientformer_l1"), "norm", "tokens", (7, 7), 0, (3, 224, 224)),
    Known(
        "transformers SegFormer",
        hf("Segformer", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        *("net.segformer.stages.3", "maps", (2, 2)),
    ),
    Known("timm CoAtNet", timm("coatnet_pico_rw_224", img_size=64), "norm", "maps", (2, 2)),
)


def built(known: Known) -> nn.Module:
    """The network with its random weights, the same every time. Layer scales near zero are made one, since
    a fresh network would answer hardly to anything."""
    torch.manual_seed(0)
    network = known.make().eval()
    for name, weight in network.named_parameters():
        if weight.ndim <= 1 and float(weight.detach().abs().max()) < 1e-3 and "bias" not in name:
            nn.init.ones_(weight)
        if weight.ndim > 1 and not float(weight.detach().abs().max()):
            nn.init.normal_(weight, std=0.02)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:  # which know their statistics then, so that no map dies out
        with torch.no_grad():
            network.train()(torch.randn(4, *known.shape))
    return network.eval()
