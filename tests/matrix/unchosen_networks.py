"""Networks of families that no rule of the engine was written for, and what an expert says of each.

The layer is the last one whose patches the logits depend on, read off the network's own code: where it is
pooled (`forward_head`), before the last attention where a class token answers, behind a final norm. What
was written here was written before the engine was asked.
"""

from __future__ import annotations

from typing import Any

from matrix.networks import HF_VIT, Known, hf, timm
from matrix.transformers_networks import with_a_text_model

Sides = tuple[int, int]
# no side is the other: rows that are taken for columns would show
WIDE, GRID, PATCHES = (64, 96), (2, 3), (4, 6)
SIZED: dict[str, Any] = {"img_size": WIDE}
NARROW = {"depth": 2, "embed_dim": 32, "num_heads": 2}
ONE = {"serial_depths": (1, 1, 1, 1)}
SMALL_VIT = {**SIZED, **NARROW}


def of(
    name: str,
    auto: str,
    grid: Sides = GRID,
    kind: str = "maps",
    prefix: int = 0,
    sides: Sides = WIDE,
    **options: Any,
) -> Known:
    return Known(f"timm {name}", timm(name, **options), auto, kind, grid, prefix, (3, *sides))


def tokens(name: str, auto: str, grid: Sides, prefix: int, sides: Sides = WIDE, **options: Any) -> Known:
    return of(name, auto, grid, "tokens", prefix, sides, **options)


CONVOLUTIONS = (
    of("tresnet_m", "body"),
    of("hrnet_w18_small", "final_layer"),
    of("dm_nfnet_f0", "final_act"),
    of("hgnet_tiny", "stages"),  # the last convolution comes after the pool
    of("convmixer_1024_20_ks9_p14", "blocks", (8, 12), sides=(112, 168)),
    of("rdnet_tiny", "norm_pre|dense_stages"),
    of("inception_v4", "features", (3, 4), sides=(139, 171)),
    of("inception_resnet_v2", "conv2d_7b", (3, 3), sides=(139, 139)),
    of("legacy_xception", "act4", (3, 3), sides=(96, 96)),
    of("xception41", "act|blocks", (3, 3), sides=(96, 96)),
    of("nasnetalarge", "act", (3, 3), sides=(96, 96)),
    of("pnasnet5large", "act", (3, 3), sides=(96, 96)),
    of("dpn48b", "features"),  # the classifier is a convolution after the pool
    of("fasternet_t0", "stages"),
    of("cspnext_tiny", "stages"),
    of("lcnetv2_small", "stages"),
    of("repghostnet_050", "blocks"),
    of("ghostnetv3_050", "blocks"),
    of("mixnet_s", "bn2"),
    of("tf_efficientnetv2_b0", "bn2"),
    of("regnetz_b16", "final_conv"),
    of("mobileone_s0", "stages|final_conv"),
    of("cspresnet50", "stages"),
    of("densenetblur121d", "features"),
    of("vgg11", "features", (7, 7), sides=(224, 224)),  # what follows has one place
    of("resnetrs50", "layer4"),
    of("convnext_zepto_rms", "stages|norm_pre"),
    of("csatv2", "stages", sides=(128, 192)),
)
MIXED = (
    of("efficientformerv2_s0", "norm", **SIZED),
    of("efficientvit_m0", "stages", sides=(128, 192), img_size=(128, 192)),
    of("gcvit_xxtiny", "stages", **SIZED),
    of("tiny_vit_5m_224", "stages"),
    of("maxvit_pico_rw_256", "norm", **SIZED),
    of("maxvit_tiny_tf_224", "norm|stages", **SIZED),
    of("maxxvitv2_nano_rw_256", "norm", **SIZED),
    of("coatnext_nano_rw_224", "norm", **SIZED),
    of("shvit_s1", "stages", sides=(128, 192)),
    of("nextvit_small", "norm"),
    of("botnet26t_256", "stages|final_conv", **SIZED),
    of("halonet26t", "stages|final_conv", (8, 8), sides=(256, 256)),
    of("lambda_resnet26t", "stages|final_conv", sides=(64, 64), grid=(2, 2)),
    of("bat_resnext26ts", "stages|final_conv", (8, 8), sides=(256, 256)),
    of("iformer_s", "stages"),
    of("efficientvim_m1", "norm.3", sides=(128, 192)),  # of four heads the one that has places
    of("cpubone_nano", "head.in_conv"),
    of("lowformer_b0", "in_conv"),
    of("mobilenetv5_base", "msfa", (16, 16), sides=(64, 64)),  # of several scales, brought to one
    of("fastvit_sa12", "final_conv"),
    of("edgenext_small_rw", "stages|norm_pre"),
    of("visformer_small", "norm", **SIZED),
    of("mobilevit_s", "final_conv"),
    of("levit_conv_128s", "stages", (4, 5), sides=(224, 288), img_size=(224, 288)),
    of("hieradet_small", "blocks.15", kind="maps last"),
    of("sequencer2d_s", "norm", (4, 6), "maps last", sides=(56, 84)),
    of("qwen3_vit_88m", "encoder", PATCHES, "maps last", **NARROW),
    of("deepseek_vit_412m", "encoder", (6, 8), "maps last", sides=(84, 112), **NARROW),
)
TOKENS = (
    # class tokens of three scales: the last that sees patches is the coarsest
    tokens("coat_tiny", "parallel_blocks.0.norm14", GRID, 1, **ONE, parallel_depth=1, **SIZED),
    tokens("coat_lite_mini", "serial_blocks4.0.norm1", GRID, 1, **ONE, **SIZED),
    # the class token of one branch looks at the patches of the other
    tokens("crossvit_9_240", "blocks.2.fusion.1.norm1", (20, 20), 1, (240, 240)),
    tokens("pit_ti_224", "transformers.2.blocks.3.norm1", GRID, 1, **SIZED),
    tokens("pit_ti_distilled_224", "transformers.2.blocks.3.norm1", GRID, 2, **SIZED),
    # the class token, and the strongest of what every patch says
    tokens("volo_d1_224", "norm", PATCHES, 1, **SIZED),
    tokens("tnt_s_patch16_224", "blocks.1.norm_out", PATCHES, 1, depth=2, **SIZED),
    tokens("vitamin_small_224", "blocks|norm", PATCHES, 0, depth=2, **SIZED),
    tokens("naflexvit_base_patch16_gap", "blocks.1|norm", PATCHES, 4, **NARROW),
    tokens("naflexvit_base_patch16_map", "norm", PATCHES, 1, **NARROW),
    tokens("gemma4_vit_167m", "encoder", (6, 9), 0, (96, 144), **NARROW),
    tokens("twins_pcpvt_small", "norm", GRID, 0, **SIZED),
    tokens("mvitv2_small_cls", "stages.3.blocks.1.norm1", (2, 2), 1, (64, 64), img_size=64),
    tokens("vit_base_r50_s16_224", "blocks.1.norm1", PATCHES, 1, depth=2, **SIZED),
    tokens("vit_tiny_r_s16_p8_224", "blocks.1.norm1", GRID, 1, depth=2, **SIZED),
    tokens("vit_base_mci_224", "blocks.1.norm1", PATCHES, 1, depth=2, **SIZED),
    tokens("vit_so150m_patch16_reg4_map_256", "norm", PATCHES, 4, **SMALL_VIT),
    tokens("vit_pwee_patch16_reg1_gap_256", "blocks|norm", PATCHES, 1, **SMALL_VIT),
    tokens("aimv2_large_patch14_224", "norm", (4, 4), 0, (56, 56), img_size=56, **NARROW),
    tokens("vit_pe_core_tiny_patch16_384", "norm", PATCHES, 1, **SMALL_VIT),
    tokens("vit_medium_patch16_rope_reg1_gap_256", "blocks.1|norm", PATCHES, 1, **SMALL_VIT),
    tokens("eva_giant_patch14_224", "blocks.1|norm", (4, 4), 1, (56, 56), img_size=56, **NARROW),
    tokens("vit_relpos_base_patch16_cls_224", "blocks.1.norm1", PATCHES, 1, **SMALL_VIT),
    tokens("beitv2_base_patch16_224", "blocks.1|norm", PATCHES, 1, **SMALL_VIT),
    tokens("xcit_tiny_12_p8_224", "cls_attn_blocks.1.norm1", (8, 12), 1, depth=2, **SIZED),
    tokens("levit_384_s8", "stages", (7, 7), 0, (224, 224)),
)


def transformer(
    name: str, make: Any, auto: str, kind: str, grid: Sides, prefix: int = 0, sides: Sides = (64, 64)
) -> Known:
    autos = "|".join(f"net.{part}" for part in auto.split("|"))
    return Known(f"transformers {name}", make, autos, kind, grid, prefix, (3, *sides))


HGNET = {
    "depths": [1] * 4,
    "embedding_size": 8,
    "hidden_sizes": [8, 16, 24, 32],
    "stem_channels": [3, 4, 8],
    "stage_in_channels": [8, 8, 16, 24],
    "stage_mid_channels": [4, 8, 8, 8],
    "stage_num_blocks": [1] * 4,
    "stage_out_channels": [8, 16, 24, 32],
    "stage_numb_of_layers": [1] * 4,
}
LEVIT = {
    "image_size": 128,
    "hidden_sizes": [16, 24, 32],
    "num_attention_heads": [2] * 3,
    "depths": [1] * 3,
    "key_dim": [8] * 3,
}
PERCEIVER = {
    "num_latents": 8,
    "d_latents": 32,
    "num_blocks": 1,
    "num_self_attends_per_block": 2,
    "num_self_attention_heads": 2,
    "num_cross_attention_heads": 2,
}
TRANSFORMERS = (
    transformer("HGNetV2", hf("HGNetV2", **HGNET), "encoder.stages.3", "maps", GRID, 0, WIDE),
    transformer("PPLCNet", hf("PPLCNet", scale=0.25), "encoder.blocks.4", "maps", GRID, 0, WIDE),
    transformer(
        "MetaClip2",
        with_a_text_model("MetaClip2"),
        *("vision_model.encoder.layers.1|vision_model.encoder", "tokens", (4, 4), 1),
    ),
    transformer(
        "BEiT, shared position bias",
        hf("Beit", use_shared_relative_position_bias=True, **HF_VIT),
        *("beit.layers.1|beit.layernorm", "tokens", (4, 4), 1),
    ),
    transformer(
        "DeiT with teacher",
        hf("DeiT", "WithTeacher", **HF_VIT),
        *("deit.layers.1.layernorm_before", "tokens", (4, 4), 2),
    ),
    transformer(
        "Levit with teacher",
        hf("Levit", "WithTeacher", **LEVIT),
        *("levit.encoder.stages.2", "tokens", (2, 2), 0, (128, 128)),
    ),
    # its latents lie nowhere: the last places are those that they look at
    transformer(
        "Perceiver",
        hf("Perceiver", "ConvProcessing", **PERCEIVER),
        *("perceiver.encoder.cross_attention.attention.self.layernorm2", "tokens", (15, 15)),
    ),
    transformer(
        "timm wrapper", hf("TimmWrapper", architecture="resnet18"), "timm_model.layer4", "maps", GRID, 0, WIDE
    ),
)
UNCHOSEN = CONVOLUTIONS + MIXED + TOKENS + TRANSFORMERS
