"""A set that is shared out gives the evidence of one run, byte for byte, whoever measured what and when."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from reportgen import run
from reportgen.errors import Fault, InputError, RecipeError
from reportgen.measure.spans import MOST, Part, scored_at_once, spans
from reportgen.pipeline.ray_actors import Share, shares
from reportgen.pipeline.sharing import Request, asked, part_of, shard
from reportgen.pipeline.workers import _measure
from reportgen.recipe import Recipe, load
from reportgen.workspace import PART, unfinished

NETWORK = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))
"""
RECIPE = """
model:
  source: network.py:Small
  classes: [red, green, blue]
  preprocessing: {{resize: 16, crop: 16, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
images: {{show: {{at_most: {at_most}}}}}
run: {{device: cpu, batch_size: 2}}
trust: false
checks: {checks}
visualizations: [predictions, saliency, channel-health, top-patches]
output: {{pdf: false}}
"""


class Asked:
    """A folder with a network, its checkpoint and eleven images, one of them broken."""

    def __init__(self, folder: Path, at_most: int = 3, checks: str = "false") -> None:
        self.folder = folder
        (folder / "network.py").write_text(NETWORK)
        (folder / "recipe.yaml").write_text(RECIPE.format(at_most=at_most, checks=checks))
        space: dict = {}
        exec(NETWORK, space)
        torch.manual_seed(0)
        save_file(space["Small"]().state_dict(), folder / "w.safetensors")
        (folder / "images").mkdir()
        rng = np.random.default_rng(0)
        for n in range(11):
            picture = Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
            picture.save(folder / "images" / f"{n:02d}.png")
        (folder / "images" / "05.png").write_bytes(b"nothing")

    @property
    def request(self) -> Request:
        recipe = load(self.folder / "recipe.yaml", [])
        return Request(recipe, self.folder / "w.safetensors", self.folder / "images")

    def run(self, out: str, **options) -> Path:
        asked_for = self.request
        run(asked_for.recipe, asked_for.checkpoint, asked_for.images, self.folder / out, **options)
        return self.folder / out

    def shard(self, part: str, out: str | None = None, **options) -> Path:
        named = self.folder / (out or "part-" + part.replace("/", "-"))
        return shard(self.request, part_of(part), named, **options)


@pytest.fixture
def set_of_eleven(tmp_path, monkeypatch) -> Asked:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.chdir(tmp_path)
    return Asked(tmp_path)


def same_evidence(one: Path, other: Path, but: tuple[str, ...] = ()) -> bool:
    """Whether two reports' evidence has the same files with the same bytes, but for what it took."""
    names = [{p.name for p in (folder / "evidence").iterdir()} for folder in (one, other)]
    differ = [
        name
        for name in sorted(names[0] & names[1])
        if name not in ("timing.json", *but)
        and (one / "evidence" / name).read_bytes() != (other / "evidence" / name).read_bytes()
    ]
    assert names[0] == names[1]
    return not differ


@pytest.mark.parametrize(("at_most", "checks"), [(3, "[duplicates, accuracy]"), (200, "false")])
def test_parts_in_any_order_merge_to_the_evidence_of_one_run(tmp_path, monkeypatch, at_most, checks):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    images = Asked(tmp_path, at_most, checks)
    parts = [images.shard(part) for part in ("2/3", "3/3", "1/3")]
    merged = images.run("merged", parts=parts)
    assert same_evidence(images.run("whole"), merged)
    assert (merged / "report.html").exists()


def test_a_part_that_was_stopped_goes_on(set_of_eleven):
    class Stopped(Exception):
        pass

    def stop(stage, done, total, note=""):
        if stage == "score" and done:
            raise Stopped

    with pytest.raises(Stopped):
        set_of_eleven.shard("1/2", progress=stop)
    folder = set_of_eleven.folder / "part-1-2"
    with pytest.raises(InputError, match="holds no part that is wholly measured"):
        asked([folder])
    before = {p.name: p.stat().st_mtime_ns for p in (unfinished(folder) / "evidence").glob("score*")}
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    after = {p.name: p.stat().st_mtime_ns for p in (unfinished(folder) / "evidence").glob("score*")}
    assert before and all(after[name] == when for name, when in before.items())
    assert same_evidence(set_of_eleven.run("whole"), set_of_eleven.run("merged", parts=parts))


def test_a_part_says_all_that_was_asked(set_of_eleven):
    folder = set_of_eleven.shard("1/1")
    again = asked([folder])
    assert again.recipe.resolved() == set_of_eleven.request.recipe.resolved()
    assert again.recipe.folder == set_of_eleven.folder
    assert (again.checkpoint, again.images) == (
        set_of_eleven.request.checkpoint,
        set_of_eleven.request.images,
    )


def test_code_of_a_folder_that_a_part_names_is_not_called(set_of_eleven, tmp_path_factory, monkeypatch):
    folder = set_of_eleven.shard("1/1")
    note = unfinished(folder) / PART
    told = json.loads(note.read_bytes())
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "torchvision.py").write_text("raise SystemExit('called')")
    told["request"]["folder"] = str(elsewhere)
    told["request"]["recipe"]["model"]["source"] = "torchvision.py:Small"
    note.write_text(json.dumps(told))
    with pytest.raises(RecipeError, match="was measured with code of another folder"):
        asked([folder])
    assert asked([folder], [str(elsewhere / "torchvision.py")]).recipe.folder == elsewhere
    monkeypatch.chdir(elsewhere)
    assert asked([folder]).recipe.folder == elsewhere
    told["request"]["recipe"]["model"]["source"] = "os:system"
    note.write_text(json.dumps(told))
    request = asked([folder])
    with pytest.raises(RecipeError, match="'os:system' is not allowed"):
        run(request.recipe, request.checkpoint, request.images, elsewhere / "out")


def test_a_recipe_that_was_resolved_is_the_same_recipe():
    plain = {
        "model": {"source": "torchvision:resnet18", "target": {"class": "cat"}, "classes": ["cat", "dog"]},
        "beside": {"checkpoint": "other.pt"},
        "gates": [
            {"metric": "accuracy", "min": 0.9},
            {"check": "duplicates"},
            {"diff": "answers_changed", "max": 0.1},
        ],
        "trust": False,
        "checks": ["duplicates", {"corruptions": {"severities": 3}}],
        "visualizations": ["saliency", {"occlusion": {"window_px": 9}}],
    }
    recipe = Recipe.model_validate(plain)
    again = Recipe.again(json.loads(json.dumps(recipe.resolved())), Path("here"))
    assert again.resolved() == recipe.resolved()
    assert again.explained == recipe.explained


def test_what_does_not_belong_together_is_refused(set_of_eleven):
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    with pytest.raises(InputError, match="1 of 2 parts are missing: 2/2"):
        set_of_eleven.run("merged", parts=parts[:1])
    third = set_of_eleven.shard("1/3")
    with pytest.raises(InputError, match="no parts of one run"):
        set_of_eleven.run("merged", parts=[*parts, third])
    with pytest.raises(InputError, match="holds no part"):
        set_of_eleven.run("merged", parts=[set_of_eleven.folder / "images"])
    Image.new("RGB", (20, 20)).save(set_of_eleven.folder / "images" / "01.png")
    with pytest.raises(InputError, match="another recipe, checkpoint or image set than there is now"):
        set_of_eleven.run("merged", parts=parts)


def test_a_shard_that_was_altered_is_refused(set_of_eleven):
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    arrays = sorted((unfinished(parts[1]) / "evidence").glob("score-*.safetensors"))[0]
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    with pytest.raises(InputError, match=f"the shard {arrays.stem} is not as it was written"):
        set_of_eleven.run("merged", parts=parts)


def test_a_part_whose_folder_was_asked_something_else_since_is_refused(set_of_eleven):
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    note = (unfinished(parts[0]) / PART).read_bytes()
    recipe = set_of_eleven.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("crop: 16", "crop: 12"))

    class Stopped(Exception):
        pass

    def stop(stage, done, total, note=""):
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        set_of_eleven.shard("1/2", progress=stop)
    recipe.write_text(recipe.read_text().replace("crop: 12", "crop: 16"))
    with pytest.raises(InputError, match="holds no part that is wholly measured"):
        set_of_eleven.run("merged", parts=parts)
    (unfinished(parts[0]) / PART).write_bytes(note)
    with pytest.raises(InputError, match="another recipe, checkpoint or image set"):
        set_of_eleven.run("merged", parts=parts)


def test_what_a_shard_says_is_proved_too(set_of_eleven):
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    said = sorted((unfinished(parts[0]) / "evidence").glob("score-*.json"))[0]
    said.write_text(said.read_text().replace('"class_index": 0', '"class_index": 1'))
    with pytest.raises(InputError, match="is not as it was written"):
        set_of_eleven.run("merged", parts=parts)


def test_parts_of_a_preset_are_merged(set_of_eleven):
    recipe = set_of_eleven.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("batch_size: 2", "batch_size: 2, preset: quick"))
    parts = [set_of_eleven.shard("1/1")]
    merged = set_of_eleven.run("merged", parts=parts)
    assert json.loads((merged / "results.json").read_text())["metrics"]["images"] == 11


def test_an_address_and_a_link_stay_what_they_are(set_of_eleven):
    link = set_of_eleven.folder / "linked.safetensors"
    link.symlink_to("w.safetensors")
    request = replace(set_of_eleven.request, checkpoint=link, images=Path("s3://bucket/images"))
    told = request.as_json()
    assert told["checkpoint"] == str(link)
    assert Request.of(told, []).images == Path("s3://bucket/images")


def test_a_shard_that_was_lost_is_measured_by_the_merge(set_of_eleven):
    parts = [set_of_eleven.shard("1/2"), set_of_eleven.shard("2/2")]
    for lost in sorted((unfinished(parts[0]) / "evidence").glob("score-000002.*")):
        lost.unlink()
    assert same_evidence(set_of_eleven.run("whole"), set_of_eleven.run("merged", parts=parts))


def test_a_part_with_no_image_is_a_part(set_of_eleven):
    parts = [set_of_eleven.shard(f"{n}/8") for n in range(1, 9)]  # six spans
    assert not list((unfinished(parts[7]) / "evidence").glob("score*"))
    assert same_evidence(set_of_eleven.run("whole"), set_of_eleven.run("merged", parts=parts))


def test_a_budget_is_refused(set_of_eleven):
    recipe = set_of_eleven.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("batch_size: 2", "batch_size: 2, budget: 10min"))
    with pytest.raises(RecipeError, match="cannot be kept by parts"):
        set_of_eleven.shard("1/2")


@pytest.mark.parametrize("wrong", ["0/2", "3/2", "1", "1/", "a/b", "-1/2", "1/2/3", "²/3", "1/" + "9" * 5000])
def test_what_is_no_part_is_said(wrong):
    with pytest.raises(RecipeError, match="is no part of a set"):
        part_of(wrong)


@pytest.fixture
def two_threads(monkeypatch):
    """This process has two threads, so that each of two workers has one."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_workers_give_the_evidence_of_one_run_though_one_is_killed(set_of_eleven, two_threads):
    killed = []

    def kill_one(stage, done, total, note=""):
        if stage == "score" and not killed:
            victim = multiprocessing.active_children()[0]
            os.kill(victim.pid, signal.SIGKILL)
            killed.append(victim.pid)

    shared = set_of_eleven.run("shared", workers=2, progress=kill_one)
    assert killed
    torch.set_num_threads(1)
    # the manifest names the threads
    assert same_evidence(set_of_eleven.run("whole"), shared, but=("manifest.json",))


def test_what_a_worker_raises_is_told_with_its_remedy(set_of_eleven, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    request = set_of_eleven.request
    request.checkpoint.unlink()
    hear, tell = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        _measure(request.as_json(), (), Part(1, 1), str(set_of_eleven.folder / "part"), 1, tell)
    kind, error = hear.recv()
    assert kind == "error"
    assert isinstance(error, InputError)
    assert "w.safetensors" in error.cause and error.remedy


def test_a_budget_is_refused_before_anything_is_read(set_of_eleven):
    recipe = set_of_eleven.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("batch_size: 2", "batch_size: 2, budget: 10min"))
    set_of_eleven.request.checkpoint.unlink()
    with pytest.raises(RecipeError, match="cannot be kept by parts"):
        set_of_eleven.run("shared", workers=2)


def test_errors_may_come_from_another_process():
    for error in (InputError("a", "b"), RecipeError("a", "b"), Fault("a", "b")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.cause, again.remedy) == (type(error), "a", "b")


def test_every_span_belongs_to_one_part():
    files = list(range(103))
    several = spans(files, 10)
    assert [len(span.files) for span in several] == [10] * 10 + [3]
    owners = [[Part(k, 4).has(span.number) for k in range(1, 5)] for span in several]
    assert all(sum(row) == 1 for row in owners)


@pytest.mark.parametrize("count", [1, 16, 1000, 131_072, 131_073, 10**6, 10**9])
def test_spans_are_whole_batches_and_not_too_many(count):
    size = scored_at_once(count, 16)
    assert size % 16 == 0
    assert -(-count // size) <= MOST
    if count <= 16 * MOST:
        assert size == 16


def test_the_note_of_a_part_does_not_outlive_the_report(set_of_eleven):
    """A part may be made a whole report in its own folder."""
    folder = set_of_eleven.shard("1/2")
    set_of_eleven.run(folder.name)
    assert unfinished(folder) is None
    assert not (folder / PART).exists()
    shutil.rmtree(folder)


def actors() -> list[int]:
    """The processes of this machine that are actors of ours."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.joinpath("cmdline").read_bytes().startswith(b"ray::Measurer"):
                found.append(int(place.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


def test_ray_gives_the_evidence_of_one_run_though_an_actor_is_killed(set_of_eleven, two_threads):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    killed = []

    def kill_one(stage, done, total, note=""):
        if stage == "score" and not killed:
            killed.append(actors()[0])
            os.kill(killed[0], signal.SIGKILL)

    shared = set_of_eleven.run("shared", engine="ray", workers=2, progress=kill_one)
    assert killed
    torch.set_num_threads(1)
    assert same_evidence(set_of_eleven.run("whole"), shared, but=("manifest.json",))


@pytest.mark.parametrize(
    ("nodes", "wished", "expected"),
    [
        ([{"CPU": 2.0}], 2, Share(2, 1.0, 0.0)),
        ([{"CPU": 4.0}], 10, Share(4, 1.0, 0.0)),
        ([{"CPU": 8.0}] * 4, 2, Share(2, 8.0, 0.0)),
        ([{"CPU": 3.0}] * 2, None, Share(2, 2.0, 0.0)),
        ([{"CPU": 3.0}] * 2, 4, Share(4, 1.0, 0.0)),
        ([{"CPU": 16.0, "GPU": 2.0}], None, Share(2, 1.0, 1.0)),
        ([{"CPU": 16.0, "GPU": 2.0}], 3, Share(3, 1.0, 0.5)),
        ([{"CPU": 16.0, "GPU": 4.0}, {"CPU": 8.0}], 2, Share(2, 1.0, 1.0)),
        ([{"CPU": 1.0, "GPU": 4.0}], None, Share(1, 1.0, 1.0)),
        ([{}, {"CPU": 1.0}], None, Share(1, 1.0, 0.0)),
    ],
)
def test_all_actors_find_a_place_at_once(nodes, wished, expected):
    assert shares(nodes, wished) == expected


def test_a_cluster_without_a_core_is_said():
    with pytest.raises(InputError, match="no node of the cluster has a core"):
        shares([{"CPU": 0.0}], None)


def test_without_ray_the_extra_is_named(set_of_eleven, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RecipeError, match="--engine ray needs the package ray"):
        set_of_eleven.run("shared", engine="ray")
