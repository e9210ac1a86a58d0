"""Attention maps against what the networks' own packages give out, and against a loop over the weights."""

from __future__ import annotations

import math

import pytest
import torch
from attending import networks
from torch import Tensor, nn

from reportgen.engine.needs import attentions
from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.findings import NotApplicable
from reportgen.probes.attention import AttentionMaps


def probes(_known):
    return {"attention": AttentionMaps()}


def test_maps_and_heads_are_what_the_package_gives_out(attending, off_by):
    """Of the last attention, and of a chosen earlier one."""
    shown = attending.found("attention")
    recorded, family = attending.recorded().attention, attending.family
    for name, number in (("", -1), ("-2", 0)):
        a = recorded[number].detach()  # (N, heads, queries, keys)
        read = family.read
        if family.pool and number == 0:
            read = range(family.prefix, family.tokens)  # no class token: all patches as queries
        each = torch.stack([a[:, :, q] for q in read]).mean(0)  # (N, heads, keys)
        prefix = a.shape[3] - 16
        assert shown[f"heads{name}"].values.shape == (2, 2, 4, 4)
        assert off_by(shown[f"heads{name}"].values, each[:, :, prefix:].reshape(2, 2, 4, 4)) < 1e-5
        assert off_by(shown[f"map{name}"].values, each[:, :, prefix:].mean(1).reshape(2, 4, 4)) < 1e-5
        if prefix:
            share = shown[f"share-of-other-tokens{name}"].values
            assert share == pytest.approx(100 * each[:, :, :prefix].mean(1).sum(1).numpy(), rel=1e-4)
        else:
            assert f"share-of-other-tokens{name}" not in shown


def test_it_is_the_softmax_of_queries_and_keys_by_hand(attending_case):
    """The class token's attention in the first block of timm's ViT, head by head, from the weights alone."""
    case = attending_case("timm class token")
    net, x = case.twin, case.pixels
    patches = torch.zeros(2, 16, 32, dtype=torch.float64)
    for place in range(16):
        row, column = divmod(place, 4)
        patch = x[:, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        for channel in range(32):
            weight = net.patch_embed.proj.weight[channel]
            patches[:, place, channel] = (patch * weight).sum((1, 2, 3)) + net.patch_embed.proj.bias[channel]
    tokens = torch.cat([net.cls_token.expand(2, -1, -1), patches], 1) + net.pos_embed
    block = net.blocks[0]
    mean, variance = tokens.mean(2, keepdim=True), tokens.var(2, keepdim=True, unbiased=False)
    normed = (tokens - mean) / (variance + block.norm1.eps).sqrt() * block.norm1.weight + block.norm1.bias
    weight, bias = block.attn.qkv.weight, block.attn.qkv.bias
    expected = torch.zeros(2, 2, 17, dtype=torch.float64)
    for head in range(2):
        rows = slice(16 * head, 16 * head + 16)
        q = normed[:, 0] @ weight[:32][rows].T + bias[:32][rows]  # (N, 16), of the class token
        for token in range(17):
            k = normed[:, token] @ weight[32:64][rows].T + bias[32:64][rows]
            expected[:, head, token] = (q * k).sum(1) / math.sqrt(16)
    expected = expected.exp() / expected.exp().sum(2, keepdim=True)
    assert torch.allclose(expected, case.recorded().attention[0][:, :, 0].detach(), atol=1e-12)


class Bright(nn.Module):
    """One head that attends to bright patches: keys are brightnesses, the query is one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 8, 8)
        nn.init.constant_(self.embed.weight, 1 / 192)
        nn.init.zeros_(self.embed.bias)
        self.token = nn.Parameter(torch.ones(1, 1, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(len(x), -1, -1), y], 1)
        return self.head(torch.softmax(10 * y @ y.transpose(1, 2), -1) @ y)[:, 0]


def test_a_head_that_looks_for_brightness_lights_up_at_the_bright_patch(measured):
    x = torch.zeros(2, 3, 32, 40)
    x[0, :, 8:16, 24:32] = 1  # row 1, column 3 of 4×5
    x[1, :, 24:32, 0:8] = 1  # row 3, column 0
    found = measured(Bright().eval(), x, AttentionMaps()).findings(AttentionMaps())
    values = torch.as_tensor(found["map"].values)
    assert values.shape == (2, 4, 5)
    assert [divmod(int(n), 5) for n in values.flatten(1).argmax(1)] == [(1, 3), (3, 0)]
    share = torch.as_tensor(found["share-of-other-tokens"].values)
    assert torch.allclose(share / 100 + values.sum((1, 2)), torch.ones(2), atol=1e-5)
    assert "the class token as the query" in found["map"].quantity


def test_an_attention_is_named_by_its_module_by_one_around_it_or_by_number():
    pytest.importorskip("timm")
    facts = trace(networks.timm("vit_tiny_patch16_224", **networks.VIT)().eval(), (3, 64, 64))
    for name in ("blocks.0.attn", "blocks.0", 1, "1"):
        assert [one.number for one in attentions(facts, name)] == [1]
    assert [one.number for one in attentions(facts, ("auto", "blocks.0", 2))] == [2, 1]
    for name in ("blocks", "blocks.5", 3):
        with pytest.raises(UnknownName, match="layer with attention"):
            attentions(facts, name)


class Linear(nn.Module):
    """Linear attention: keys and values are summed up before any query sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        q, k = y.softmax(-1), y.softmax(1)
        return self.head((q @ (k.transpose(1, 2) @ y)).mean(1))


class Channels(Linear):
    """Attention of channels over channels: no place attends to a place."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2)
        return self.head((torch.softmax(y @ y.transpose(1, 2), -1) @ y).mean(2))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: networks.tv("resnet18")(), "no attention between places"),
        (Linear, "no attention between places"),
        (Channels, "no attention between places"),
        (networks.tv_swin(), "local"),
        (networks.tv_maxvit, "local"),
    ],
)
def test_what_has_no_map_of_the_image_is_said_in_words(make, why):
    with pytest.raises(NotApplicable, match=why):
        AttentionMaps().needs(trace(make().eval(), (3, 64, 64)))


def test_a_window_that_is_the_whole_grid_is_attention_over_the_image(measured):
    """The last stage of a Swin whose grid has become as small as a window."""
    pytest.importorskip("timm")
    options = {**networks.SWIN, "img_size": 32}
    network = networks.timm("swin_tiny_patch4_window7_224", **options)().eval()
    found = measured(network, torch.randn(1, 3, 32, 32), AttentionMaps()).findings(AttentionMaps())
    assert found["map"].values.shape == (1, 4, 4)
    assert found["map"].values.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(NotApplicable, match="local"):
        AttentionMaps(1).needs(trace(network, (3, 32, 32)))
