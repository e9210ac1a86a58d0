"""The test of the maps, itself tested on maps whose worth is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import spearmanr
from torch import nn

from reportgen.findings import Heatmap
from reportgen.measure.sanity import Trial, attributions, sample, spearman
from reportgen.probes.eigen_cam import EigenCam
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.saliency import Saliency

RECIPE = SimpleNamespace(
    trust=SimpleNamespace(images=2, steps=10, random_orders=6, noise_std=0.05), run=SimpleNamespace(seed=0)
)


class Corner(nn.Module):
    """Class 1 is what is bright in the upper left quarter; nothing else counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.weight.uniform_(0.5, 1)
            self.conv.bias.zero_()
            self.head.weight.copy_(torch.tensor([[-2.0], [2.0]]).expand(2, 4))
            self.head.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[-1] // 2
        return self.head(torch.relu(self.conv(x[..., :half, :half])).mean((2, 3)) - 0.5)


def texture(n: int, side: int = 28) -> torch.Tensor:
    """Bright fine stripes, which a blur takes away; their clipped dark halves count nothing."""
    torch.manual_seed(0)
    stripes = torch.where(torch.arange(side) % 2 == 0, 3.0, -3.0)
    return stripes.expand(n, 3, side, side) + 0.1 * torch.randn(n, 3, side, side)


def tried(measured, network, pixels, *probes):
    done = measured(network, pixels, *probes)
    session = SimpleNamespace(recipe=RECIPE, plan=done.engine.plan, facts=done.facts)
    maps = {
        f"p{n}": torch.from_numpy(done.findings(probe)["map"].values) for n, probe in enumerate(probes)
    }
    trial = Trial(session, done.engine, pixels, torch.ones(len(pixels), dtype=torch.int64), maps)
    return trial, trial.records()


def test_a_perfect_map_beats_random_order_and_its_reverse_does_not(measured):
    pixels = texture(2)
    perfect = torch.zeros(2, 28, 28)
    perfect[:, :14, :14] = 1
    trial, _ = tried(measured, Corner(), pixels, Saliency())
    trial = replace(trial, maps={"perfect": perfect, "reverse": -perfect})
    trial._randomised = lambda stage: {}
    trial._correlations = lambda others: {"perfect": [None, None], "reverse": [None, None]}
    for record in trial.records():
        own = {name: record["methods"][name]["faithfulness"] for name in ("perfect", "reverse")}
        random = np.array(record["random"]["faithfulness"])
        assert own["perfect"] > random.max()
        assert own["reverse"] < random.min()
        deletion = record["methods"]["perfect"]["deletion"]
        assert deletion[3] == pytest.approx(deletion[-1], abs=1e-3), "after 30 % nothing of it is left"


def test_a_map_that_ignores_the_weights_keeps_its_rank_correlation(measured):
    _, records = tried(measured, Corner(), texture(2), Saliency(), EigenCam(layer="conv"))
    for record in records:
        # one channel pattern, scaled: its component is the stripes whatever the weights are
        assert record["methods"]["p1"]["randomised"]["all"] > 0.99
        assert set(record["methods"]["p0"]["randomised"]) == {"head", "half", "all"}


def test_dear_methods_are_tried_at_the_stage_of_the_verdict_only(measured):
    _, records = tried(measured, Corner(), texture(1), Occlusion(window_px=14, stride_px=14))
    assert set(records[0]["methods"]["p0"]["randomised"]) == {"half"}


def test_a_trained_network_and_a_shuffled_one_differ_where_it_counts(awkward, measured):
    torch.manual_seed(0)
    _, records = tried(measured, awkward, torch.randn(2, 3, 32, 32), Saliency())
    for record in records:
        rho = record["methods"]["p0"]["randomised"]
        assert abs(rho["all"]) < 0.9
        assert record["methods"]["p0"]["stability"] > rho["all"]
        assert record["agreement"]["rho"] == [[pytest.approx(1)]]


def test_what_it_costs_is_what_a_hook_counts(awkward, measured):
    pixels = torch.randn(2, 3, 32, 32)
    done = measured(awkward, pixels, Saliency())
    session = SimpleNamespace(recipe=RECIPE, plan=done.engine.plan, facts=done.facts)
    maps = {"p0": torch.from_numpy(done.findings(Saliency())["map"].values)}
    trial = Trial(session, done.engine, pixels, torch.zeros(2, dtype=torch.int64), maps)
    sizes: list[int] = []
    handle = awkward.register_forward_hook(lambda _m, _a, out: sizes.append(len(out)))
    trial.records()
    handle.remove()  # copies of the network carry the hook too
    orders, inner = 1 + 6, 9
    assert trial.cost() == {"trust_forwards": sum(sizes), "trust_backwards": 2 * (3 + 1)}
    assert sum(sizes) == 2 * (orders * 2 * inner + 1) + 2 + 2 * (3 + 1)
    before = done.engine.counted
    assert (before.forwards, before.backwards) == (2, 2), "the pass's own count is left alone"


def test_a_map_that_is_zero_is_flagged_and_has_no_rank(measured):
    trial, _ = tried(measured, Corner(), texture(1), Saliency())
    record = replace(trial, maps={"p0": torch.zeros(1, 28, 28)}).records()[0]
    assert "all zero" in record["methods"]["p0"]["flag"]
    assert record["methods"]["p0"]["stability"] is None


def test_only_explanations_are_tried():
    other = Heatmap("map", "", np.zeros((2, 2), np.float32), "")
    explained = Heatmap("map", "", np.arange(4, dtype=np.float32).reshape(2, 2), "")
    found = {"a": [(other,)], "b": [(explained,), (other,)], "c": [()]}
    assert {k: v.tolist() for k, v in attributions(found, {"b", "c"}).items()} == {"b": [[0, 1], [2, 3]]}


def test_the_sample_is_seeded_and_no_larger_than_asked():
    session = SimpleNamespace(recipe=RECIPE)
    records = [
        {"number": n, "measured": n != 5, "predictions": [{"probability": n / 50}]} for n in range(50)
    ]
    chosen = sample(records, session)
    assert chosen == sample(list(reversed(records)), session)
    assert len(chosen) == 2
    assert min(chosen) >= 25, "the surer half"
    assert sample(records[7:8], session) == {7}
    assert sample(records[5:6], session) == set()


@given(
    arrays.arrays(np.float32, 12, elements=st.sampled_from([0.0, 0.5, 1.0, 2.5, -1.0, 7.0])),
    arrays.arrays(np.float32, 12, elements=st.sampled_from([0.0, 0.5, 1.0, 2.5, -1.0, 7.0])),
)
def test_rank_correlation_is_scipys(a, b):
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert spearman(a, b) is None
    else:
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)
    assert spearman(a, np.full(12, np.nan)) is None
