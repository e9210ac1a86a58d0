"""Correspondence against pairs compared one by one, planted ties, and whole runs of the pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from reportgen.engine.needs import Activation, CoveredParts, Normalisation, Parts, Responses
from reportgen.engine.network.trace import trace
from reportgen.engine.onepass import OnePass, frozen
from reportgen.engine.perturb.part_boxes import PartBoxes
from reportgen.engine.plan import Plan
from reportgen.engine.targets import Slot
from reportgen.errors import UnknownName
from reportgen.findings import Comparison, Flag, NotApplicable, Tally
from reportgen.measure.audit import prepare
from reportgen.pipeline import run
from reportgen.probes.correspondence import Correspondence, differing, spread
from reportgen.recipe import load

SIDE = 16
NAMES = ("eye", "nose")


def taped(network, x, boxes, probe, numbers=None):
    """One batch through the real engine, with boxes (N, 2, 4) of the parts."""
    facts = replace(trace(network, tuple(x.shape[1:])), parts=NAMES)
    plan = Plan(tuple(probe.needs(facts)), facts, 1)
    normal = Normalisation((0.5,) * x.shape[1], (0.25,) * x.shape[1])
    engine = OnePass(network, plan, (Slot("predicted"),), normal, torch.device("cpu"), 7)
    numbers = range(len(x)) if numbers is None else numbers
    with frozen(network):
        part_boxes = PartBoxes(boxes, [int(number) for number in numbers])
        (tape,) = engine.run(x, torch.full((len(x),), -1), part_boxes)
    return tape, facts


def boxes_of(n: int, seed: int = 0) -> torch.Tensor:
    """Two parts of 5 × 4 and 3 × 3 pixels at places of each image's own, (n, 2, 4)."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(0, 11, (n, 2, 2), generator=generator)
    return torch.cat([start, start + torch.tensor([[5, 4], [3, 3]])], -1)


def found(network, x, boxes, probe) -> dict[str, Any]:
    tape, facts = taped(network, x, boxes, probe)
    held = probe.conclude(probe.measure(tape), facts)
    assert len({finding.name for finding in held}) == len(held)
    return {finding.name: finding for finding in held}


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 7), st.integers(1, 4), st.integers(1, 9), st.integers(0, 10**6))
def test_counts_of_signs_give_what_all_ordered_pairs_give(images, covers, features, seed):
    signs = np.random.default_rng(seed).integers(-1, 2, (images, covers, features))
    slow = np.zeros(covers)
    for i, j in permutations(range(images), 2):
        slow += (signs[i] != signs[j]).mean(1)
    slow /= images * (images - 1)
    plus, minus = (signs == 1).sum(0).astype(float), (signs == -1).sum(0).astype(float)
    np.testing.assert_allclose(differing(plus, minus, images), slow, atol=1e-12)


@pytest.mark.parametrize("layer", ["stem", "last", "head"])
def test_delta_is_that_of_covers_made_and_pairs_compared_by_hand(awkward, layer):
    x = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    boxes, probe = boxes_of(4), Correspondence(layers=(layer,), draws=2)
    kept = []
    awkward.get_submodule(layer).register_forward_hook(lambda _m, _a, out: kept.append(out.clone()))

    def features(pictures):
        kept.clear()
        with torch.no_grad():
            awkward(pictures)
        return kept[-1].flatten(1)

    all_boxes = PartBoxes(boxes, range(4)).with_random(2, 0, SIDE, SIDE)
    signs = []
    for picture, own in zip(x, all_boxes.tolist(), strict=True):
        covered = picture.repeat(6, 1, 1, 1)
        for copy, (top, left, bottom, right) in zip(covered, own, strict=True):
            copy[:, top:bottom, left:right] = 0  # grey, after normalising by 0.5
        clean = features(picture[None])
        change = clean - features(covered)
        change[change.abs() <= 1e-5 * clean.abs().max()] = 0
        signs.append(change.sign())
    slow = torch.zeros(6)
    for i, j in permutations(range(4), 2):
        slow += (signs[i] != signs[j]).float().mean(1) / 12
    delta = found(awkward, x, boxes, probe)["delta-1"]
    np.testing.assert_allclose(delta.values, slow[:2], atol=2e-3)
    drawn = slow[2:].view(2, 2)
    np.testing.assert_allclose(delta.reference[:, 1], drawn.mean(0), atol=2e-3)
    np.testing.assert_allclose(delta.reference[:, 2], drawn.mean(0) + drawn.std(0), atol=3e-3)
    assert slow.min() > 0.01


class Watches(nn.Module):
    """Six features of the brightness at one place only: three rise with it and three fall."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.features = nn.Linear(3, 6, bias=False)
        self.head = nn.Linear(6, 2)
        with torch.no_grad():
            self.features.weight.copy_(torch.ones(6, 3) * torch.tensor([1.0, 1, 1, -1, -1, -1])[:, None])

    def forward(self, x):
        return self.head(self.features(self.pool(x[..., 2:7, 3:7]).flatten(1)))


def at_the_watched_place(n: int) -> torch.Tensor:
    return torch.tensor([[[2, 3, 7, 7], [12, 12, 15, 15]]]).expand(n, -1, -1)


def test_a_part_that_is_all_the_network_sees_changes_it_alike_and_random_boxes_do_not():
    x = torch.rand(9, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) + 0.2  # brighter than grey
    probe = Correspondence(layers=("features",), draws=6)
    held = found(Watches(), x, at_the_watched_place(9), probe)
    delta = held["delta-1"]
    assert delta.values[0] == 0, "every image loses its brightness there"
    assert delta.reference[0, 1] > 0.2, "some random boxes meet the place and some do not"
    assert delta.values[1] == 0, "nothing is seen there, so that nothing changes in any image"
    assert held["verdict features"].text.startswith("At features:")
    assert "eye" in held["verdict features"].text or "every part" in held["verdict features"].text


def test_parts_that_change_it_the_other_way_in_half_of_the_images_have_the_largest_delta():
    """Half of the images are brighter than grey there and half are darker: opposite signs."""
    x = torch.full((6, 3, SIDE, SIDE), 0.5)
    x[3:] = -0.5
    delta = found(Watches(), x, at_the_watched_place(6), Correspondence(layers=("features",)))["delta-1"]
    assert delta.values[0] == pytest.approx(2 * 9 / 30), "of 30 ordered pairs 18 are of opposite images"


def test_tallies_of_any_batches_are_that_of_all_images_at_once(awkward):
    x = torch.randn(7, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    boxes, probe = boxes_of(7), Correspondence()
    boxes[[0, 5], 1] = 0
    whole, facts = taped(awkward, x, boxes, probe)
    expected = {f.name: f for f in probe.conclude(probe.measure(whole), facts)}
    numbers_of = torch.arange(7)
    for cuts in ((1, 2, 4), (5, 1, 1)):  # the first batch of one image has none with every part
        parts = [
            probe.measure(taped(awkward, part, own, probe, numbers)[0])
            for part, own, numbers in zip(
                x.split(cuts), boxes.split(cuts), numbers_of.split(cuts), strict=True
            )
        ]
        merged = {f.name: f for f in probe.conclude(reduce(Tally.merged, parts), facts)}
        assert merged["images"].values == 5
        assert merged["left-out"].text == "Left out, as they lack a part: 2 images."
        for name, held in expected.items():
            if isinstance(held, Comparison):
                np.testing.assert_allclose(merged[name].values, held.values, atol=3e-3)
                np.testing.assert_allclose(merged[name].reference, held.reference, atol=5e-3)


def test_a_batch_without_parts_is_remembered_in_three_numbers(awkward):
    x = torch.randn(2, 3, SIDE, SIDE)
    tape, _ = taped(awkward, x, torch.zeros(2, 2, 4, dtype=torch.int64), Correspondence())
    assert set(Correspondence().measure(tape).sums) == {"images", "lacking", "not-finite"}


def test_one_image_is_nothing_to_compare(awkward):
    x, boxes = torch.randn(3, 3, SIDE, SIDE), boxes_of(3)
    boxes[1:, 0] = 0
    held = found(awkward, x, boxes, Correspondence())
    assert isinstance(held["too-few"], Flag) and held["too-few"].level == "note"
    assert set(held) == {"images", "too-few", "left-out"}


def test_an_image_that_is_not_finite_is_left_out(awkward):
    x = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    x[2, 0, 8, 8] = torch.nan
    held = found(awkward, x, boxes_of(4), Correspondence())
    assert held["images"].values == 3
    assert held["left-out"].text == "Left out, as their features are not finite: 1 images."
    assert np.isfinite(held["delta-1"].values).all()


def test_few_images_are_said_to_be_few(awkward):
    x = torch.randn(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    few = found(awkward, x[:2], boxes_of(2), Correspondence())
    assert few["few"].text.startswith("2 images make 1 pair:")
    assert "few" not in found(awkward, x, boxes_of(5), Correspondence())


def test_needs_and_layers(awkward):
    facts = trace(awkward, (3, SIDE, SIDE))
    with pytest.raises(NotApplicable, match=r"names no parts \(images\.parts"):
        Correspondence().needs(facts)
    facts = replace(facts, parts=NAMES)
    copies = CoveredParts(2, 4, 0, "grey")
    assert Correspondence().needs(facts) == [Parts(), Activation("last"), Responses(copies, "last", "whole")]
    named = Correspondence(layers=("stem", "head", 1)).needs(facts)
    assert [n.layer for n in named if isinstance(n, Activation)] == ["stem", "head"]
    with pytest.raises(UnknownName):
        Correspondence(layers=("nowhere",)).needs(facts)


def test_the_spread_of_one_draw_is_not_known():
    assert spread(np.array([0.3])) is None
    assert spread(np.array([0.1, 0.3])) == pytest.approx(0.1 * 2**0.5)


NETWORK = """
from torch import nn

def net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )
"""
RECIPE = """
model:
  source: network.py:net
  classes: ["a", "b"]
  preprocessing: {resize: null, crop: 12, mean: [0.5], std: [0.5]}
images: {parts: parts.csv, show: {at_most: SHOWN}}
visualizations: [correspondence, invariance: {steps: 3}]
trust: false
run: {device: cpu, batch_size: 2}
output: {pdf: false}
"""
ROWS = [f"{n}.png,{part},{n},2,{n + 4},6" for n in range(4) for part in NAMES]


@pytest.fixture
def case(tmp_path):
    """A folder with a network, weights, six images, four of which have two parts, and a recipe."""
    torch.manual_seed(0)
    scope: dict[str, Any] = {}
    exec(NETWORK, scope)
    (tmp_path / "network.py").write_text(NETWORK)
    save_file(scope["net"]().state_dict(), tmp_path / "net.safetensors")
    (tmp_path / "set").mkdir()
    for n in range(6):
        noise = np.random.default_rng(n).integers(0, 256, (12, 12), np.uint8)
        Image.fromarray(noise).save(tmp_path / "set" / f"{n}.png")

    def ready(rows=ROWS, shown=200):
        (tmp_path / "parts.csv").write_text("\n".join(["path,part,left,top,right,bottom", *rows]) + "\n")
        (tmp_path / "recipe.yaml").write_text(RECIPE.replace("SHOWN", str(shown)))
        return load(tmp_path / "recipe.yaml"), tmp_path / "net.safetensors", tmp_path / "set"

    return ready


@pytest.mark.parametrize("shown", [200, 1])
def test_a_run_reports_it_and_costs_what_the_plan_says(case, tmp_path, shown):
    recipe, checkpoint, images = case(shown=shown)
    audit = prepare(recipe, checkpoint, images, None, False)
    outcome = run(recipe, checkpoint, images, tmp_path / "out")
    results = json.loads((outcome.folder / "results.json").read_text())
    held = results["findings"]["correspondence"]
    assert held["images"] == 4
    assert set(held["comparisons"]) == {"delta-1", "delta-2"}
    assert set(held["comparisons"]["delta-1"]["rows"]) == set(NAMES)
    measured = min(shown, 6)
    covered = 4 * 2 * (1 + 4)  # images with every part, parts, draws and the part itself
    sampled = 0 if measured == 6 else 6  # invariance sums up all six, in a round of their own if need be
    assert results["cost"]["occlusion_forwards"] == covered + (measured + sampled) * 3 * 3
    foretold = audit.main.visualizations.cost(6, measured)
    assert foretold["perturbed_forwards"] == results["cost"]["occlusion_forwards"]
    page = (outcome.folder / "report.html").read_text()
    assert 'id="model-correspondence"' in page and 'id="model-invariance"' in page
    moved = next(image["findings"]["invariance"] for image in results["images"] if image["findings"])
    curve = moved["curves"]["probability-rotation"]
    assert curve["x"] == [0, 180, 360] and len(curve["lines"]["probability"]) == 3


def test_two_rounds_say_the_same_as_one(case, tmp_path):
    said = []
    for shown in (200, 2):
        outcome = run(*case(shown=shown), tmp_path / f"out-{shown}")
        results = json.loads((outcome.folder / "results.json").read_text())
        said.append(results["findings"]["correspondence"]["comparisons"])
    for name, one in said[0].items():
        for label, row in one["rows"].items():
            other = said[1][name]["rows"][label]
            assert other["value"] == pytest.approx(row["value"], abs=3e-3)
            assert other["reference"] == pytest.approx(row["reference"], abs=5e-3)


def test_the_key_covers_the_boxes_and_their_names(case):
    def key(rows):
        audit = prepare(*case(rows), None, False)
        return audit.key(audit.main)

    known = key(ROWS)
    assert key(ROWS) == known
    assert key([*ROWS[:-1], ROWS[-1].replace(",2,", ",3,")]) != known
    assert key([row.replace("nose", "mouth") for row in ROWS]) != known
    assert key(ROWS[:-1]) != known


def test_without_parts_the_report_says_why_it_is_left_out(case, tmp_path):
    recipe, checkpoint, images = case()
    recipe = recipe.model_copy(update={"images": recipe.images.model_copy(update={"parts": None})})
    outcome = run(recipe, checkpoint, images, tmp_path / "out")
    page = (outcome.folder / "report.html").read_text()
    assert "Correspondence was left out: the recipe names no parts (images.parts, a CSV of boxes)." in page
