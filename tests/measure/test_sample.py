"""Numbers of the set are those of a sample drawn at random, whatever images are shown."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import torch

from reportgen.engine.onepass import OnePass, frozen
from reportgen.evidence import Evidence
from reportgen.findings import Tally
from reportgen.inputs import stream
from reportgen.measure.measurement import pixels_of
from reportgen.measure.selection import sample

INVARIANCE = "  - saliency\n  - invariance: {steps: 3, images: SIZE}\n"


def recipe(two, at_most, size):
    edit = lambda text: text.replace("  - saliency\n", INVARIANCE.replace("SIZE", str(size)))  # noqa: E731
    made = two.recipe(at_most=at_most, own="", edit=edit)
    return made.model_copy(update={"beside": None})


def test_a_sample_depends_on_bytes_and_seed_alone(two):
    files = two.audit(recipe(two, 2, 4)).files
    four, six = sample(files, 4, 0), sample(files, 6, 0)
    assert four == sorted(four) and set(four) < set(six), "a smaller sample is part of a larger one"
    turned = [replace(f, number=len(files) - 1 - f.number) for f in reversed(files)]
    assert {files[n].sha256 for n in four} == {turned[n].sha256 for n in sample(turned, 4, 0)}
    assert any(sample(files, 4, seed) != four for seed in range(1, 5))
    assert len(sample(files, 99, 0)) == sum(f.reason is None for f in files)


@pytest.mark.parametrize("at_most, size", [(2, 4), (200, 4), (2, "all"), (200, 100)])
def test_the_means_are_those_of_the_sample(two, at_most, size):
    (two.images / "red" / "broken.png").unlink()
    made = recipe(two, at_most, size)
    out = two.run(made, "out")
    evidence = Evidence(out / "evidence")
    audit = two.audit(made)
    count = audit.readable if size in ("all", 100) else size
    numbers = sample(audit.files, count, 0)
    found = {f.name: f for f in evidence.model_findings()["invariance"][0]}
    expected = {f.name: f for f in of_images(audit, numbers)}
    assert found.keys() == expected.keys()
    assert f"Measured on {count} readable images" in found["images"].text
    for name in ("distance-scale", "probability-rotation", "probability-scale-kept"):
        np.testing.assert_allclose(found[name].values, expected[name].values, rtol=1e-4, atol=1e-5)
    cost = audit.main.visualizations.cost(audit.readable, evidence.manifest["images"]["shown"])
    cost["occlusion_forwards"] = cost.pop("perturbed_forwards")  # as the evidence calls it
    assert {key: evidence.manifest["cost"][key] for key in cost} == cost, "the plan knew it beforehand"


def of_images(audit, numbers):
    """The findings of the set from one tally a single image, of these images."""
    model = audit.main
    (chosen,) = (p for p in model.visualizations.every if p.name == "invariance")
    network = model.feed.placed(model.subject.network, model.device)
    plan = model.visualizations.sample_plan([chosen])
    normal = model.subject.preprocessing.normalisation
    engine = OnePass(network, plan, model.slots, normal, model.device, 1, None, model.feed)
    tallies = []
    with frozen(network):
        for image in stream([audit.files[n] for n in numbers], model.subject.preprocessing):
            labels = torch.tensor([image.file.label_index])
            (tape,) = engine.run(pixels_of([image]), labels)
            tallies.append(chosen.probe.tally(tape))
    return chosen.probe.conclude(reduce(Tally.merged, tallies), model.facts)


def test_an_interrupted_sample_resumes_to_the_same_bytes(two, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    made = recipe(two, 2, 5)
    whole = two.run(made, "whole")
    seen = []

    def interrupt(stage, done, total, note=""):
        seen.append((stage, done))
        if stage == "sample" and done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two.run(made, "again", progress=interrupt)
    assert two.run(made, "again").name == "again"
    names = [path.name for path in (whole / "evidence").iterdir() if path.name != "timing.json"]
    assert any(name.startswith("sample-000005") for name in names)
    for name in names:
        one, other = (two.folder / out / "evidence" / name for out in ("whole", "again"))
        assert one.read_bytes() == other.read_bytes(), name
    plan = json.loads((whole / "evidence" / "manifest.json").read_text())["plan"]
    assert "5 images drawn at random are measured for the set: invariance" in plan
