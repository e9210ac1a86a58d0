"""Channel health against planted faults, numpy's own correlations, and whatever the batches were."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from reportgen.engine.needs import ModelFacts
from reportgen.engine.network.trace import trace
from reportgen.errors import UnknownName
from reportgen.evidence import Evidence
from reportgen.findings import Flag, NotApplicable, Table, Tally
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.measure.manifest import manifest
from reportgen.probes.channel_health import ChannelHealth
from reportgen.progress import silent
from reportgen.recipe import load

SOBEL = torch.tensor([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])
CHECKERS = torch.tensor([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])
CENTRE = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])
FAULTS = {  # what is planted in `Planted`, by channel
    "dead": [1],
    "saturated": [2],
    "near-constant": [3],
    "same as the input": [4, 7],
    "duplicates": [6, 7],
    "aliased": [9],
}


class Planted(nn.Module):
    """Ten channels, of which 0, 5 and 8 are sound: edges of one colour each."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 10, 3, padding=1)
        self.clip = nn.ReLU6()
        grey = CENTRE.expand(3, 3, 3) / 3
        weights, biases = torch.zeros(10, 3, 3, 3), torch.zeros(10)
        weights[0, 0] = 0.2 * SOBEL
        weights[1], biases[1] = 0.01, -5  # dead
        weights[2], biases[2] = 0.01, 9  # saturated
        weights[3], biases[3] = 1e-6, 3  # near-constant
        weights[4], biases[4] = 0.5 * grey, 3  # the input
        weights[5, 1] = 0.2 * SOBEL.T
        weights[6, 0] = 0.1 * SOBEL  # half of channel 0
        weights[7], biases[7] = -0.5 * grey, 3  # the input's negative, so channel 4's too
        weights[8, 2] = 0.2 * SOBEL
        weights[9, 0] = 0.1 * CHECKERS  # aliased
        self.maps.weight = nn.Parameter(weights)
        self.maps.bias = nn.Parameter(biases)

    def forward(self, x: Tensor) -> Tensor:
        return self.clip(self.maps(x)).mean((2, 3))


def noise(count: int = 6, channels: int = 3, side: int = 24) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def health(measured):
    """Findings by name of a network over a set: health(network, pixels, ChannelHealth(…), batch=6)."""

    def judge(network, pixels, probe=None, batch=6) -> dict[str, Any]:
        probe = probe or ChannelHealth()
        tally, facts = tallied(measured, network, pixels, probe, batch)
        found = {finding.name: finding for finding in probe.conclude(tally, facts)}
        assert len(found) == len(probe.conclude(tally, facts)), "a name twice would hide a finding"
        return found

    return judge


def tallied(measured, network, pixels, probe, batch) -> tuple[Tally, ModelFacts]:
    runs = [measured(network, part, probe) for part in pixels.split(batch)]
    parts = [probe.measure(run.tapes[0]) for run in runs]
    return reduce(Tally.merged, parts), runs[0].facts


def column(table: Table, head: str) -> list[Any]:
    return [row[table.columns.index(head)] for row in table.rows]


def channels(table: Table) -> dict[str, list[int]]:
    """The channels that a table lists, by fault."""
    found: dict[str, list[int]] = {}
    for _, channel, fault, *_ in table.rows:
        found.setdefault(fault, []).append(channel)
    return found


def test_every_planted_fault_is_found_and_nothing_else(health):
    found = health(Planted(), noise())
    assert channels(found["channels"]) == FAULTS
    (row,) = found["layers"].rows
    assert dict(zip(found["layers"].columns, row, strict=True)) | {"sparsity, %": None} == {
        "layer": "clip",
        "channels": 10,
        **{fault: len(found) for fault, found in FAULTS.items() if fault != "aliased"},
        "sparsity, %": None,
    }
    with torch.no_grad():
        clipped = Planted().clip(Planted().maps(noise()))
    assert row[-1] == pytest.approx(100 * float((clipped == 0).float().mean()))
    counted = {name: int(found[name].values) for name in ("dead", "saturated", "near-constant", "copies")}
    assert counted == {"dead": 1, "saturated": 1, "near-constant": 1, "copies": 2}
    assert (int(found["duplicates"].values), int(found["aliased"].values)) == (2, 1)
    said = {name: finding for name, finding in found.items() if isinstance(finding, Flag)}
    assert len(said) == 6 and {flag.level for flag in said.values()} == {"note"}, "six images are few"
    assert said["copies-found"].text.endswith("2 of 10 channels over these 6 images, all in clip (2 of 10)")


def test_a_sound_network_has_no_fault_and_no_flag(health):
    network = Planted()
    network.maps = nn.Conv2d(3, 9, 3, padding=1, bias=False)
    with torch.no_grad():
        network.maps.weight.zero_()
        for number, kernel in enumerate((SOBEL, SOBEL.T, -SOBEL)):
            for colour in range(3):
                network.maps.weight[3 * number + colour, colour] = 0.2 * kernel
    found = health(network, noise())
    assert "channels" not in found
    assert not [finding for finding in found.values() if isinstance(finding, Flag)]
    assert all(int(found[name].values) == 0 for name in ("dead", "near-constant", "copies", "duplicates"))


@pytest.mark.parametrize("batch", [1, 4])
def test_the_batches_make_no_difference(measured, batch):
    probe = ChannelHealth()
    whole, facts = tallied(measured, Planted(), noise(), probe, 6)
    parts, _ = tallied(measured, Planted(), noise(), probe, batch)
    for how in ("sums", "highs", "lows"):
        for key, value in getattr(whole, how).items():
            np.testing.assert_allclose(getattr(parts, how)[key], value, rtol=1e-5, atol=1e-3, err_msg=key)
    a, b = probe.conclude(whole, facts), probe.conclude(parts, facts)
    assert [f.rows for f in a if f.name == "layers"] == [f.rows for f in b if f.name == "layers"]
    assert [getattr(f, "text", "") for f in a] == [getattr(f, "text", "") for f in b]


def test_correlations_are_those_of_numpy(health):
    """With the bars at nearly nothing every channel is listed with its r."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 7, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network[0].bias.data += 5 * torch.arange(7)  # a mean far from zero
    pixels = noise(side=25)
    bars = ChannelHealth(duplicate_r=1e-9, copy_r=1e-9, listed=99)
    rows = health(network, pixels, bars, batch=4)["channels"].rows
    with torch.no_grad():
        a = network[1](network[0](pixels))
    places = a.transpose(0, 1).flatten(1).double().numpy()
    grey = nn.functional.interpolate(pixels.mean(1, keepdim=True), (23, 23), mode="area")
    between = np.corrcoef(places)
    by_input = np.corrcoef(places, grey.flatten().double().numpy()[None])[-1, :-1]
    copies = {row[1]: row[3] for row in rows if row[2] == "same as the input"}
    assert [copies[c] for c in range(7)] == pytest.approx(by_input, abs=1e-5)
    twins = {row[1]: row[3:] for row in rows if row[2] == "duplicates"}
    for channel in range(1, 7):
        twin = int(np.abs(between[channel, :channel]).argmax())
        assert twins[channel][0] == pytest.approx(between[channel, twin], abs=1e-5)
        assert twins[channel][1] == f"r with {twin}"


def test_the_input_is_averaged_to_the_layers_grid(health):
    """Mean colour of 4 × 4 blocks is a copy; one pixel of each block is none, in noise."""
    network = nn.Sequential(nn.Conv2d(3, 2, 4, stride=4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    with torch.no_grad():
        network[0].weight[0] = 1 / 48
        network[0].weight[1] = 0
        network[0].weight[1, :, 2, 2] = 1 / 3
        network[0].bias.fill_(9)
        network(noise(side=48))
    assert channels(health(network, noise(side=48))["channels"]) == {"same as the input": [0]}


@pytest.mark.parametrize(("stride", "aliased"), [(1, 0), (2, 1), (4, 0)])
def test_a_stride_that_folds_a_grating_to_the_highest_frequency_is_aliasing(health, stride, aliased):
    """A quarter of a cycle a pixel is half a cycle a place at stride 2; at stride 4 it is gone."""
    wave = torch.tensor([0.9, -0.4, -0.9, 0.4]).repeat(32).expand(1, 1, 128, 128)
    network = nn.Sequential(
        nn.Conv2d(1, 1, 1, stride=stride), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    nn.init.ones_(network[0].weight)
    found = health(network, wave)
    assert int(found["aliased"].values) == aliased
    assert found["aliasing"].rows[0][-1] == pytest.approx(100 * aliased, abs=1)


def test_the_larger_stride_aliases_more_of_the_same_filters(health):
    """Zeiler & Fergus 2013, sec. 4.1: 11 × 11 filters moved by 4 against 2, on pictures of edges."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    blocks = torch.rand(4, 3, 15, 15, generator=generator).repeat_interleave(11, 2).repeat_interleave(11, 3)
    filters = nn.functional.avg_pool2d(torch.randn(16, 3, 13, 13, generator=generator), 3, stride=1)
    shares = []
    for stride in (2, 4):
        network = nn.Sequential(
            nn.Conv2d(3, 16, 11, stride=stride), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        network[0].weight = nn.Parameter(filters.clone())
        shares.append(health(network, blocks)["aliasing"].rows[0][-1])
    assert shares[1] > 1.5 * shares[0] > 0


class Functional(nn.Module):
    """A convolution, perhaps wrapped with its normalisation, before something that is no layer."""

    def __init__(self, activation, wrapped: bool = False) -> None:
        super().__init__()
        self.activation = activation
        layer = nn.Conv2d(3, 4, 3)
        layer.bias.data.copy_(torch.tensor([0.0, -99, 0, 0]))
        self.block = Wrapped(layer, activation) if wrapped else layer
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.activation(self.block(x)).mean((2, 3)))


class Wrapped(nn.Module):
    def __init__(self, conv: nn.Module, activation) -> None:
        super().__init__()
        self.conv, self.activation = conv, activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.conv(x))


@pytest.mark.parametrize("wrapped", [False, True])
def test_dead_channels_before_or_behind_a_functional_rectifier_are_found(health, wrapped):
    found = health(Functional(torch.relu, wrapped), noise())
    assert column(found["layers"], "layer") == ["block"]
    assert channels(found["channels"])["dead"] == [1]


def test_what_is_not_rectified_is_not_called_dead_or_sparse(health):
    found = health(Functional(nn.functional.gelu), noise())
    assert "dead" not in found and "sparsity" not in found
    assert "dead" not in found["layers"].columns and column(found["layers"], "sparsity, %") == [None]
    assert found["judged"].text == "Cannot be judged here: dead, saturated."


def test_units_without_a_grid_are_judged_but_not_correlated_over_few_places(health):
    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)
    )
    network[2].bias.data[3] = -99
    network[2].bias.data[:3] = 9
    found = health(network, noise())
    assert channels(found["channels"]) == {"dead": [3]}
    assert "duplicates" not in found["layers"].columns
    many = health(network, noise(200, side=2), batch=64)
    assert column(many["layers"], "duplicates") == [0]


def test_values_that_are_not_finite_are_said_and_the_others_are_judged(health):
    network = Planted()
    network.maps.bias.data[0] = float("nan")
    found = health(network, noise())
    assert channels(found["channels"]) == {"not finite": [0], **FAULTS, "duplicates": [7]}
    assert found["not-finite-found"].level == "bad"


def test_pairs_are_left_out_of_wide_layers(measured):
    wide = ChannelHealth(pairs_up_to=9)
    tally, facts = tallied(measured, Planted(), noise(), wide, 6)
    assert not any("pairs" in key for key in tally.sums)
    found = {finding.name: finding for finding in wide.conclude(tally, facts)}
    assert "duplicates" not in found["layers"].columns and "duplicates" not in found
    assert channels(found["channels"])["same as the input"] == FAULTS["same as the input"]


def test_of_many_layers_the_first_and_the_last_of_each_resolution_are_judged():
    modules = [module for _ in range(9) for module in (nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(
        *modules[:12], nn.MaxPool2d(2), *modules[12:], nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    facts = trace(network, (3, 16, 16))
    needed = [need.layer for need in ChannelHealth(at_most=4).needs(facts)]
    # ReLUs are 1, 3, … 11 at 16 px and 14, 16, 18 at 8 px; then the first two convolutions
    assert needed == ["1", "3", "11", "18", "0", "2"]


@pytest.mark.parametrize("layers", [("maps",), ("maps", "clip"), (1, 2)])
def test_layers_can_be_named(health, layers):
    found = health(Planted(), noise(), ChannelHealth(layers=layers))
    assert column(found["layers"], "layer") == ["maps", "clip"][: len(layers)]
    # what a rectifier is still to change is not called dead
    assert "dead" not in found["layers"].columns or column(found["layers"], "dead") == [None, 1]
    assert ("dead" in found) == ("clip" in column(found["layers"], "layer"))


def test_what_cannot_be_judged_is_refused():
    facts = trace(Planted(), (3, 16, 16))
    with pytest.raises(UnknownName, match="clip"):
        ChannelHealth(layers=("clap",)).needs(facts)
    tanh = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.Tanh())
    with pytest.raises(NotApplicable, match="no convolution"):
        ChannelHealth().needs(trace(tanh, (3, 2, 2)))
    pixels_first = nn.Flatten(0, 1)  # neither maps of an image nor a vector
    tokens = nn.Sequential(pixels_first, nn.ReLU(), nn.Unflatten(0, (-1, 3)), nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(NotApplicable, match="no channels in the output of 1"):
        ChannelHealth(layers=("1",)).needs(trace(tokens, (3, 2, 2)))


NETWORK = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self):
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)]
        super().__init__(nn.Conv2d(3, 6, 3), nn.ReLU(), *pool)
"""
RECIPE = """
model:
  source: network.py:Small
  preprocessing: {{crop: 24, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
images: {{show: {{at_most: {at_most}}}}}
run: {{device: cpu, batch_size: {batch}}}
trust: false
visualizations: [saliency, channel-health]
"""


@pytest.fixture
def audited(tmp_path):
    """Evidence of five pictures, one of them bright, of which `at_most` are shown."""
    (tmp_path / "network.py").write_text(NETWORK)
    space: dict[str, Any] = {}
    exec(NETWORK, space)
    torch.manual_seed(0)
    network = space["Small"]()
    network[0].weight.data[4] = 1  # wakes above a mean of 0.9, which only the bright picture reaches
    network[0].bias.data[4] = -27 * 0.9
    network[0].bias.data[5] = -99  # sleeps always
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "images").mkdir()
    generator = np.random.default_rng(0)
    for number in range(5):
        pixels = generator.integers(0, 200, (24, 24, 3), dtype=np.uint8)
        pixels[:12] = 255 if number == 3 else pixels[:12]
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")

    def audit(at_most: int, batch: int, interrupt_at: int | None = None) -> Evidence:
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(RECIPE.format(at_most=at_most, batch=batch))
        audit = prepare(load(recipe), tmp_path / "weights.safetensors", tmp_path / "images", None, False)
        folder = tmp_path / f"evidence-{at_most}-{batch}"

        def stop(stage: str, done: int, total: int, note: str = "") -> None:
            if done == interrupt_at:
                raise KeyboardInterrupt

        done = measure_main(audit, folder, silent if interrupt_at is None else stop)
        done.writer.seal(manifest(done), {"seconds": {}, "peak_memory_bytes": 0})
        return Evidence(folder)

    return audit


@pytest.mark.parametrize(("at_most", "batch"), [(200, 5), (200, 2), (2, 2)])
def test_the_whole_set_counts_however_few_are_shown(audited, at_most, batch):
    evidence = audited(at_most, batch)
    assert sum(record["measured"] for record in evidence.records()) == min(5, at_most)
    (findings,) = evidence.model_findings()["channel-health"]
    found = {finding.name: finding for finding in findings}
    assert int(found["images"].values) == 5
    assert channels(found["channels"])["dead"] == [5], "channel 4 wakes on one picture of five"


def test_an_interrupted_audit_tallies_each_image_once(audited):
    with pytest.raises(KeyboardInterrupt):
        audited(2, 2, interrupt_at=4)
    (findings,) = audited(2, 2).model_findings()["channel-health"]
    (whole,) = audited(200, 5).model_findings()["channel-health"]
    assert {f.name: f.values for f in findings if f.name in ("images", "dead")} == {
        f.name: f.values for f in whole if f.name in ("images", "dead")
    }
