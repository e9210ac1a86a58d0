"""Small networks with attention, and slow references for it: attention as the network's own package gives
it out where it is asked for it step by step, or by hand from the weights; formulas written as loops."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from oracles import in_double
from torch import Tensor, nn

from reportgen.engine.needs import Probe
from reportgen.engine.targets import Slot
from reportgen.probes.attention import AttentionMaps
from reportgen.probes.attention_rollout import AttentionRollout
from reportgen.probes.legrad import LeGrad
from reportgen.probes.transmm import TransMM

FILE = Path(__file__).parent / "matrix" / "networks.py"
spec = importlib.util.spec_from_file_location("networks_of_the_attention", FILE)
networks = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = networks  # dataclasses look their module up
spec.loader.exec_module(networks)


@dataclass
class Recorded:
    """One forward with the graph kept: logits (N, classes), every attention (N, heads, queries, keys), and
    the tokens that each block gives."""

    logits: Tensor
    attention: list[Tensor]
    tokens: list[Tensor]


@dataclass(frozen=True)
class Family:
    """A network; how its package gives out attention; its blocks; what it does after the last of them."""

    make: Callable[[], nn.Module]
    record: Callable[[nn.Module, Tensor], tuple[Tensor, list[Tensor]]]
    blocks: Callable[[nn.Module], Any]
    tail: Callable[[nn.Module, Tensor], Tensor]
    tokens: int
    prefix: int
    read: range  # the queries that are read at the last block
    pool: bool = False  # whether a last attention pools the patches


def by_timm(network: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """timm hands its weights to a dropout, where it is told not to fuse them."""
    kept: list[Tensor] = []
    for module in network.modules():
        if hasattr(module, "attn_drop"):
            module.fused_attn = False
            module.attn_drop.register_forward_hook(lambda _m, _args, out: kept.append(out))
        if hasattr(module, "latent"):
            module.forward = lambda x, m=module: pooled_by_hand(m, x, kept)
    return network(x), kept


def pooled_by_hand(pool: nn.Module, x: Tensor, kept: list[Tensor]) -> Tensor:
    """timm's attention pool, one learned query and one head at a time; it gives its weights to nobody."""
    queries, both = (
        pool.q(pool.latent)[0, 0].chunk(pool.num_heads),
        pool.kv(x),
    )  # (heads·d,), (N, L, 2·heads·d)
    keys, values = (part.chunk(pool.num_heads, 2) for part in both.chunk(2, 2))
    weights = [(k @ (q * pool.scale)).softmax(1) for q, k in zip(queries, keys, strict=True)]  # each (N, L)
    kept.append(torch.stack(weights, 1)[:, :, None])
    parts = [(kept[-1][:, h, 0, :, None] * v).sum(1) for h, v in enumerate(values)]  # each (N, d)
    y = pool.proj(torch.cat(parts, 1))
    return y + pool.mlp(pool.norm(y))


def by_torchvision(network: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """torch.nn works its weights out where it is asked for them: in a softmax of its own."""
    kept: list[Tensor] = []

    def softmax(scores: Tensor, dim: int) -> Tensor:
        kept.append(scores.softmax(dim).unflatten(0, (len(x), -1)))
        return kept[-1].flatten(0, 1)

    for module in network.modules():
        if isinstance(module, nn.MultiheadAttention):
            forward = type(module).forward.__get__(module)
            module.forward = lambda *qkv, need_weights, forward=forward: forward(*qkv, need_weights=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "softmax", softmax)
        return network(x), kept


def by_transformers(network: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """transformers gives them out in its eager mode."""
    network.net.set_attn_implementation("eager")
    out = network.net(pixel_values=x.double(), output_attentions=True)
    return out.logits, list(out.attentions)


def timm_tail(network: nn.Module, z: Tensor) -> Tensor:
    return network.forward_head(network.norm(z))


def dinov2_tail(net: nn.Module, z: Tensor) -> Tensor:
    z = net.net.dinov2.layernorm(z)
    return net.net.classifier(torch.cat([z[:, 0], z[:, 1:].mean(1)], 1))


def of_timm(name: str, tokens: int, prefix: int, read: range, pool: bool = False, **options: Any) -> Family:
    make = networks.timm(name, **{**networks.VIT, **options})
    return Family(make, by_timm, lambda net: net.blocks, timm_tail, tokens, prefix, read, pool)


FAMILIES = {
    "timm class token": of_timm("vit_tiny_patch16_224", 17, 1, range(1)),
    "timm registers": of_timm("vit_small_patch14_reg4_dinov2", 21, 5, range(1), patch_size=16),
    "timm mean": of_timm("vit_tiny_patch16_224", 17, 1, range(1, 17), global_pool="avg"),
    "timm distilled": of_timm("deit_tiny_distilled_patch16_224", 18, 2, range(2)),
    "timm pool": of_timm("vit_base_patch16_siglip_224", 16, 0, range(1), True),
    "timm pool beside registers": of_timm("vit_so150m_patch16_reg4_map_256", 20, 4, range(1), True),
    "timm rotary": of_timm("eva02_tiny_patch14_224", 17, 1, range(1, 17), patch_size=16),
    "torchvision": Family(
        networks.tv_vit,
        by_torchvision,
        lambda net: net.encoder.layers,
        lambda net, z: net.heads(net.encoder.ln(z)[:, 0]),
        *(17, 1, range(1)),
    ),
    "transformers ViT": Family(
        networks.hf("ViT", **networks.HF_VIT),
        by_transformers,
        lambda net: net.net.vit.layers,
        lambda net, z: net.net.classifier(net.net.vit.layernorm(z)[:, 0]),
        *(17, 1, range(1)),
    ),
    "transformers BEiT": Family(
        networks.hf("Beit", use_relative_position_bias=True, use_mean_pooling=True, **networks.HF_VIT),
        by_transformers,
        lambda net: net.net.beit.layers,
        lambda net, z: net.net.classifier(net.net.beit.pooler(z)),
        *(17, 1, range(1, 17)),
    ),
    "transformers DINOv2": Family(
        networks.hf("Dinov2", **{**networks.HF_VIT, "mlp_ratio": 2}),
        by_transformers,
        lambda net: net.net.dinov2.encoder.layer,
        dinov2_tail,
        *(17, 1, range(1)),
    ),
}


PROBES: dict[str, Probe] = {
    "attention": AttentionMaps(("auto", 1)),
    "attention-rollout": AttentionRollout(),
    "attention-rollout, 0.2": AttentionRollout(0.2),
    "legrad": LeGrad(),
    "transmm": TransMM(),
}


@dataclass(frozen=True)
class AttendingCase:
    """A family's network in float64, with two images, and its twin that gives out its attention."""

    family: Family
    network: nn.Module
    twin: nn.Module
    pixels: Tensor
    measured: Callable[..., Any]

    @cached_property
    def done(self) -> Any:
        """All four visualizations, measured for the two most probable classes in one pass."""
        slots = (Slot("predicted"), Slot("predicted", 2))
        return self.measured(self.network, self.pixels, *PROBES.values(), slots=slots)

    def found(self, name: str, slot: int = 0) -> dict[str, Any]:
        return self.done.findings(PROBES[name], slot)

    def recorded(self) -> Recorded:
        tokens: list[Tensor] = []

        def keep(_module: nn.Module, _args: Any, out: Any) -> None:
            tokens.append(out if isinstance(out, Tensor) else out[0])

        handles = [block.register_forward_hook(keep) for block in self.family.blocks(self.twin)]
        logits, attention = self.family.record(self.twin, self.pixels)
        for handle in handles:
            handle.remove()
        return Recorded(logits, attention, tokens)

    def map(self, values: Tensor) -> Tensor:
        """Numbers of all tokens (N, tokens) as a map of the 4×4 patches, row by row."""
        return values[:, self.family.prefix :].reshape(len(values), 4, 4)


def lively(network: nn.Module) -> nn.Module:
    """Weights large enough that attention is not the same everywhere, and biases that do something."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim == 2 and "head" not in name:
                weight.normal_(0, 1.2 * weight.shape[1] ** -0.5, generator=generator)
            elif "bias" in name or "position" in name or "pos_embed" in name:
                weight.normal_(0, 0.2, generator=generator)
            elif weight.ndim > 2 and weight.shape[0] == 1:
                weight.normal_(0, 0.5, generator=generator)
    return network


def build(name: str, measured: Callable[..., Any]) -> AttendingCase:
    family = FAMILIES[name]
    network = lively(networks.built(networks.Known(name, family.make, "", "tokens", (4, 4))))
    twin = copy.deepcopy(network).double().eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)).double()
    return AttendingCase(family, in_double(network.eval()), twin, x, measured)


@pytest.fixture(scope="session")
def attending_case(measured: Callable[..., Any]) -> Callable[[str], AttendingCase]:
    """Builds one of the families by name, once."""

    @cache
    def of(name: str) -> AttendingCase:
        if name.split()[0] in ("timm", "transformers"):
            pytest.importorskip(name.split()[0])
        return build(name, measured)

    return of


TOURED = ("timm distilled", "timm rotary", "transformers DINOv2")  # in `make matrix` alone


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.matrix if name in TOURED else ()) for name in FAMILIES]
)
def attending(request: Any, attending_case: Callable[[str], AttendingCase]) -> AttendingCase:
    """Each family in turn. `-k torchvision` takes one alone."""
    return attending_case(request.param)
