"""The first page of CONTRIBUTING, done as it says: one file, and all follows."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient
from safetensors.torch import load_file

from reportgen.probes import Method, methods, probe

REPOSITORY = Path(__file__).resolve().parents[1]
MNIST = REPOSITORY / "examples" / "mnist"
IMPORTS = """from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Gradient, ModelFacts, Need, Tape
from reportgen.findings import Finding, Heatmap
from reportgen.probes import probe
"""


def block(language: str) -> str:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.M | re.S)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report by a copy of the package that has the example's one file besides, nothing else."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("reportgen", "templates", "themes"):
        shutil.copytree(REPOSITORY / folder, root / folder)
    probe = root / "reportgen" / "probes" / "gradient_times_input.py"
    probe.write_text(f"{IMPORTS}\n\n{block('python')}", encoding="utf-8")
    shutil.copytree(MNIST, root / "mnist")
    recipe = (root / "mnist" / "recipe.yaml").read_text(encoding="utf-8")
    head = recipe[: recipe.index("visualizations:")]
    (root / "mnist" / "recipe.yaml").write_text(
        f"{head}visualizations: [gradient-times-input]\n", encoding="utf-8"
    )
    words = (
        "run mnist/checkpoints/epoch-10.safetensors mnist/digits --recipe mnist/recipe.yaml"
        " --limit 2 --save-maps --quiet --out out"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from reportgen.cli import main; main()", *words.split()],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return root / "out"


def test_it_is_in_both_documents_and_in_the_results(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Gradient × input" in page and "Shrikumar et al. 2016" in page
    assert (report / "report.pdf").read_bytes().startswith(b"%PDF-")
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert results["recipe"]["visualizations"] == [{"gradient-times-input": {}}]
    assert all("gradient-times-input" in image["findings"] for image in results["images"])


def test_its_map_is_captums(report: Path) -> None:
    spec = importlib.util.spec_from_file_location("explained_network", MNIST / "network.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.DigitNet().eval()
    network.load_state_dict(load_file(MNIST / "checkpoints" / "epoch-10.safetensors"))
    for name in ("000000", "000001"):
        maps = np.load(report / "maps" / f"{name}.npz")
        x = torch.from_numpy(maps["input"])[None].requires_grad_()
        target = int(maps["logits"].argmax())
        expected = InputXGradient(network).attribute(x, target=target).sum(1)[0].detach().numpy()
        np.testing.assert_allclose(
            maps["gradient-times-input"], expected, atol=1e-5 * np.abs(expected).max()
        )


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: method.name)
def test_every_visualization_has_its_source_and_a_test(method: Method) -> None:
    assert re.search(r"\b(19|20)\d\d\b", method.source), f"no year in {method.source!r}"
    assert method.definition and method.reading and method.limits
    tested = "".join(p.read_text(encoding="utf-8") for p in (REPOSITORY / "tests/probes").glob("test_*.py"))
    assert re.search(rf"\b{method.probe.__name__}\(", tested), f"no test makes {method.probe.__name__}"


def test_a_visualization_without_its_paragraphs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Limits\."):

        @probe("half", scope="image")
        class Half:
            """Half: it forgets to say what it cannot show.

            Definition. A half.

            Reading. Twice.

            Source. Nobody 2020.
            """
