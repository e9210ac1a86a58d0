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
from reportgen.measure.rounds import pixels_of
from reportgen.measure.selection import sample

INVARIANCE = "  - saliency\n  - invariance: {steps: 3, images: SIZE}\n"


def recipe(two, at_most, size):
    edit = lambda text: text.replace("  - saliency\n", INVARIANCE.replace("SIZE", str(size)))  # noqa: E731
    made = two.recipe(at_most=at_most, own="", edit=edit)
    return made.model_copy(update={"beside": None})


def test_a_sample_depends_on_bytes_and_seed_alone(two):
    files = two.session(recipe(two, 2, 4)).files
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
    session = two.session(made)
    count = session.readable if size in ("all", 100) else size
    numbers = sample(session.files, count, 0)
    found = {f.name: f for f in evidence.model_findings()["invariance"][0]}
    expected = {f.name: f for f in of_images(session, numbers)}
    assert found.keys() == expected.keys()
    assert f"Measured on {count} readable images" in found["images"].text
    for name in ("distance-scale", "probability-rotation", "probability-scale-kept"):
        np.testing.assert_allclose(found[name].values, expected[name].values, rtol=1e-4, atol=1e-5)
    cost = session.plan.cost(session.readable, evidence.manifest["images"]["shown"])
    assert {key: evidence.manifest["cost"][key] for key in cost} == cost, "the plan knew it beforehand"


def of_images(session, numbers):
    """The findings of the set from one tally a single image, of these images."""
    (planned,) = (p for p in session.plan.planned if p.name == "invariance")
    network = session.feed.placed(session.subject.network, session.device)
    plan = replace(session.plan, planned=(planned,))
    normal = session.subject.preprocessing.normalisation
    engine = OnePass(network, plan, session.slots, normal, session.device, 1, None, session.feed)
    tallies = []
    with frozen(network):
        for image in stream([session.files[n] for n in numbers], session.subject.preprocessing):
            labels = torch.tensor([image.file.label_index])
            (tape,) = engine.run(pixels_of([image]), labels)
            tallies.append(planned.probe.tally(tape))
    return planned.probe.conclude(reduce(Tally.merged, tallies), session.facts)


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
