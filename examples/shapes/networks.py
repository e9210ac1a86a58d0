"""Four small networks of timm for pictures (N, 3, 64, 64) in [0, 1], normalised; logits (N, 4).

Each keeps a grid of 8 × 8 places to its end, so that no map is coarser than another because of it.
"""

from __future__ import annotations

from typing import cast

import timm
from torch import nn


def _made(name: str, **options: object) -> nn.Module:
    return cast(nn.Module, timm.create_model(name, num_classes=4, **options))


def resnet() -> nn.Module:
    """A ResNet of four blocks; the last two are dilated instead of strided."""
    options = {"layers": (1, 1, 1, 1), "channels": (16, 24, 32, 48), "stem_width": 16}
    return _made("resnet18", output_stride=8, **options)


def convnext() -> nn.Module:
    """A ConvNeXt of five blocks in four stages, dilated likewise."""
    options = {"depths": (1, 1, 2, 1), "dims": (16, 32, 48, 64), "ls_init_value": 1.0}
    return _made("convnext_atto", output_stride=8, **options)


def vit() -> nn.Module:
    """A ViT of four blocks on patches of 8 px, with a class token."""
    options = {"patch_size": 8, "embed_dim": 48, "depth": 4, "num_heads": 3}
    return _made("vit_tiny_patch16_224", img_size=64, **options)


def swin() -> nn.Module:
    """A Swin of two stages: windows of 4 × 4 places, shifted in every second block."""
    options = {"patch_size": 4, "window_size": 4, "embed_dim": 24, "depths": (2, 2), "num_heads": (2, 4)}
    return _made("swin_tiny_patch4_window7_224", img_size=64, **options)
