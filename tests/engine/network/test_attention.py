"""Attention where it happens: caught whatever it is written as, and what it runs over."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reportgen.engine.network.catching import Catcher
from reportgen.engine.network.head import Head
from reportgen.engine.network.layout import Layout
from reportgen.engine.network.trace import trace


def caught(do, *args) -> tuple[Tensor, list[Tensor]]:
    """What a function gives while its attention is worked out step by step, and the weights."""
    kept: list[Tensor] = []

    def catch(_number: int, call) -> Tensor:
        kept.append(call.weights())
        return call.result(kept[-1])

    with Catcher(catch):
        return do(*args), kept


def qkv(heads: int = 4, keys: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((2, 4, 5, 8), (2, heads, keys, 8), (2, heads, keys, 6))
    q, k, v = (torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes)
    return q, k, v


NOTHING = torch.zeros(5, 7, dtype=torch.bool)
SOME = torch.arange(35).view(5, 7) % 3 > 0
FUSED = {
    "plain": {},
    "scale": {"scale": 0.3},
    "causal": {"is_causal": True},
    "bias": {"attn_mask": torch.linspace(-2, 2, 35, dtype=torch.float64).view(5, 7)},
    "mask": {"attn_mask": SOME},
    "mask of everything": {"attn_mask": NOTHING},
}


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_kernel_is_worked_out_step_by_step_to_the_same_values(name):
    q, k, v = qkv()
    options = FUSED[name]
    out, (weights,) = caught(lambda: F.scaled_dot_product_attention(q, k, v, **options))
    assert torch.allclose(out, F.scaled_dot_product_attention(q, k, v, **options), atol=1e-12)
    assert torch.allclose(out, weights @ v, atol=1e-12)
    total = 0.0 if name == "mask of everything" else 1.0
    assert torch.allclose(weights.sum(-1), torch.full((2, 4, 5), total, dtype=torch.float64))


def test_heads_that_share_keys_have_each_their_own_weights():
    q, k, v = qkv(heads=2)
    out, (weights,) = caught(lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
    assert weights.shape == (2, 4, 5, 7)
    assert torch.allclose(out, F.scaled_dot_product_attention(q, k, v, enable_gqa=True), atol=1e-12)


SOFTMAXES = {
    "torch": lambda s: torch.softmax(s, -1),
    "method": lambda s: s.softmax(dim=3),
    "functional": lambda s: F.softmax(s, dim=-1, dtype=torch.float64),
    "module": nn.Softmax(dim=-1),
}


@pytest.mark.parametrize("name", SOFTMAXES)
def test_steps_of_the_networks_own_are_caught_at_the_softmax_once(name):
    q, k, v = qkv()
    out, kept = caught(lambda: SOFTMAXES[name](q @ k.mT / math.sqrt(8)) @ v)
    assert len(kept) == 1
    assert torch.allclose(out, F.scaled_dot_product_attention(q, k, v), atol=1e-12)


@pytest.mark.parametrize("asked", [False, True])
def test_the_attention_of_torch_nn_is_stepped_into(asked):
    torch.manual_seed(0)
    layer, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(3, 5, 8)
    asks = F.has_torch_function
    with torch.no_grad():
        expected, right = layer(x, x, x, need_weights=True, average_attn_weights=False)
        (out, _), (weights,) = caught(lambda: layer(x, x, x, need_weights=asked))
    assert torch.allclose(out, expected, atol=1e-6)
    assert torch.allclose(weights.reshape(3, 2, 5, 5), right, atol=1e-6)
    assert F.has_torch_function is asks, "what was changed of torch for it is as it was"


def test_the_encoder_layer_of_torch_nn_does_not_pass_by_on_its_fast_path():
    layer, x = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval(), torch.randn(3, 5, 8)
    with torch.no_grad():
        out, kept = caught(layer, x)
        assert len(kept) == 1 and torch.allclose(out, layer(x), atol=1e-5)


class Blocks(nn.Module):
    """Patches with tokens before and behind them, one block of attention, and a choice of what is read."""

    def __init__(self, before: int, behind: int, read: slice) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.before = nn.Parameter(torch.randn(1, before, 8))
        self.behind = nn.Parameter(torch.randn(1, behind, 8))
        self.qkv, self.norm, self.head = nn.Linear(8, 24), nn.LayerNorm(8), nn.Linear(8, 3)
        self.read = read

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        n = len(x)
        y = torch.cat([self.before.expand(n, -1, -1), y, self.behind.expand(n, -1, -1)], 1)
        q, k, v = self.qkv(y).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        y = y + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(self.norm(y)[:, self.read].mean(1))


@pytest.mark.parametrize(
    ("before", "behind", "chosen", "read"),
    [
        (1, 0, slice(0, 1), (0,)),
        (3, 0, slice(1, 2), (1,)),  # neither the first nor the last of those that are no patches
        (2, 0, slice(2), (0, 1)),
        (0, 1, slice(24, 25), (24,)),
        (1, 2, slice(25, 26), (25,)),
        (0, 0, slice(None), tuple(range(24))),
        (1, 0, slice(1, None), tuple(range(1, 25))),
        (5, 0, slice(5, None), tuple(range(5, 29))),
        (1, 0, slice(None), (0,)),  # both: the class token stands for the answer
    ],
)
def test_the_queries_that_are_read_are_found_wherever_they_stand(before, behind, chosen, read):
    facts = trace(Blocks(before, behind, chosen).eval(), (3, 16, 24))
    (attention,) = facts.attentions
    order = tuple(range(before, before + 24)) if behind else None
    assert attention.keys == attention.queries == Layout("tokens", (4, 6), before, order)
    assert attention.shape == (2, 24 + before + behind, 24 + before + behind)
    assert attention.read == read
    values = torch.arange(24.0 + before + behind)
    assert attention.on_grid(values).flatten().tolist() == list(range(before, before + 24))


class Named(Blocks):
    """It answers with a dict."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"features": x, "logits": super().forward(x)}


def test_the_queries_are_read_by_the_output_that_the_head_names():
    network = Named(1, 0, slice(0, 1)).eval()
    for output in ("logits", Head(output="logits")):
        assert trace(network, (3, 16, 24), output=output).attentions[0].read == (0,)


class Padded(nn.Module):
    """A window that is larger than the grid, and filled up beyond the image."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.pad(self.embed(x), (0, 1, 0, 3)).flatten(2).transpose(1, 2)  # 7×7 of 4×6
        return self.head((torch.softmax(y @ y.mT, -1) @ y).unflatten(1, (7, 7))[:, :4, :6].mean((1, 2)))


def test_what_fills_a_window_up_is_no_patch():
    (attention,) = trace(Padded().eval(), (3, 16, 24)).attentions
    assert attention.keys.grid == (4, 6)
    assert attention.read == tuple(7 * row + column for row in range(4) for column in range(6))
    assert len(attention.others) == 49 - 24
