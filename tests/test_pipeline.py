"""The whole line on a small real set: what it costs, what it keeps, what it does when it breaks."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen import pipeline
from reportgen.errors import InputError, RecipeError, RenderError
from reportgen.evidence import Evidence, Manifest, Record, TrustRecord
from reportgen.measure import measure_main
from reportgen.measure.audit import prepare
from reportgen.measure.manifest import manifest
from reportgen.pipeline import run
from reportgen.probes import methods
from reportgen.progress import silent
from reportgen.recipe import load

NETWORK = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.more = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.head(torch.relu(self.more(x)).mean((2, 3)))
"""
RECIPE = """
title: A small audit
model:
  source: network.py:Small
  classes: [red, green, blue]
  preprocessing: {{resize: 32, crop: 28, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
images:
  show: {{at_most: {at_most}}}
run: {{device: cpu, batch_size: 2}}
trust: {trust}
checks: false
visualizations:
{visualizations}
output: {{pdf: false}}
"""
EVERYTHING = (
    "architecture",
    "filters",
    "predictions",
    "saliency",
    "guided-backprop",
    "grad-cam",
    "hypercolumns",
)


class Set:
    """A folder with a network, its checkpoint, seven photographs of noise, and one broken file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "network.py").write_text(NETWORK)
        space: dict = {}
        exec(NETWORK, space)
        torch.manual_seed(0)
        self.checkpoint = folder / "weights.safetensors"
        save_file(space["Small"]().state_dict(), self.checkpoint)
        self.images = folder / "images"
        self.images.mkdir()
        rng = np.random.default_rng(0)
        for n in range(7):
            pixels = rng.integers(0, 256, (40, 52, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(self.images / f"{n}.png")
        (self.images / "3-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing more")

    def recipe(
        self,
        visualizations=EVERYTHING,
        at_most=200,
        occlusion="{window_px: 12, stride_px: 8}",
        trust="false",
    ):
        lines = [f"  - {name}" for name in visualizations] + [f"  - occlusion: {occlusion}"]
        path = self.folder / "recipe.yaml"
        path.write_text(RECIPE.format(at_most=at_most, trust=trust, visualizations="\n".join(lines)))
        return load(path)

    def audit(self, **options):
        return prepare(self.recipe(**options), self.checkpoint, self.images, None, False)


@pytest.fixture
def small(tmp_path) -> Set:
    return Set(tmp_path)


def measured(audit, folder, progress=silent) -> tuple[Evidence, list[int]]:
    """Evidence of an audit, and the batch sizes that a hook of this test's own saw."""
    sizes: list[int] = []
    network = audit.main.subject.network
    handle = network.register_forward_hook(lambda _m, _a, out: sizes.append(len(out)))
    try:
        done = measure_main(audit, folder, progress)
        done.writer.seal(manifest(done), {"seconds": {}, "peak_memory_bytes": 0})
    finally:
        handle.remove()
    return Evidence(folder), sizes


def test_seven_images_cost_seven_forwards_fourteen_backwards_and_the_windows(small):
    evidence, sizes = measured(small.audit(), small.folder / "evidence")
    windows = 3 * 3  # ceil((28 - 12)/8) + 1 a side
    assert sum(sizes) == 7 + 7 * windows
    assert evidence.manifest["cost"] == {
        "forwards": 7,
        "backwards": 14,
        "occlusion_forwards": 7 * windows,
        "trust_forwards": 0,
        "trust_backwards": 0,
        "device": evidence.manifest["environment"]["device"],
    }
    assert evidence.manifest.keys() == Manifest.__required_keys__
    records = evidence.records()
    of_other_heads = {"label_indices", "answered_indices", "truth"}
    assert all(record.keys() == Record.__annotations__.keys() - of_other_heads for record in records)
    assert [r["id"] for r in records] == [f"{n:06d}" for n in range(8)]
    broken = records[3]  # "3-broken.png" sorts before "3.png"
    assert (broken["path"], broken["status"]) == ("3-broken.png", "rejected")
    assert broken["reason"]
    assert evidence.manifest["images"]["shown"] == 7


def test_a_large_set_is_scored_whole_and_only_the_chosen_are_measured(small):
    evidence, sizes = measured(small.audit(at_most=3), small.folder / "evidence")
    assert sum(sizes) == 7 + 3 + 3 * 9
    records = evidence.records()
    assert sum(r["measured"] for r in records) == 3
    assert all(len(r["predictions"]) == 3 for r in records if r["status"] == "ok")
    assert evidence.manifest["images"]["chosen"].startswith("3 of 7 are shown: ")
    for record in records:
        assert bool(evidence.findings(record)) == record["measured"]


def test_maps_are_put_to_the_test_on_a_sample_and_resume_too(small):
    trust = "{images: 3, dear: 1, steps: 2, random_orders: 2, copies: 1}"
    options = {"trust": trust, "occlusion": "{window_px: 7, stride_px: 7}"}  # 16 windows
    folder = small.folder / "evidence"

    def interrupt(stage, done, total, note=""):
        if stage == "trust" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(small.audit(**options), folder, interrupt)
    evidence, sizes = measured(small.audit(**options), folder)
    tried = evidence.trust()
    assert all(record.keys() == TrustRecord.__required_keys__ for record in tried)
    assert len(tried) == 3
    assert {r["number"] for r in tried} <= {r["number"] for r in evidence.records() if r["measured"]}
    assert set(tried[0]["methods"]) == {"saliency", "guided-backprop", "grad-cam", "occlusion"}
    for record in tried:
        assert record["target"]["class_name"] in ("red", "green", "blue")
        tested = record["methods"]["grad-cam"]
        assert {"counts", "class", "amount", "steady", "weights"} <= tested["asked"].keys()
        assert len(tested["deletion"]) == 3
    dear = [record for record in tried if "weights" in record["methods"]["occlusion"]["asked"]]
    assert len(dear) == 1, "maps of many forwards are made again for one image"
    whole, _ = measured(small.audit(**options), small.folder / "whole")
    assert whole.trust() == tried
    assert whole.manifest["cost"] == evidence.manifest["cost"]
    assert 0 < sum(sizes) < whole.manifest["cost"]["trust_forwards"], "of the one image that was left"
    assert any("4 kinds of map are put to the test on 3 images" in line for line in whole.manifest["plan"])


# in the first case one of the four files that are done is the broken one
@pytest.mark.parametrize(("at_most", "left"), [(200, 4 + 4 * 9), (5, 1 + 1 * 9)])
def test_an_interrupted_run_resumes_and_ends_with_the_same_bytes(small, monkeypatch, at_most, left):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    whole, _ = measured(small.audit(at_most=at_most), small.folder / "whole")

    def interrupt(stage, done, total, note=""):
        if stage == "measure" and done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(small.audit(at_most=at_most), small.folder / "resumed", interrupt)
    assert not (small.folder / "resumed" / "manifest.json").exists()
    resumed, sizes = measured(small.audit(at_most=at_most), small.folder / "resumed")
    assert sum(sizes) == left, "what was done is not measured again"
    for path in sorted(whole.folder.iterdir()):
        assert (resumed.folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_changed_image_option_or_checkpoint_changes_the_key_and_the_title_does_not(small):
    def key_of(audit) -> str:
        return audit.key(audit.main)

    key = key_of(small.audit())
    path = small.folder / "recipe.yaml"
    path.write_text(path.read_text().replace("A small audit", "Another title"))
    assert key_of(prepare(load(path), small.checkpoint, small.images, None, False)) == key
    keys = {key, key_of(small.audit(occlusion="{window_px: 12, stride_px: 7}"))}
    assert len(keys) == 2
    Image.new("RGB", (40, 40)).save(small.images / "0.png")
    keys.add(key_of(small.audit()))
    state = torch.load(small.checkpoint) if small.checkpoint.suffix == ".pt" else None
    assert state is None
    save_file({k: v + 1 for k, v in _state(small).items()}, small.checkpoint)
    keys.add(key_of(small.audit()))
    assert len(keys) == 4


def _state(small):
    from safetensors.torch import load_file

    return load_file(small.checkpoint)


def test_memory_does_not_grow_with_the_number_of_images(small):
    held: list[int] = []

    def weigh(stage, done, total, note=""):
        if stage == "measure" and done:
            gc.collect()
            tensors = [o for o in gc.get_objects() if type(o) is torch.Tensor]
            held.append(sum(t.numel() for t in tensors))

    measured(small.audit(), small.folder / "evidence", weigh)
    assert len(held) == 4
    assert max(held[1:]) <= held[0] * 1.05


def test_maps_line_up_with_the_original_through_resize_and_crop(small):
    """A red square at a known place of a non-square photograph, and a network that counts red."""
    (small.folder / "network.py").write_text(
        NETWORK
        + "\nclass Red(Small):\n    def forward(self, x):\n        red = (x[:, 0] > 0.5).float() * x[:, 0]"
        "\n        return torch.stack([red.mean((1, 2)), -red.mean((1, 2)), 0 * red.mean((1, 2))], 1)\n"
    )
    for old in small.images.iterdir():
        old.unlink()
    pixels = np.zeros((400, 900, 3), np.uint8)
    left, top, side = 560, 130, 60
    pixels[top : top + side, left : left + side, 0] = 255
    Image.fromarray(pixels).save(small.images / "square.png")
    recipe = small.recipe(("saliency",), occlusion="{window_px: 4, stride_px: 2, baseline: black}")
    path = recipe.file
    text = (
        path.read_text()
        .replace("network.py:Small", "network.py:Red")
        .replace("resize: 32, crop: 28", "resize: 128, crop: 112")
    )
    path.write_text(text)
    audit = prepare(load(path), small.checkpoint, small.images, None, False)
    evidence, _ = measured(audit, small.folder / "evidence")
    record = evidence.records()[0]
    found = {f.name: f for f in evidence.findings(record)["occlusion"][0]}
    heat = np.clip(found["map"].values, 0, None)
    y, x = (float((heat.sum(1 - axis) * (np.arange(112) + 0.5)).sum() / heat.sum()) for axis in (0, 1))
    x0, y0, x1, y1 = record["geometry"]["crop_original_px"]
    assert (x0 + x / 112 * (x1 - x0), y0 + y / 112 * (y1 - y0)) == pytest.approx(
        (left + side / 2, top + side / 2), abs=2
    )


def test_run_writes_a_report_and_replaces_it_only_by_a_whole_one(small, monkeypatch):
    out = small.folder / "report"
    outcome = run(small.recipe(), small.checkpoint, small.images, out)
    assert outcome.folder == out and outcome.gates_passed and outcome.pdf_problem is None
    assert {p.name for p in out.iterdir()} >= {"report.html", "results.json", "junit.xml", "evidence"}
    before = (out / "report.html").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("reportgen.pipeline.write_report", _broken)
        with pytest.raises(RenderError):
            run(small.recipe(at_most=2), small.checkpoint, small.images, out)
    assert (out / "report.html").read_bytes() == before
    run(small.recipe(at_most=2), small.checkpoint, small.images, out)
    assert json.loads((out / "results.json").read_bytes())["cost"]["backwards"] == 4
    assert sorted(p.name for p in small.folder.glob("report*")) == ["report"]
    assert not (out / ".reportgen-work").exists()


def _broken(*_args, **_options):
    raise RenderError("the printer is on fire", "put it out")


def test_rendering_that_fails_keeps_the_evidence_where_there_was_no_report(small, monkeypatch):
    monkeypatch.setattr("reportgen.pipeline.write_report", _broken)
    out = small.folder / "report"
    with pytest.raises(RenderError):
        run(small.recipe(), small.checkpoint, small.images, out)
    assert Evidence(out / "evidence").manifest["images"]["ok"] == 7


@pytest.mark.parametrize(("broken", "at_most"), [("conv.weight", 200), ("head.bias", 3)])
def test_a_network_that_is_not_finite_is_reported_in_words(small, broken, at_most):
    state = _state(small)
    state[broken].view(-1)[0] = float("nan")
    save_file(state, small.checkpoint)
    every = [name for name in methods() if name != "occlusion"]
    trust = "{images: 2, steps: 2, random_orders: 2}"
    recipe = small.recipe(tuple(every), at_most=at_most, trust=trust)
    outcome = run(recipe, small.checkpoint, small.images, small.folder / "report")
    found = json.loads((outcome.folder / "results.json").read_bytes())
    for image in found["images"]:
        assert (image["predictions"], image["correct"], image["findings"]) == ([], None, {})
        assert (image["answered"] is False) == (image["status"] == "ok")
        assert image["status"] == "rejected" or "no answer" in image["reason"]
    assert found["metrics"]["unanswered"] == 7 and found["trust"] is None
    page = (outcome.folder / "report.html").read_text()
    assert "The model&#39;s output is not finite" in page and "7 images have no answer" in page


@pytest.mark.parametrize("made", [False, True])
def test_a_report_without_its_pdf_takes_an_empty_place_but_no_report_s(small, monkeypatch, made):
    out = small.folder / "report"
    if made:
        out.mkdir()
    problem = RenderError("no Pango", "install it")
    real = pipeline.write_report

    def without_pdf(folder, *others, **named):
        rendered = real(folder, *others, **{**named, "pdf": False})
        assert rendered.problem is None
        return replace(rendered, problem=problem)

    monkeypatch.setattr("reportgen.pipeline.write_report", without_pdf)
    first = run(small.recipe(), small.checkpoint, small.images, out)
    assert (first.folder, first.pdf_problem) == (out, problem)
    before = (out / "report.html").read_bytes()
    second = run(small.recipe(at_most=2), small.checkpoint, small.images, out)
    assert second.folder == out / ".reportgen-work"
    assert (out / "report.html").read_bytes() == before


def test_no_time_goes_into_a_set_without_a_readable_image(small, monkeypatch):
    for path in small.images.iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.setattr("reportgen.measure.whole_set.Climber", lambda *_: pytest.fail("measured the model"))
    with pytest.raises(InputError, match="none of the 8 images"):
        measured(small.audit(), small.folder / "evidence")


def test_equal_inputs_give_equal_reports(small, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for name in ("a", "b"):
        run(small.recipe(), small.checkpoint, small.images, small.folder / name)
    for name in ("report.html", "evidence/manifest.json", "evidence/batch-000000.safetensors"):
        assert (small.folder / "a" / name).read_bytes() == (small.folder / "b" / name).read_bytes()


def test_a_set_without_a_readable_image_is_an_input_error(small):
    for path in small.images.iterdir():
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="none of the 8 images"):
        run(small.recipe(), small.checkpoint, small.images, small.folder / "report")
    assert not (small.folder / "report").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "- saliency",
            "- grad-cam: {layer: mroe}",
            r"recipe.yaml:\d+:\d+: unknown layer.* 'mroe' \(did you mean 'more'\?\)",
        ),
        (
            "title:",
            "targets: gren\ntitle:",
            r"recipe.yaml:2:10: unknown class 'gren' \(did you mean 'green'\?\)",
        ),
    ],
)
def test_a_misspelt_layer_or_class_is_named_with_its_place(small, old, new, message):
    recipe = small.recipe(("saliency",))
    recipe.file.write_text(recipe.file.read_text().replace(old, new))
    with pytest.raises(RecipeError, match=message):
        prepare(load(recipe.file), small.checkpoint, small.images, None, False)
