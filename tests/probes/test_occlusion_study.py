"""The five panels of Zeiler & Fergus's fig. 7: against plain loops, and through the two rounds."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from reportgen.engine.needs import NeighboursByChannel, Occluded, Scores, TopImages
from reportgen.engine.network.trace import trace
from reportgen.evidence import Evidence
from reportgen.measure.visualizations import Visualizations
from reportgen.pipeline import run
from reportgen.probes.occlusion import Occlusion
from reportgen.probes.occlusion_study import OcclusionStudy
from reportgen.recipe import load

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"
CODE = [str(MNIST / "network.py")]  # that of the example, named by recipes elsewhere
CHECKPOINT = MNIST / "checkpoints" / "epoch-10.safetensors"
COUNT, SHOWN, WINDOW, STRIDE = 24, 3, 8, 4


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Twenty-four digits, three of them shown: the folder of the report."""
    folder = tmp_path_factory.mktemp("study")
    head = (MNIST / "recipe.yaml").read_text(encoding="utf-8")
    head = head[head.index("model:") : head.index("images:")]
    for name in ("network.py", "classes.txt"):
        head = head.replace(name, f"{MNIST}/{name}")
    path = folder / "recipe.yaml"
    path.write_text(
        f"{head}images: {{labels: folder, show: {{at_most: {SHOWN}, choose: [random]}}}}\ntrust: false\n"
        "run: {batch_size: 2}\noutput: {pdf: false}\nvisualizations:\n"
        f"  - occlusion: {{window_px: {WINDOW}, stride_px: {STRIDE}, baseline: black}}\n"
        f"  - occlusion-study: {{layer: relu2, window_px: {WINDOW}, stride_px: {STRIDE}, baseline: black}}\n"
    )
    return run(load(path, CODE), CHECKPOINT, MNIST / "digits", folder / "out", limit=COUNT).folder


@pytest.fixture(scope="module")
def answered():
    """Logits and relu2's maps of any batch (N, 1, 28, 28) by a plain network, and the digits."""
    space: dict = {}
    exec((MNIST / "network.py").read_text(encoding="utf-8"), space)
    network = space["DigitNet"]().eval()
    network.load_state_dict(load_file(CHECKPOINT))

    def answer(x):
        kept = []
        handle = network.relu2.register_forward_hook(lambda _m, _a, out: kept.append(out))
        with torch.no_grad():
            logits = network(x)
        handle.remove()
        return logits, kept[0]

    def digit(record):
        grey = np.array(Image.open(MNIST / "digits" / record["path"]).convert("L"))
        return (torch.from_numpy(grey).float() / 255 - 0.1307) / 0.3081

    return answer, digit


def test_every_panel_is_that_of_a_plain_loop(study, answered):
    answer, digit = answered
    evidence = Evidence(study / "evidence")
    records = evidence.records()
    everything = torch.stack([digit(r) for r in records])[:, None]
    _, all_maps = answer(everything)
    shown = [r for r in records if r["measured"]]
    assert len(shown) == SHOWN and len(records) == COUNT
    black = -0.1307 / 0.3081
    for record in shown:
        found = {f.name: f for f in evidence.findings(record)["occlusion-study"][0]}
        x = digit(record)[None, None]
        _, maps = answer(x)
        channel = int(maps.sum((2, 3)).argmax())
        assert int(found["activity-channel"].values) == channel
        starts = range(0, 28 - WINDOW + STRIDE, STRIDE)
        label = record["label_index"]
        for row, y in enumerate(starts):
            for column, left in enumerate(starts):
                covered = x.clone()
                covered[..., y : y + WINDOW, left : left + WINDOW] = black
                changed, seen = answer(covered)
                p = changed.softmax(1)[0, label]
                assert found["probability"].values[row, column] == pytest.approx(float(p), abs=1e-5)
                total = float(seen[0, channel].sum())
                assert found["activity"].values[row, column] == pytest.approx(total, rel=1e-4)
                assert int(found["classes"].values[row, column]) == int(changed.argmax())
        told = {name: f.explains for name, f in found.items() if hasattr(f, "explains")}
        assert {name for name, of in told.items() if of is not None} == {"occluded", "probability"}
        assert int(told["occluded"]) == int(told["probability"]) == label
        lowest = np.unravel_index(found["probability"].values.argmin(), found["probability"].values.shape)
        y, left = (int(n) * STRIDE for n in lowest)
        occluded = found["occluded"].values[0]
        assert np.abs(occluded[y : y + WINDOW, left : left + WINDOW]).max() < 1e-6
        outside = np.ones((28, 28), bool)
        outside[y : y + WINDOW, left : left + WINDOW] = False
        seen_by_eye = (x[0, 0].numpy() * 0.3081 + 0.1307)[outside]
        # evidence keeps colours in 2,048 steps
        assert np.allclose(occluded[outside], seen_by_eye, atol=0.5 / 2048 + 1e-5)
        peaks = [(-float(all_maps[n, channel].max()), n) for n in range(COUNT) if n != record["number"]]
        expected = [record["number"], *(n for _, n in sorted(peaks)[:3])]
        assert found["projections"].numbers.tolist() == expected


def test_the_projection_is_the_peak_sent_back(study, answered, slow_gradient):
    _, digit = answered
    evidence = Evidence(study / "evidence")
    record = next(r for r in evidence.records() if r["measured"])
    found = {f.name: f for f in evidence.findings(record)["occlusion-study"][0]}
    channel = int(found["activity-channel"].values)
    space: dict = {}
    exec((MNIST / "network.py").read_text(encoding="utf-8"), space)
    network = space["DigitNet"]().eval()
    network.load_state_dict(load_file(CHECKPOINT))

    class Peak(nn.Module):
        """The map's highest value, times itself held fixed: its gradient is what is sent back."""

        def forward(self, x):
            kept = []
            handle = network.relu2.register_forward_hook(lambda _m, _a, out: kept.append(out.clone()))
            network(x)
            handle.remove()
            peak = kept[0][:, channel].flatten(1).max(1, keepdim=True).values
            return peak.detach() * peak

    whole = slow_gradient(Peak(), digit(record)[None, None], torch.zeros(1, dtype=torch.long), "deconv")
    rows, columns = whole[0, 0].nonzero(as_tuple=True)
    part = whole[0, 0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].numpy()
    ours = found["projections"].values[0, 0]  # its field of 8 × 8, which holds all that is not zero
    assert np.abs(ours).sum() == pytest.approx(np.abs(part).sum(), rel=1e-4)
    assert np.abs(ours).max() == pytest.approx(np.abs(part).max(), rel=1e-4)


def test_the_windows_are_shared_and_the_plan_says_what_the_ranks_cost(study, awkward):
    cost = Evidence(study / "evidence").manifest["cost"]
    assert cost["forwards"] == COUNT + SHOWN and cost["occlusion_forwards"] == SHOWN * 36
    assert cost["projection_backwards"] == SHOWN * 4
    facts = replace(trace(awkward, (3, 32, 32)), classes=tuple("abcde"))
    wishes = [("occlusion", "image", Occlusion()), ("occlusion-study", "image", OcclusionStudy())]
    chosen = Visualizations.of(wishes, facts, 1)
    plan = chosen.plan()
    assert [need.perturbations for need in plan.of(Scores)] == [Occluded.of(facts, "auto", "auto", "grey")]
    assert Scores(Occluded.of(facts, "auto", "auto", "grey")) in plan.needs
    assert plan.of(TopImages) == (TopImages("clip", 4),)
    assert plan.of(NeighboursByChannel) == (NeighboursByChannel("clip", 3, "guided"),)
    assert chosen.cost(9, 9)["forwards"] == 18
    assert any("ranked by the maps of clip" in line for line in chosen.lines(9, 9))
    assert chosen.first_round().taps == ("clip",) and not chosen.first_round().of(Scores)


def test_the_card_has_all_five_panels(study):
    page = (study / "report.html").read_text(encoding="utf-8")
    for words in ("Where the window hurts most", "Sum of the strongest map", "Most probable class"):
        assert words in page
    stands = re.findall(r'<figure[^>]* id="i\d+-occlusion-study-projections"', page)
    assert len(stands) == len(set(stands)) == SHOWN
