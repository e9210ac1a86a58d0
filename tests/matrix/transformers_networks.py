"""More classifiers of transformers, with tiny configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrix.networks import HF_VIT, Known, Logits, hf
from torch import nn

TWO = {"hidden_sizes": [8, 16], "depths": [1, 1]}
FOUR = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
SWIN = {"image_size": 64, "embed_dim": 16, "depths": [2, 2], "num_heads": [2, 2], "window_size": 4}
VISION = {key: value for key, value in HF_VIT.items() if key != "num_hidden_layers"}


def with_a_text_model(name: str) -> Callable[[], nn.Module]:
    """The classifier on the image half of a network of images and texts."""

    def make() -> nn.Module:
        import transformers

        vision: dict[str, Any] = {**VISION, "num_hidden_layers": 2}
        config = getattr(transformers, f"{name}Config")(vision_config=vision, num_labels=5)
        return Logits(getattr(transformers, f"{name}ForImageClassification")(config))

    return make


def of(name: str, auto: str, kind: str, grid: tuple[int, int], prefix: int = 0, **options: Any) -> Known:
    side = options.pop("side", 64)
    known = f"transformers {name}"
    autos = "|".join(f"net.{part}" for part in auto.split("|"))
    return Known(known, hf(name, **options), autos, kind, grid, prefix, (3, side, side))


TRANSFORMERS = (
    of("ConvNextV2", "convnextv2.encoder.stages.1", "maps", (8, 8), num_stages=2, **TWO),
    of("ResNet", "resnet.encoder.stages.1", "maps", (8, 8), embedding_size=8, layer_type="basic", **TWO),
    of("RegNet", "regnet.encoder.stages.1", "maps", (8, 8), embedding_size=8, groups_width=4, **TWO),
    of(
        "Bit",
        *("bit.norm", "maps", (8, 8)),
        hidden_sizes=[16, 32],
        depths=[1, 1],
        embedding_size=16,
        num_groups=4,
    ),
    of("MobileNetV1", "mobilenet_v1.layer.25", "maps", (2, 2), depth_multiplier=0.25),
    of("MobileNetV2", "mobilenet_v2.conv_1x1", "maps", (2, 2), depth_multiplier=0.25),
    of(
        "MobileViT",
        *("mobilevit.conv_1x1_exp", "maps", (2, 2)),
        image_size=64,
        hidden_sizes=[16, 16, 16],
        neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16],
    ),
    # its encoder hands the last layer's tensor on
    of("MobileViTV2", "mobilevitv2.encoder.layer.4", "maps", (2, 2), image_size=64, width_multiplier=0.25),
    of(
        "EfficientNet",
        *("efficientnet.encoder.top_activation", "maps", (2, 2)),
        image_size=64,
        width_coefficient=0.25,
        depth_coefficient=0.1,
        hidden_dim=320,
        num_block_repeats=[1] * 7,
    ),
    of("PoolFormer", "norm", "maps", (2, 2), hidden_sizes=[8] * 4, depths=[1] * 4),
    of(
        "Pvt",
        *("pvt.encoder.block.3.0.layer_norm_1", "tokens", (2, 2), 1),
        image_size=64,
        num_attention_heads=[1, 1, 2, 2],
        **FOUR,
    ),
    of(
        "PvtV2",
        *("pvt_v2.encoder", "maps", (2, 2)),
        image_size=64,
        num_attention_heads=[1, 1, 2, 2],
        **FOUR,
    ),
    of(
        "Data2VecVision",
        *("data2vec_vision.encoder.layer.1", "tokens", (4, 4), 1),
        use_relative_position_bias=True,
        **HF_VIT,
    ),
    of("DeiT", "deit.layers.1.layernorm_before", "tokens", (4, 4), 2, **HF_VIT),
    of("Dinov2WithRegisters", "dinov2_with_registers.layernorm", "tokens", (4, 4), 5, mlp_ratio=2, **HF_VIT),
    of(
        "FocalNet",
        *("focalnet.layernorm", "tokens", (8, 8)),
        image_size=64,
        embed_dim=8,
        focal_levels=[2, 2],
        focal_windows=[3, 3],
        **TWO,
    ),
    of(
        "Hiera",
        *("hiera.encoder.stages.3", "tokens", (2, 2)),
        image_size=[64, 64],
        embed_dim=8,
        num_heads=[1, 2, 4, 8],
        depths=[1] * 4,
    ),
    of("IJepa", "ijepa.layernorm", "tokens", (4, 4), **HF_VIT),
    of(
        "Levit",
        *("levit.encoder.stages.2", "tokens", (2, 2)),
        side=128,
        image_size=128,
        hidden_sizes=[16, 24, 32],
        num_attention_heads=[2, 2, 2],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    of("Swinv2", "swinv2.layernorm", "tokens", (8, 8), **SWIN),
    of("DonutSwin", "donut.encoder.layers.1", "tokens", (8, 8), **SWIN),
    of("SwiftFormer", "norm", "maps", (2, 2), image_size=64, embed_dims=[8, 16, 24, 32], depths=[1] * 4),
    of("ViTMSN", "vit.layers.1.layernorm_before", "tokens", (4, 4), 1, **HF_VIT),
    of("TextNet", "textnet.encoder.stages.3", "maps", (2, 2), image_size=64),
    of(
        "Cvt",
        *("cvt.encoder.stages.2.layers.2.layernorm_before", "tokens", (4, 4), 1),
        embed_dim=[8, 16, 24],
        num_heads=[1, 1, 2],
        depth=[1, 2, 3],
    ),
    Known(
        "transformers CLIP",
        with_a_text_model("CLIP"),
        *("net.vision_model.encoder.layers.1|net.vision_model.encoder", "tokens", (4, 4), 1),
    ),
    Known(
        "transformers SigLIP",
        with_a_text_model("Siglip"),
        *("net.vision_model.post_layernorm", "tokens", (4, 4)),
    ),
)
