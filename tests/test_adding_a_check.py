"""The second page of CONTRIBUTING, done as it says: two files, and all follows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.checks import Question, check, questions

REPOSITORY = Path(__file__).resolve().parents[1]
TESTED_WITH = (
    "pyproject.toml",
    "tests/conftest.py",
    "tests/attending.py",
    "tests/left_out.py",
    "tests/matrix/networks.py",
    "tests/matrix_table.py",
    "tests/oracles.py",
    "tests/checks/conftest.py",
)
RECIPE = """\
model:
  source: network.py:DigitNet
  classes: classes.txt
  preprocessing: {resize: null, crop: 28, mean: [0.1307], std: [0.3081]}
images: {labels: folder}
visualizations: []
trust: false
checks: [noise: {noise_std: 0.02}]
gates: [{check: noise, at_worst: undecided}]
output: {pdf: false}
"""


def in_words() -> dict[str, str]:
    """The files that the second part of CONTRIBUTING has one add, by path."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[2]
    return dict(re.findall(r"\*\*`(\S+)`\*\*.+?^```python\n(.*?)^```", text, re.M | re.S))


def python(root: Path, *words: str) -> str:
    """The standard output of Python in a folder, with that folder's package."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that has the two files besides, and nothing else."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("reportgen", "templates", "themes", "examples/mnist"):
        shutil.copytree(REPOSITORY / folder, root / folder)
    for name in TESTED_WITH:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for name, text in in_words().items():
        assert not (root / name).exists(), "the example is there already"
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_it_is_two_files_a_check_and_its_test() -> None:
    assert [Path(name).parent.as_posix() for name in in_words()] == ["reportgen/checks", "tests/checks"]


def test_they_are_as_the_house_style_has_it(checkout: Path) -> None:
    assert "All checks passed" in python(checkout, "-m", "ruff", "check", "--no-cache", *in_words())


def test_it_is_on_the_page_in_the_results_and_in_the_gates(checkout: Path) -> None:
    (checkout / "examples/mnist/one.yaml").write_text(RECIPE, encoding="utf-8")
    words = (
        "run examples/mnist/checkpoints/epoch-10.safetensors examples/mnist/digits"
        " --recipe examples/mnist/one.yaml --limit 30 --quiet --out out"
    )
    python(checkout, "-c", "from reportgen.cli import main; main()", *words.split())
    page = (checkout / "out" / "report.html").read_text(encoding="utf-8")
    results = json.loads((checkout / "out" / "results.json").read_text(encoding="utf-8"))
    (asked,) = results["checks"]
    assert (asked["name"], asked["sample"]) == ("noise", 30)
    assert asked["sentence"].startswith("Noise changes ") and asked["sentence"] in page
    assert 'id="check-noise"' in page and "Hendrycks &amp; Dietterich 2019" in page
    (gate,) = results["gates"]
    assert (gate["check"], gate["outcome"]) == ("noise", "passed")
    assert results["recipe"]["checks"]["only"] == [{"noise": {"noise_std": 0.02, "limit": 0.05}}]
    assert results["cost"]["check_forwards"] == 60


def test_its_test_passes(checkout: Path) -> None:
    said = python(checkout, "-m", "pytest", "-q", "tests/checks/test_noise.py", "-p", "no:cacheprovider")
    assert "1 passed" in said


@pytest.mark.parametrize("asked", questions().values(), ids=lambda asked: asked.name)
def test_every_check_has_its_source_and_a_test(asked: Question) -> None:
    assert re.search(r"\b(19|20)\d\d\b", asked.source), f"no year in {asked.source!r}"
    tests = REPOSITORY / "tests/checks"
    tested = "".join(path.read_text(encoding="utf-8") for path in tests.glob("test_*.py"))
    assert re.search(rf"\b{asked.check.__name__}\(", tested), f"no test makes {asked.check.__name__}"


def test_a_check_without_its_paragraphs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Remedy\."):

        @check("half", group="the images")
        class Half:
            """Half: is it whole?

            Measurement. A half.

            Reading. Twice.

            Limits. None.

            Source. Nobody 2020.
            """
