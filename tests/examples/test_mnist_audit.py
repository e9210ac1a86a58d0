"""The digits example through the command: its gate decides the exit code."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

Audit = Callable[..., tuple[int, dict[str, Any]]]
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mnist"


@pytest.fixture
def audit(command: Callable[..., Any]) -> Audit:
    """Audits an epoch: audit(epoch, recipe, out, option, …) gives the exit code and the results."""

    def run(epoch: int, recipe: Path, out: Path, *options: str) -> tuple[int, dict[str, Any]]:
        checkpoint = EXAMPLE / "checkpoints" / f"epoch-{epoch:02d}.safetensors"
        where = (checkpoint, EXAMPLE / "digits", "--recipe", recipe, "--out", out)
        done = command("run", *where, "--quiet", "--no-pdf", *options)
        assert done.exit_code in (0, 1), done.stderr
        return done.exit_code, json.loads((out / "results.json").read_text(encoding="utf-8"))

    return run


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's recipe with one visualization of two images: every digit is scored all the same."""
    folder = tmp_path_factory.mktemp("digits")
    for name in ("network.py", "classes.txt"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    lines = (EXAMPLE / "recipe.yaml").read_text(encoding="utf-8").replace("at_most: 40", "at_most: 2")
    head, rest = lines.split("visualizations:\n")
    tail = rest[rest.index("gates:") :]
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"{head}checks: false\nvisualizations: [predictions]\n{tail}", encoding="utf-8")
    return recipe


def test_the_last_epoch_passes_with_the_accuracy_that_the_network_has(
    audit: Audit, scored: Path, tmp_path: Path
) -> None:
    """The oracle evaluates the network without reportgen."""
    spec = importlib.util.spec_from_file_location("audited_network", EXAMPLE / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.DigitNet().eval()
    network.load_state_dict(load_file(EXAMPLE / "checkpoints" / "epoch-10.safetensors"))
    files = sorted((EXAMPLE / "digits").glob("*/*.png"))
    grey = torch.from_numpy(np.stack([np.asarray(Image.open(file)) for file in files]))
    with torch.inference_mode():
        said = network((grey[:, None].float() / 255 - 0.1307) / 0.3081).argmax(1).tolist()
    right = [answer == int(file.parent.name) for answer, file in zip(said, files, strict=True)]

    status, results = audit(10, scored, tmp_path / "out")
    assert status == 0
    assert results["metrics"]["accuracy"] == pytest.approx(sum(right) / 500)
    assert [image["path"] for image in results["images"]] == [
        file.relative_to(EXAMPLE / "digits").as_posix() for file in files
    ]
    assert [image["predictions"][0]["class_index"] for image in results["images"]] == said
    for row in results["metrics"]["per_class"]:
        name = row["class_name"]
        mine = [good for good, file in zip(right, files, strict=True) if file.parent.name == name]
        assert (row["count"], row["correct"]) == (50, sum(mine))
        assert row["low"] < row["accuracy"] <= row["high"]


def test_the_first_epoch_fails_the_gate_and_the_report_is_still_written(
    audit: Audit, scored: Path, tmp_path: Path
) -> None:
    status, results = audit(1, scored, tmp_path / "out")
    assert status == 1
    assert [gate["passed"] for gate in results["gates"]] == [False]
    assert (tmp_path / "out" / "report.html").is_file()
    failures = ElementTree.parse(tmp_path / "out" / "junit.xml").iter("failure")
    assert len(list(failures)) >= 1


def test_the_whole_recipe_draws_every_figure_of_a_digit(audit: Audit, tmp_path: Path) -> None:
    """--limit leaves the first digits, all zeros: every visualization of the recipe runs at 28 px."""
    status, results = audit(10, EXAMPLE / "recipe.yaml", tmp_path / "out", "--limit", "3", "--save-maps")
    assert status == 1  # of three images nobody can say whether the gate is met
    assert [gate["outcome"] for gate in results["gates"]] == ["cannot be judged"]
    assert len(results["images"]) == 3
    maps = np.load(tmp_path / "out" / "maps" / "000000.npz")
    assert {"saliency", "guided-backprop", "grad-cam", "occlusion", "hypercolumns"} <= set(maps)
    for name in ("saliency", "guided-backprop", "grad-cam", "occlusion"):
        assert maps[name].shape == (28, 28)
        assert np.ptp(maps[name]) > 0
    assert maps["input"].shape == (1, 28, 28)
    logits = maps["logits"].astype(np.float64)
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert results["images"][0]["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "53,030" in page
