"""What other tools make of vision transformers as they come: no map, or one of zeros."""

from __future__ import annotations

import pytest
import torch
from attending import FAMILIES, networks
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def transformer() -> nn.Module:
    pytest.importorskip("timm")
    torch.manual_seed(0)
    return FAMILIES["timm class token"].make().eval()


def test_grad_cam_package_gives_zeros_at_a_last_block_that_is_read_by_its_class_token(pixels):
    """Its own example for ViTs takes the last block's first norm; at the block itself nothing is said."""

    def places(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)

    network, target = transformer(), [ClassifierOutputTarget(0)]
    with GradCAM(network, [network.blocks[-1]], reshape_transform=places) as peer:
        assert not peer(pixels, target).any()
    with GradCAM(network, [network.blocks[-1].norm1], reshape_transform=places) as peer:
        assert peer(pixels, target).any()


def test_hooks_on_the_dropout_of_attention_are_never_called_where_timm_fuses_it(pixels):
    """As the rollout scripts that people copy have them: they find no attention at all."""
    network, calls = transformer(), []
    for block in network.blocks:
        block.attn.attn_drop.register_forward_hook(lambda _m, _args, out: calls.append(out))
    network(pixels)
    assert network.blocks[0].attn.fused_attn and not calls


def test_hooks_on_the_attention_of_torchvision_get_none_for_its_weights(pixels):
    network, given = networks.tv_vit().eval(), []
    for module in network.modules():
        if isinstance(module, nn.MultiheadAttention):
            module.register_forward_hook(lambda _m, _args, out: given.append(out[1]))
    network(pixels)
    assert given == [None, None]
