"""Networks that return more than one tensor are measured by the output that the recipe names."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import nn

from reportgen.engine.needs import Normalisation
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.plan import make_plan
from reportgen.engine.targets import Slot
from reportgen.probes.integrated_gradients import IntegratedGradients
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency


class Both(NamedTuple):
    features: torch.Tensor
    logits: torch.Tensor


class Wrapped(nn.Module):
    """The awkward network behind a dict, a tuple or a named tuple."""

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, x: torch.Tensor):
        features, logits = x.mean((2, 3)), self.network(x)
        if self.kind == "dict":
            return {"features": features, "logits": logits}
        return (features, logits) if self.kind == "tuple" else Both(features, logits)


@pytest.mark.parametrize(
    ("kind", "output"), [("dict", "logits"), ("tuple", 1), ("tuple", -1), ("named", "logits"), ("named", 1)]
)
def test_every_kind_of_need_reads_the_named_output(awkward, measured, kind, output):
    probes = (Saliency(), Occlusion(window_px=16, stride_px=16), IntegratedGradients(steps=4))
    pixels = torch.randn(2, 3, 32, 32)
    plain = measured(awkward, pixels, *probes)
    network = Wrapped(awkward, kind)
    facts = trace(network, (3, 32, 32), output=output)
    facts = replace(facts, classes=tuple("abcde"))
    plan = make_plan([(f"p{n}", "image", p) for n, p in enumerate(probes)], facts, 1)
    normal = Normalisation((0.5,) * 3, (0.25,) * 3)
    engine = OnePass(network, plan, (Slot("predicted"),), normal, torch.device("cpu"), 16, output)
    with frozen(network):
        (tape,) = engine.run(pixels, torch.full((2,), -1))
    for probe in probes:
        expected = plain.findings(probe)["map"].values
        got = {finding.name: finding for finding in probe.measure(tape)}["map"].values
        assert abs(got - expected).max() <= 1e-5 * abs(expected).max()
