"""What the pass costs and leaves behind, counted by hooks of the test's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from reportgen.engine.device import Packed
from reportgen.engine.feed import tapped
from reportgen.engine.onepass import frozen
from reportgen.engine.perturb.asking import Counter
from reportgen.engine.targets import Slot
from reportgen.probes import methods
from reportgen.probes.feature_maps import FeatureMaps
from reportgen.probes.grad_cam import GradCam
from reportgen.probes.guided_backprop import GuidedBackprop
from reportgen.probes.hypercolumns import Hypercolumns
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.predictions import Predictions
from reportgen.probes.rise import Rise
from reportgen.probes.saliency import Saliency
from reportgen.probes.smoothgrad import SmoothGrad

SIDE = 32


@pytest.fixture
def in_full(monkeypatch):
    """Every perturbed image goes through the network as it is, so that hooks see it."""
    monkeypatch.setattr("reportgen.engine.incremental.answering.WORTH", float("inf"))
    monkeypatch.setattr("reportgen.engine.incremental.answering.FEWEST", 10**6)
    # layers are fused only if noise was tried
    monkeypatch.setattr("reportgen.engine.fusing.forwards.FEWEST", 10**6)


def image_probes():
    found = [m.probe() for m in methods().values() if m.scope == "image"]
    assert {type(p).__name__ for p in found} >= {"Saliency", "GuidedBackprop", "GradCam", "Occlusion"}
    return found


class Count:
    """Images through a network's forward, and through the backward of its last layer."""

    def __init__(self, network: nn.Module, last: nn.Module) -> None:
        self.sizes: list[int] = []
        self.backwards = 0
        self.weight_gradients = 0
        self.handles = [
            network.register_forward_hook(lambda _m, _a, out: self.sizes.append(len(out))),
            last.register_forward_hook(self._watch),
        ]

    def _watch(self, module, _args, out):
        if out.requires_grad:
            out.register_hook(self._backward)

    def _backward(self, gradient):
        self.backwards += len(gradient)


@pytest.mark.usefixtures("in_full")
@pytest.mark.parametrize("slots", [1, 3])
def test_the_basic_maps_cost_n_forwards_2n_backwards_and_the_windows(awkward, measured, slots):
    n, windows = 6, 13 * 13  # window 9 (two sevenths of 32), stride 2: ceil(23/2) + 1 = 13 a side
    basic = (Predictions, FeatureMaps, Hypercolumns, Saliency, GuidedBackprop, GradCam, Occlusion)
    probes = [p for p in image_probes() if isinstance(p, basic)]
    assert len(probes) == 7
    count = Count(awkward, awkward.head)
    pixels = torch.randn(n, 3, SIDE, SIDE)
    chosen = tuple(Slot("predicted", k + 1) for k in range(slots))
    done = measured(awkward, pixels, *probes, slots=chosen, batch_size=50)
    assert count.sizes[0] == n
    assert sum(count.sizes[1:]) == n * windows
    assert count.backwards == 2 * n * slots
    counted = done.engine.counted
    assert (counted.forwards, counted.backwards, counted.perturbed_forwards) == (
        n,
        2 * n * slots,
        n * windows,
    )
    cost = done.engine.plan.cost(n)
    assert cost == {"forwards": n, "backwards": 2 * n * slots, "perturbed_forwards": n * windows}
    assert set(count.sizes[1:-1]) == {50}, "occlusion batches are full, whatever images they hold"


@pytest.mark.usefixtures("in_full")
@pytest.mark.parametrize("slots", [1, 2])
def test_the_plan_knows_what_every_map_together_costs(awkward, measured, slots):
    n = 3
    count = Count(awkward, awkward.head)
    chosen = tuple(Slot("predicted", k + 1) for k in range(slots))
    done = measured(awkward, torch.randn(n, 3, SIDE, SIDE), *image_probes(), slots=chosen)
    cost = done.engine.plan.cost(n)
    assert sum(count.sizes) == cost["forwards"] + cost["perturbed_forwards"]
    assert count.backwards == cost["backwards"]
    counted = done.engine.counted
    assert cost == {key: getattr(counted, key) for key in cost}
    # another target adds backwards alone: every forward serves all of them
    one, two = (replace(done.engine.plan, targets=k).cost(n) for k in (1, 2))
    assert {key: two[key] - one[key] for key in cost} == {
        "forwards": 0,
        "backwards": one["backwards"],
        "perturbed_forwards": 0,
    }


def test_no_weight_gets_a_gradient(awkward, measured):
    asked = []
    for parameter in awkward.parameters():
        parameter.register_hook(asked.append)
    measured(awkward, torch.randn(2, 3, SIDE, SIDE), *image_probes())
    assert not asked
    assert all(p.grad is None for p in awkward.parameters())


def test_the_model_comes_back_as_it_was(awkward, measured):
    awkward.train()
    awkward.norm.eval()
    awkward.left.weight.requires_grad_(False)
    before = {k: v.clone() for k, v in awkward.state_dict().items()}
    measured(awkward, torch.randn(2, 3, SIDE, SIDE), *image_probes())
    assert awkward.training and awkward.left.training and not awkward.norm.training
    assert not awkward.left.weight.requires_grad and awkward.right.weight.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in awkward.state_dict().items())


def test_hooks_are_removed_even_when_the_forward_fails(awkward):
    with pytest.raises(RuntimeError), frozen(awkward), tapped(awkward, ["stem", "last"]):
        awkward(torch.randn(1, 4, SIDE, SIDE))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in awkward.modules())
    assert all(p.requires_grad for p in awkward.parameters())


def test_an_image_does_not_depend_on_its_neighbours(awkward, measured):
    pixels = torch.randn(7, 3, SIDE, SIDE)
    order = torch.tensor([4, 2, 6, 0, 3, 5, 1])
    probes = (Saliency(), GuidedBackprop(), GradCam(), Occlusion(), Hypercolumns(layers=("stem", "left")))
    for probe in probes:
        straight = measured(awkward, pixels, probe, batch_size=16).findings(probe)["map"].values
        shuffled = measured(awkward, pixels[order], probe, batch_size=5).findings(probe)["map"].values
        alone = measured(awkward, pixels[3:4], probe).findings(probe)["map"].values
        scale = abs(straight).max()
        assert abs(shuffled - straight[order.numpy()]).max() <= 1e-5 * scale
        assert abs(alone[0] - straight[3]).max() <= 1e-5 * scale


def test_a_tap_is_what_left_the_layer_not_what_was_made_of_it(awkward, measured):
    pixels = torch.randn(2, 3, SIDE, SIDE)
    probe = FeatureMaps(layers=("last", "stem"), maps=12, choose="first")
    found = measured(awkward, pixels, probe).findings(probe)
    with torch.no_grad():
        assert torch.allclose(torch.tensor(found["stem"].values), awkward.stem(pixels)[:, :12], atol=1e-6)
    assert found["last"].values.min() < 0, "the in-place ReLU after `last` must not reach the tap"


def test_several_targets_share_the_forward_and_differ(awkward, measured):
    pixels = torch.randn(3, 3, SIDE, SIDE)
    slots = (Slot("predicted"), Slot("predicted", 2), Slot("named", 4), Slot("label"))
    labels = torch.tensor([1, -1, 3])
    done = measured(awkward, pixels, Saliency(), slots=slots, labels=labels)
    ranked = done.tapes[0].logits.sort(1, descending=True).indices
    assert done.engine.counted.forwards == 3
    assert torch.equal(done.tapes[0].targets, ranked[:, 0])
    assert torch.equal(done.tapes[1].targets, ranked[:, 1])
    assert done.tapes[2].targets.tolist() == [4, 4, 4]
    assert done.tapes[3].targets.tolist() == [1, ranked[1, 0].item(), 3]
    for slot, tape in enumerate(done.tapes):
        x = pixels.clone().requires_grad_()
        score = awkward(x).gather(1, tape.targets[:, None]).sum()
        expected = torch.autograd.grad(score, x)[0].abs().amax(1)
        got = torch.tensor(done.findings(Saliency(), slot)["map"].values)
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_a_probe_reads_only_what_it_declared(awkward, measured):
    done = measured(awkward, torch.randn(1, 3, SIDE, SIDE), Saliency())
    with pytest.raises(KeyError):
        GradCam().measure(done.tapes[0])


class StartsInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(nn.functional.relu(x, inplace=True).mean((2, 3)))


def test_a_network_that_rewrites_its_input_is_differentiated_all_the_same(measured):
    network = StartsInPlace()
    pixels = torch.randn(2, 3, 4, 4)
    kept = pixels.clone()
    values = measured(network, pixels, Saliency()).findings(Saliency())["map"].values
    assert torch.equal(pixels, kept)
    assert ((values > 0) == (kept > 0).any(1).numpy()).all()


@pytest.mark.usefixtures("in_full")
def test_perturbations_in_batches_of_their_own_size_are_answered_the_same(awkward, measured):
    pixels = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    probes = (Rise(masks=10, cells=4), SmoothGrad(samples=4))
    plain = measured(awkward, pixels, *probes, batch_size=3)
    engine = replace(plain.engine, packed=Packed(forwards=7, gradients=2), counted=Counter())
    count = Count(awkward, awkward.head)
    with frozen(awkward):
        (tape,) = engine.run(pixels, torch.full((3,), -1))
    # the images, then 30 masked and 12 noisy ones
    assert sorted(count.sizes) == sorted([3, *[7] * 4, 2, *[2] * 6])
    assert engine.counted.perturbed_forwards == 30
    for probe in probes:
        (own,) = (f for f in probe.measure(tape) if f.name == "map")
        assert np.allclose(own.values, plain.findings(probe)["map"].values, rtol=1e-4, atol=1e-6)
