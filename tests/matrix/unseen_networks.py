"""A second forty that nobody had tried: of no network of the other files, and what an expert says of each.

As before, the layer is the last one whose patches the logits depend on, read off the network's own code
before the engine was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrix.networks import HF_VIT, SWIN, VIT, Known, tv
from matrix.unchosen_networks import NARROW, PATCHES, SIZED, SMALL_VIT, WIDE, of, tokens
from torch import Tensor, nn

ONE = (1, 1, 1, 1)
DIMS = (8, 16, 24, 32)
CONVOLUTIONS = (
    of("darknet17", "stages"),
    of("cs3darknet_focus_s", "stages"),
    of("dla46x_c", "level5"),
    of("nf_regnet_b0", "final_act"),
    of("resnet50_gn", "layer4", layers=ONE),
    of("resnetblur18", "layer4"),
    of("skresnext50_32x4d", "layer4", layers=ONE),
    of("efficientnet_cc_b0_4e", "bn2"),  # every image has kernels of its own
    of("tf_mobilenetv3_small_minimal_100", "blocks"),  # the last convolution comes after the pool
    of("mobilenetv1_100", "blocks|conv_head|bn2"),  # it has no convolution in the head
    of("mobilenetv4_conv_blur_medium", "blocks"),
    of("resnetv2_50d_frn", "norm", layers=ONE),
    of("selecsls60b", "head", sides=(128, 192)),
    of("xception41p", "act", (3, 3), sides=(96, 96)),
    of("convnext_tiny_hnf", "norm_pre", depths=ONE, dims=DIMS),
    of("ghostnetv2_100", "blocks"),
    of("test_byobnet", "stages|final_conv"),
    Known("torchvision quantizable ResNet", tv("quantized_resnet18"), "layer4", "maps", (2, 2)),
    Known(
        "torchvision quantizable ShuffleNetV2",
        tv("quantized_shufflenet_v2_x0_5"),
        *("conv5", "maps", (2, 2)),
    ),
)
MIXED = (
    of("sebotnet33ts_256", "final_conv", **SIZED),
    of("lambda_resnet26rpt_256", "stages|final_conv", **SIZED),
    of("coatnet_nano_cc_224", "norm", **SIZED),
    of("swinv2_cr_tiny_ns_224", "stages", (8, 8), sides=(64, 64), img_size=64, **SWIN),
    of("pvt_v2_b2_li", "stages", depths=ONE),
    of("efficientvit_l1", "head.in_conv"),
    of("sam2_hiera_tiny", "blocks.11", (7, 7), "maps last", sides=(224, 224)),
    of("samvit_base_patch16", "neck", (4, 4), sides=(64, 64), **VIT),
)
TOKENS = (
    tokens("tnt_s_legacy_patch16_224", "blocks.1.norm_out", PATCHES, 1, depth=2, **SIZED),
    tokens("hiera_small_abswin_256", "blocks.3|blocks", (8, 8), 0, (256, 256), embed_dim=8, stages=ONE),
    tokens("vit_dpwee_patch16_reg1_gap_256", "blocks.1|blocks|norm", PATCHES, 1, **SMALL_VIT),
    # attention and what else a block does read one norm
    tokens("vit_base_patch16_xp_224", "blocks.1.in_norm", PATCHES, 1, **SMALL_VIT),
    tokens("test_vit3", "norm", PATCHES, 1, depth=2, **SIZED),  # the pool looks at the register, too
    tokens("vit_base_patch16_radio_v3", "blocks.1.norm1", PATCHES, 8, **SMALL_VIT),
    tokens("vit_small_patch16_rope_mixed_224", "blocks.1.norm1", PATCHES, 1, **SMALL_VIT),
    tokens("vit_small_resnet26d_224", "blocks.1.norm1", (2, 3), 1, depth=2, **SIZED),
    # of four patches one is made
    tokens("qwen3_vit_88m_merge", "encoder|encoder.merger|encoder.merger.fc2", (2, 3), 0, **NARROW),
)


class Pooled(nn.Module):
    """A backbone of transformers with a classifier on what it pools."""

    def __init__(self, net: nn.Module, width: int) -> None:
        super().__init__()
        self.net = net
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.net(pixel_values=x).pooler_output)
        return logits


def pooled(config: str, model: str, width: int = 32, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        return Pooled(getattr(transformers, model)(getattr(transformers, config)(**options)), width)

    return make


TRANSFORMERS = (
    # its final norm sees the pooled map and every place, of which only the first is read
    Known(
        "transformers DINOv3 ConvNeXt",
        pooled("DINOv3ConvNextConfig", "DINOv3ConvNextModel", hidden_sizes=[16, 32], depths=[1, 1]),
        *("net.model.stages.1|net.model", "maps", (8, 12), 0, (3, *WIDE)),
    ),
    # it has eight class tokens
    Known(
        "transformers Pixio",
        pooled("PixioConfig", "PixioModel", **HF_VIT),
        *("net.layers.1.layernorm_before", "tokens", (4, 4), 8),
    ),
    Known(
        "transformers AIMv2",
        pooled("Aimv2VisionConfig", "Aimv2VisionModel", **HF_VIT),
        *("net.rms_norm", "tokens", (4, 4)),
    ),
    Known(
        "transformers MLCD",
        pooled("MLCDVisionConfig", "MLCDVisionModel", **HF_VIT),
        *("net.encoder.layers.1.layer_norm1", "tokens", (4, 4), 1),
    ),
)
UNSEEN = CONVOLUTIONS + MIXED + TOKENS + TRANSFORMERS
