"""LeGrad against its definition, written slowly: block by block, head by head, query by query."""

from __future__ import annotations

import pytest
import torch
from attending import networks
from torch import Tensor

from reportgen.engine.needs import token_blocks
from reportgen.engine.network.trace import trace
from reportgen.engine.targets import Slot
from reportgen.findings import NotApplicable
from reportgen.probes.legrad import LeGrad


def probes(_known):
    return {"legrad": LeGrad()}


def slow_legrad(case, targets: Tensor) -> Tensor:
    """Bousselham et al. 2024, sec. 3.2: E = mean over heads and queries of (ds/dA)⁺, the mean over blocks."""
    recorded, prefix = case.recorded(), case.family.prefix
    total = torch.zeros(2, 4, 4, dtype=torch.float64)
    for tokens, attention in zip(recorded.tokens, recorded.attention, strict=False):  # not the one that pools
        scores = case.family.tail(case.twin, tokens)
        for image, target in enumerate(targets):
            (gradient,) = torch.autograd.grad(scores[image, target], attention, retain_graph=True)
            _, heads, queries, keys = gradient.shape
            for place in range(16):
                key = prefix + place
                each = [
                    max(0.0, float(gradient[image, h, q, key])) for h in range(heads) for q in range(queries)
                ]
                assert keys == case.family.tokens
                total[image, place // 4, place % 4] += sum(each) / len(each)
    return total / len(recorded.tokens)


def test_it_is_the_mean_of_the_rectified_gradients_of_every_blocks_own_score(attending, off_by):
    for slot, tape in enumerate(attending.done.tapes):
        expected = slow_legrad(attending, tape.targets)
        assert off_by(attending.found("legrad", slot)["map"].values, expected) < 1e-5
    assert attending.found("legrad")["blocks"].text == "The mean over 2 blocks."


def test_it_costs_what_the_plan_says(attending_case, measured):
    case, slots = attending_case("timm class token"), (Slot("predicted"), Slot("predicted", 2))
    found = measured(case.network, case.pixels, LeGrad(), slots=slots)
    # two forwards: its own and the first block's score; two backwards a class
    assert found.engine.counted.as_cost() == {"forwards": 6, "backwards": 8, "occlusion_forwards": 0}
    planned = found.chosen.plan().cost(2)
    assert (planned["forwards"], planned["backwards"]) == (6, 8)


def test_the_gradient_is_what_a_little_more_attention_adds_to_the_blocks_score(attending_case):
    """By differences, with the rest of a first block worked out by hand from timm's weights."""
    case = attending_case("timm class token")
    net, block = case.twin, case.twin.blocks[0]
    recorded = case.recorded()
    start = net.norm_pre(net.patch_drop(net._pos_embed(net.patch_embed(case.pixels))))
    values = block.attn.qkv(block.norm1(start)).reshape(2, 17, 3, 2, 16)[:, :, 2].transpose(1, 2)

    def score(attention: Tensor) -> Tensor:
        mixed = (attention @ values).transpose(1, 2).reshape(2, 17, 32)
        after = start + block.attn.proj(mixed)
        return case.family.tail(net, after + block.mlp(block.norm2(after)))[0, 3]

    attention = recorded.attention[0]
    (gradient,) = torch.autograd.grad(
        case.family.tail(net, recorded.tokens[0])[0, 3], attention, retain_graph=True
    )
    with torch.no_grad():
        for head, query, key in ((0, 0, 0), (1, 0, 5), (0, 0, 16), (1, 3, 4)):
            more, less = attention.clone(), attention.clone()
            more[0, head, query, key] += 1e-5
            less[0, head, query, key] -= 1e-5
            difference = float(score(more) - score(less)) / 2e-5
            assert float(gradient[0, head, query, key]) == pytest.approx(difference, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("cait_xxs24_224", {"embed_dim": 32, "depth": 1, "num_heads": 2}, "one row of tokens"),
        ("pvt_v2_b0", {"depths": (1, 1, 1, 1)}, "one row of tokens"),
        ("tnt_s_patch16_224", {"embed_dim": 48, "depth": 2, "num_heads_outer": 2}, "is local"),
    ],
)
def test_networks_without_blocks_that_hand_tokens_on_are_refused_in_words(name, options, why):
    pytest.importorskip("timm")
    size = {} if name.startswith("pvt") else {"img_size": 64}
    facts = trace(networks.timm(name, **size, **options)().eval(), (3, 64, 64))
    with pytest.raises(NotApplicable, match=why):
        LeGrad().needs(facts)


def test_blocks_that_give_maps_with_channels_last_are_blocks():
    pytest.importorskip("timm")
    options = {"img_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 2, "window_size": 4}
    facts = trace(networks.timm("samvit_base_patch16_224", **options)().eval(), (3, 64, 64))
    assert [one.block for one in token_blocks(facts)] == ["blocks.0", "blocks.1"]
