"""Two models on one set of images, end to end: what is measured, kept, resumed, sealed and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr

from reportgen.audit.seal import verify
from reportgen.errors import InputError, RecipeError
from reportgen.evidence import Evidence
from reportgen.pipeline import run


def results(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "results.json").read_bytes()))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, two_at: Any) -> Path:
    """A report of two networks with their maps. Whoever changes a file of it puts it back."""
    two = two_at(tmp_path_factory.mktemp("two"))
    return Path(two.run(two.recipe(), "both", save_maps=True))


def same_checkpoint(text: str) -> str:
    return text.replace("other.safetensors", "same.safetensors")


@pytest.mark.parametrize("at_most", [200, 4])
def test_the_second_model_is_measured_as_it_would_be_alone_on_what_the_first_one_chose(
    two: Any, at_most: int
) -> None:
    """The oracle is a run of its own; the choice of a larger set's images is the first model's."""
    found = Evidence(two.run(two.recipe(at_most), "both") / "evidence")
    other = found.beside
    assert other is not None
    shown = [record["id"] for record in found.records() if record["measured"]]
    assert [record["id"] for record in other.records() if record["measured"]] == shown
    assert len(shown) == min(at_most, 9)
    assert other.manifest["images"]["chosen"] == found.manifest["images"]["chosen"]

    own = two.recipe(own="", edit=lambda text: text[: text.index("beside:")])
    second = two.recipe().second()
    assert second is not None
    model = own.model_copy(update={"model": second.model, "visualizations": own.visualizations[:6]})
    alone = Evidence(
        run(model, two.folder / "other.safetensors", two.images, two.folder / "alone").folder / "evidence"
    )
    for mine, theirs in zip(other.records(), alone.records(), strict=True):
        assert mine["path"] == theirs["path"]
        assert mine["status"] == theirs["status"]
        for a, b in zip(mine["predictions"], theirs["predictions"], strict=True):
            assert (a["class_index"], a["logit"]) == (b["class_index"], pytest.approx(b["logit"], abs=1e-5))
        if mine["measured"]:
            maps = [one.findings(r)["grad-cam"][0][0] for one, r in ((other, mine), (alone, theirs))]
            np.testing.assert_allclose(maps[0].values, maps[1].values, atol=1e-5)


def test_numbers_of_the_two_together_follow_from_their_answers(two: Any) -> None:
    found = results(two.run(two.recipe(4), "both"))
    beside = found["beside"]
    pairs = [
        (a["predictions"][0]["class_index"], b["predictions"][0]["class_index"], a["label_index"], a["id"])
        for a, b in zip(found["images"], beside["images"], strict=True)
        if a["status"] == "ok"
    ]
    changed = {id_ for a, b, _, id_ in pairs if a != b}
    assert changed, "a test of nothing"
    assert {one["id"] for one in beside["changed"]} == changed
    assert beside["tests"]["compared"] == beside["tests"]["labelled"] == 9
    assert beside["tests"]["mended"] == sum(a == label != b for a, b, label, _ in pairs)
    assert beside["tests"]["broken"] == sum(b == label != a for a, b, label, _ in pairs)
    gap = found["metrics"]["accuracy"] - beside["metrics"]["accuracy"]
    assert beside["tests"]["accuracy_change"] == pytest.approx(gap)
    assert (beside["main"], beside["name"]) == ("first", "second")


def test_maps_are_correlated_where_they_share_a_grid_and_a_crop(two: Any, both: Path) -> None:
    """Of the same network by other weights every map is; of another crop none may be."""
    folder = two.run(two.recipe(own="", edit=same_checkpoint), "same")
    found, held = Evidence(folder / "evidence"), results(folder)["beside"]
    assert found.beside is not None
    others = {record["id"]: record for record in found.beside.records()}
    for mine, image in zip(found.records(), held["images"], strict=True):
        if not mine["measured"]:
            continue
        theirs = others[mine["id"]]
        for name, alike in image["maps"].items():
            maps = [
                {f.name: f for f in one.findings(record)[name][0]}["map"].values.ravel()
                for one, record in ((found, mine), (found.beside, theirs))
            ]
            assert alike["rho"] == pytest.approx(spearmanr(*maps).statistic, abs=1e-6)
            targets = [record["targets"][0]["class_index"] for record in (mine, theirs)]
            assert alike["same_class"] == (targets[0] == targets[1])
    tested = {name for image in held["images"] for name in image["maps"]}
    assert {"saliency", "occlusion"} <= tested
    for name, mean in held["maps"].items():
        rhos = [i["maps"][name]["rho"] for i in held["images"] if i["maps"].get(name, {}).get("same_class")]
        assert mean == {"images": len(rhos), "rho": pytest.approx(np.mean(rhos))}
    assert all(not image["maps"] for image in results(both)["beside"]["images"])


def test_a_layer_that_the_second_network_lacks_is_left_out_in_words(both: Path) -> None:
    held = results(both)["beside"]
    assert held["left_out"] == {
        "grad-cam-plus-plus": "this network has no layer 'more'",
        "feature-maps": "this network has no layer 'conv'",
    }
    page = (both / "report.html").read_text()
    assert "Left out for second: " in page
    assert page.count("This network has no layer &#39;more&#39;") == 9  # in its place on every card


@pytest.mark.parametrize(
    ("stage", "at_most"), [("measure", 4), ("measure beside", 4), ("measure beside", 200)]
)
def test_an_interrupted_run_resumes_in_either_model_and_ends_with_the_same_bytes(
    two: Any, monkeypatch: pytest.MonkeyPatch, stage: str, at_most: int
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    whole = two.run(two.recipe(at_most), "whole")

    def interrupt(at: str, done: int, total: int, note: str = "") -> None:
        if at == stage and done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two.run(two.recipe(at_most), "resumed", interrupt)
    measured = []

    def watch(at: str, done: int, total: int, note: str = "") -> None:
        measured.append((at, done))

    resumed = two.run(two.recipe(at_most), "resumed", watch)
    assert min(done for at, done in measured if at == stage) >= 2, "what was done is not done again"
    names = [p.relative_to(whole) for p in sorted(whole.rglob("*")) if p.is_file()]
    assert Path("evidence/beside/manifest.json") in names
    for name in names:
        # they tell durations, or have the hash of what does
        if name.name not in ("timing.json", "results.json", "SHA256SUMS", "statement.intoto.json"):
            assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_key_covers_the_second_checkpoint_but_not_what_it_is_called(two: Any) -> None:
    def key_of(recipe: Any) -> str:
        audit = two.audit(recipe)
        return audit.key(audit.main)

    key = key_of(two.recipe())
    assert key_of(two.recipe(edit=lambda text: text.replace("name: second", "name: 2nd"))) == key
    alone = two.recipe(own="", edit=lambda text: text[: text.index("beside:")])
    state = load_file(two.folder / "other.safetensors")
    state["head.bias"] += 1
    save_file(state, two.folder / "other.safetensors")
    assert len({key, key_of(two.recipe()), key_of(alone)}) == 3


FILES = [
    "manifest.json",
    "batch-000000.json",
    "batch-000000.safetensors",
    "model.safetensors",
]


def test_one_changed_byte_of_the_second_evidence_is_named(both: Path) -> None:
    folder = both
    assert verify(folder) == []
    for name in (*(f"evidence/beside/{name}" for name in FILES), "maps/beside/000000.npz"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
        assert verify(folder) == [name]
        (folder / name).unlink()
        assert verify(folder) == [name]
        (folder / name).write_bytes(whole)
    assert verify(folder) == []


def test_changed_images_without_a_card_have_a_picture(two: Any) -> None:
    folder = two.run(two.recipe(1), "both")
    evidence = Evidence(folder / "evidence")
    cards = {record["id"] for record in evidence.records() if record["measured"]}
    changed = {one["id"] for one in results(folder)["beside"]["changed"]}
    assert changed - cards, "a test of nothing"
    assert evidence.thumbnails().keys() == changed - cards
    assert all(seen.shape == (28, 28, 3) for seen in evidence.thumbnails().values())


def test_the_device_holds_one_network_at_a_time(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that is not the CPU the first network has gone before the second one comes."""
    held: list[tuple[str, bool]] = []
    audit = two.audit(two.recipe())
    names = ("first", "second")
    networks = {id(m.subject.network): name for m, name in zip(audit.models, names, strict=True)}
    real_to, real_cpu = torch.nn.Module.to, torch.nn.Module.cpu

    def to(self: Any, *args: Any, **options: Any) -> Any:
        if id(self) in networks and args:
            held.append((networks[id(self)], True))
        return real_to(self, *args, **options)

    def cpu(self: Any) -> Any:
        if id(self) in networks:
            held.append((networks[id(self)], False))
        return real_cpu(self)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(torch.nn.Module, "cpu", cpu)
    read = SimpleNamespace(recipe=audit.main.recipe, audit=lambda *_, **__: audit)
    monkeypatch.setattr("reportgen.pipeline.read_material", lambda *_: read)
    two.run(audit.main.recipe, "both")
    assert held.index(("first", True)) < held.index(("first", False)) < held.index(("second", True))


@pytest.mark.parametrize(
    ("old", "new", "kind", "message"),
    [
        ("other.safe", "othr.safe", InputError, r"recipe.yaml:\d+:15: the model beside: .*othr.safet"),
        ("networks.py:Other", "networks.py:Othr", RecipeError, r"recipe.yaml:\d+:13: model.source: .*'Othr'"),
        ("output: logits", "output: 5", InputError, r"recipe.yaml:\d+:15: the model beside: model.output"),
        (
            "    output: logits",
            "    output: logits\n    classes: [red, blue, green]",
            RecipeError,
            r"recipe.yaml:\d+:14: model.classes: class 1 is 'blue' beside, but 'green' in the main model",
        ),
    ],
)
def test_what_is_wrong_with_the_second_model_is_said_with_its_place(
    two: Any, old: str, new: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        two.audit(two.recipe(edit=lambda text: text.replace(old, new)))
    assert getattr(caught.value, "remedy", "")


def test_models_of_different_classes_are_refused_before_anything_is_measured(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    space: dict[str, Any] = {}
    exec((two.folder / "networks.py").read_text(), space)
    save_file(space["Other"](5).state_dict(), two.folder / "other.safetensors")
    monkeypatch.setattr("reportgen.pipeline.measure_main", lambda *_: pytest.fail("measured"))
    more = "output: logits\n    arguments: {classes: 5}"
    recipe = two.recipe(edit=lambda text: text.replace("output: logits", more))
    with pytest.raises(InputError, match=r"other.safetensors has 5 classes, main.safetensors 3") as caught:
        two.run(recipe, "both")
    assert caught.value.exit_code == 3
    assert not (two.folder / "both").exists()


def test_names_that_would_be_equal_are_told_apart(two: Any) -> None:
    (two.folder / "elsewhere").mkdir()
    (two.folder / "same.safetensors").rename(two.folder / "elsewhere" / "main.safetensors")

    def elsewhere(text: str) -> str:
        return text.replace("other.safetensors", "elsewhere/main.safetensors").replace("  name: second\n", "")

    audit = two.audit(two.recipe(own="", edit=elsewhere))
    assert [model.name for model in audit.models] == ["main (main)", "main (beside)"]


def test_gates_on_the_two_together_are_judged(two: Any) -> None:
    own = "  main: first\n  model: {source: networks.py:Other, output: logits}\n"
    gates = "gates:\n  - {metric: beside.changed, max: 0}\n  - {metric: beside.compared, min: 1}\n"
    with pytest.raises(RecipeError, match=r"unknown metric 'beside\.compared'"):
        two.recipe(own=own + gates)
    gated = two.recipe(own=own + gates.replace("compared, min: 1", "mcnemar_p, min: 0"))
    found = results(two.run(gated, "both"))
    assert [gate["passed"] for gate in found["gates"]] == [False, True]
    assert re.match(r"beside.changed is \d+, above 0", found["gates"][0]["reason"])


def test_a_gate_on_a_second_model_that_is_not_there_is_refused_with_its_place(two: Any) -> None:
    text = "gates:\n  - {metric: beside.broken, max: 0}\n"
    recipe = two.recipe(own="", edit=lambda whole: whole[: whole.index("beside:")] + text)
    with pytest.raises(RecipeError, match=r"recipe.yaml:\d+:14: beside.broken is not known"):
        two.audit(recipe)
    named = recipe.with_values({"beside.checkpoint": "same.safetensors"})
    assert two.audit(named).second is not None


def test_images_without_labels_are_compared_without_a_test(two: Any) -> None:
    recipe = two.recipe(edit=lambda text: text.replace("labels: folder", "labels: none"))
    folder = two.run(recipe, "both")
    tests = results(folder)["beside"]["tests"]
    assert tests["changed"] == tests["changed_unlabelled"] > 0
    assert tests["mended"] is tests["mcnemar_p"] is None
    assert "no image has a label to judge them by" in (folder / "report.html").read_text()


def test_a_second_network_that_is_not_finite_is_compared_with_nothing(two: Any) -> None:
    state = load_file(two.folder / "other.safetensors")
    state["head.bias"][0] = float("nan")
    save_file(state, two.folder / "other.safetensors")
    tests = results(two.run(two.recipe(), "both"))["beside"]["tests"]
    assert (tests["compared"], tests["changed"], tests["mcnemar_p"]) == (0, 0, None)
    assert (tests["unanswered"], tests["unanswered_labelled"]) == (9, 9)
    page = (two.folder / "both" / "report.html").read_text()
    assert "second has no answer: not finite" in page and "9 images are left out" in page
