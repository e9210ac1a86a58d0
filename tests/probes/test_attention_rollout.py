"""Attention rollout against its definition, written as loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reportgen.engine.network.trace import trace
from reportgen.engine.targets import Slot
from reportgen.findings import NotApplicable
from reportgen.measure.visualizations import Visualization
from reportgen.probes.attention_rollout import AttentionRollout


def probes(_known):
    return {"attention-rollout": AttentionRollout()}


def slow_rollout(case, residual: float) -> Tensor:
    """Abnar & Zuidema 2020, eq. 1: each layer's 0.5·A + 0.5·I, multiplied up from the input."""
    family = case.family
    attention = [a.detach().mean(1) for a in case.recorded().attention]
    maps = torch.zeros(2, 4, 4, dtype=torch.float64)
    for image in range(2):
        rollout = torch.eye(family.tokens, dtype=torch.float64)
        for number, a in enumerate(attention):
            table = a[image].clone()
            if family.pool and number == len(attention) - 1:
                rollout = table @ rollout[family.tokens - table.shape[1] :]
                continue
            for token in range(family.tokens):
                table[token] *= 1 - residual
                table[token, token] += residual
            rollout = table @ rollout
            assert torch.allclose(rollout.sum(1), torch.ones(family.tokens, dtype=torch.float64))
        row = torch.stack([rollout[q] for q in family.read]).mean(0)
        maps[image] = row[family.prefix :].reshape(4, 4)
    return maps


def test_it_is_the_product_of_all_blocks_attention(attending, off_by):
    for name, residual in (("attention-rollout", 0.5), ("attention-rollout, 0.2", 0.2)):
        assert off_by(attending.found(name)["map"].values, slow_rollout(attending, residual)) < 1e-5


def test_it_says_that_it_knows_no_class_and_is_measured_once_for_all_of_them(attending_case, measured):
    case, probe = attending_case("torchvision"), AttentionRollout()
    found = measured(case.network, case.pixels, probe, slots=(Slot("named", 0), Slot("named", 1)))
    one, other = (found.findings(probe, slot) for slot in (0, 1))
    assert (one["map"].values == other["map"].values).all()
    assert "knows no class" in one["no-class"].text
    assert not Visualization.of("attention-rollout", "image", probe, found.facts).per_target
    assert found.engine.counted.backwards == 0


def test_a_network_of_convolutions_has_none(awkward):
    with pytest.raises(NotApplicable, match="no attention"):
        AttentionRollout().needs(trace(awkward, (3, 32, 32)))
