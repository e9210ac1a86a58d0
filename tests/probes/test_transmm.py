"""TransMM against its definition, written as loops."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reportgen.engine.targets import Slot
from reportgen.probes.transmm import TransMM


def probes(_known):
    return {"transmm": TransMM()}


def slow_transmm(case, targets: Tensor) -> Tensor:
    """Chefer et al. 2021, eq. 5-6: Ā = mean over heads of (dS/dA·A)⁺, R ← R + Ā·R from R = I."""
    recorded, family = case.recorded(), case.family
    maps = torch.zeros(2, 4, 4, dtype=torch.float64)
    for image, target in enumerate(targets):
        score = recorded.logits[image, target]
        gradients = torch.autograd.grad(score, recorded.attention, retain_graph=True)
        relevance = torch.eye(family.tokens, dtype=torch.float64)
        for number, (a, g) in enumerate(zip(recorded.attention, gradients, strict=True)):
            _, heads, queries, keys = a.shape
            mean = torch.zeros(queries, keys, dtype=torch.float64)
            for head in range(heads):
                mean += (g[image, head] * a[image, head]).detach().clamp(min=0) / heads
            if family.pool and number == len(gradients) - 1:
                relevance = mean @ relevance[family.tokens - keys :]  # the pool sees patches alone
            else:
                relevance = relevance + mean @ relevance
        if not family.pool:
            relevance = relevance - torch.eye(family.tokens)
        row = torch.stack([relevance[q] for q in family.read]).mean(0)
        for place in range(16):
            maps[image, place // 4, place % 4] = row[family.prefix + place]
    return maps


def test_it_is_the_relevance_that_the_paper_defines(attending, off_by):
    for slot, tape in enumerate(attending.done.tapes):
        expected = slow_transmm(attending, tape.targets)
        assert off_by(attending.found("transmm", slot)["map"].values, expected) < 1e-5


def test_it_costs_what_the_plan_says(attending_case, measured):
    case, slots = attending_case("timm class token"), (Slot("predicted"), Slot("predicted", 2))
    found = measured(case.network, case.pixels, TransMM(), slots=slots)
    assert found.engine.counted.as_cost() == {"forwards": 4, "backwards": 4, "occlusion_forwards": 0}
    planned = found.chosen.plan().cost(2)
    assert (planned["forwards"], planned["backwards"]) == (4, 4)


class Chosen(nn.Module):
    """Two classes that look for brightness in one colour channel each, through an attention a class."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 3, 8, 8)
        nn.init.zeros_(self.embed.bias)
        with torch.no_grad():
            self.embed.weight.copy_(torch.eye(3)[:, :, None, None].expand(-1, -1, 8, 8) / 64)
        self.token = nn.Parameter(torch.ones(1, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.embed(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(len(x), -1, -1), y], 1)
        return (torch.softmax(4 * y @ y.transpose(1, 2), -1) @ (y - 0.1))[:, 0, :2]


def test_it_is_about_the_class_that_is_explained(measured):
    """Red in one corner and green in another: each class's map peaks at its own, and nowhere at blue."""
    x = torch.zeros(1, 3, 32, 32)
    x[0, 0, :8, :8] = x[0, 1, 24:, 24:] = x[0, 2, 8:16, 8:16] = 1
    slots = (Slot("named", 0), Slot("named", 1))
    found = measured(Chosen().eval(), x, TransMM(), slots=slots)
    red, green = (torch.as_tensor(found.findings(TransMM(), s)["map"].values)[0] for s in (0, 1))
    assert red.argmax() == 0 and green.argmax() == 15
    assert red[3, 3] == red[1, 1] == 0 and green[0, 0] == green[1, 1] == 0
