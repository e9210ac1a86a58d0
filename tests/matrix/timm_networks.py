"""More networks of timm: convolutions, and what has attention or mixes tokens, narrow or of few blocks."""

from __future__ import annotations

from typing import Any

from matrix.networks import SWIN, VIT, Known, timm

MAPS = (2, 2)  # of 64 px after five halvings


def of(
    name: str, auto: str, kind: str = "maps", grid: tuple[int, int] = MAPS, prefix: int = 0, **options: Any
) -> Known:
    side = options.pop("side", 64)
    return Known(f"timm {name}", timm(name, **options), auto, kind, grid, prefix, (3, side, side))


ONE = {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}
CONVOLUTIONS = (
    *(of(name, "layer4") for name in ("resnet10t", "resnet18d", "resnet26", "seresnet18", "resnest14d")),
    *(of(name, "layer4") for name in ("ecaresnet26t", "legacy_seresnet18", "skresnet18", "res2net50_14w_8s")),
    *(of(name, "stages") for name in ("resnext26ts", "vovnet39a", "ese_vovnet19b_dw", "cs3darknet_s")),
    *(of(name, "stages") for name in ("repvgg_a0", "hgnetv2_b0", "gcresnext26ts")),
    *(of(name, "bn2") for name in ("tf_efficientnet_lite0", "mnasnet_small", "tinynet_e", "mobilenetv2_050")),
    *(of(name, "blocks") for name in ("mobilenetv3_small_050", "hardcorenas_a", "lcnet_035", "ghostnet_050")),
    *(of(name, "blocks") for name in ("mobilenetv4_conv_small_035",)),
    *(of(name, "s4") for name in ("regnetx_002",)),
    *(of(name, "final_conv") for name in ("gernet_s",)),
    of("dla34", "level5"),
    of("rexnet_100", "features"),
    of("resnetv2_50", "norm", layers=(1, 1, 1, 1)),
    of("nf_resnet26", "final_act"),
    of("convnextv2_atto", "stages", **ONE),
    of("inception_next_atto", "stages", **ONE),
    of("convformer_s18", "stages"),
    of("poolformerv2_s12", "stages"),
    of("selecsls42", "head.1"),  # what follows has one place
    of("starnet_s1", "norm"),
)
ATTENTION = (
    of("vit_small_patch16_18x2_224", "blocks.1.attns.1.norm", "tokens", (4, 4), 1, **VIT),
    of("vit_base_patch16_clip_224", "blocks.1.norm1", "tokens", (4, 4), 1, **VIT),
    of("vit_medium_patch16_gap_240", "norm", "tokens", (4, 4), **VIT),
    of("vit_relpos_small_patch16_224", "blocks.1|blocks", "tokens", (4, 4), **VIT),
    of("vit_srelpos_small_patch16_224", "norm|blocks.1|blocks", "tokens", (4, 4), **VIT),
    of("vit_small_patch16_dinov3", "norm|blocks", "tokens", (4, 4), 5, **VIT),
    of("eva02_tiny_patch14_224", "blocks.1|blocks", "tokens", (4, 4), 1, **{**VIT, "patch_size": 16}),
    of("beit_base_patch16_224", "blocks.1|blocks", "tokens", (4, 4), 1, **VIT),
    of("deit3_small_patch16_224", "blocks.1.norm1", "tokens", (4, 4), 1, **VIT),
    of("flexivit_small", "blocks.1.norm1", "tokens", (4, 4), 1, **VIT),
    of("samvit_base_patch16_224", "neck", "maps", (4, 4), **VIT),
    of("swin_s3_tiny_224", "norm", "maps last", (8, 8), img_size=64, **SWIN),
    of("swinv2_cr_tiny_224", "stages", "maps", (8, 8), img_size=64, **SWIN),
    of("swinv2_tiny_window8_256", "norm", "maps last", (8, 8), img_size=64, **SWIN),
    of("hiera_tiny_224", "blocks.3|blocks", "tokens", (7, 7), side=224, embed_dim=8, stages=(1, 1, 1, 1)),
    of("levit_128s", "stages", "tokens", (4, 4), side=224),
    of("mvitv2_tiny", "norm", "tokens", (2, 2), img_size=64),
    of("nest_tiny", "norm", "maps last", (4, 4), img_size=64),
    of("pvt_v2_b1", "stages", "maps", MAPS, depths=(1, 1, 1, 1), embed_dims=(8, 16, 40, 64)),
    of("twins_svt_small", "norm", "tokens", (2, 2), img_size=64, depths=(1, 1, 1, 1)),
    of("visformer_tiny", "norm", "maps", MAPS, img_size=64),
    of("xcit_nano_12_p16_224", "cls_attn_blocks.1.norm1", "tokens", (4, 4), 1, img_size=64, depth=2),
    of(
        "convit_tiny",
        *("blocks.1.norm1", "tokens", (4, 4), 1),
        img_size=64,
        embed_dim=32,
        depth=2,
        num_heads=2,
        local_up_to_layer=1,
    ),
    of("gmixer_24_224", "norm", "tokens", (4, 4), img_size=64),
    of("resmlp_12_224", "norm", "tokens", (4, 4), img_size=64),
    of("gmlp_s16_224", "norm", "tokens", (4, 4), img_size=64),
    of(
        "davit_tiny",
        *("stages", "maps", MAPS),
        depths=(1, 1, 1, 1),
        embed_dims=(8, 16, 24, 32),
        num_heads=(1, 2, 3, 4),
    ),
    of("focalnet_tiny_srf", "norm", "maps", MAPS),
    of("efficientvit_b0", "head.in_conv"),
    of("mobilevitv2_050", "stages"),
    of("edgenext_xx_small", "stages", depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
    of("repvit_m0_9", "stages", depth=(1, 1, 1, 1), embed_dim=(8, 16, 24, 32)),
    of("swiftformer_xs", "norm", "maps", MAPS, layers=[1, 1, 1, 1], embed_dims=[8, 16, 24, 32]),
    of("mambaout_femto", "stages", "maps last", MAPS, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32)),
    of("caformer_s18", "stages"),
    of("fastvit_t8", "final_conv"),
)
TIMM = CONVOLUTIONS + ATTENTION
