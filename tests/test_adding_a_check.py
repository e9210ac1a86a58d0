"""The second page of CONTRIBUTING, done as it says: two files, and all follows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from checkout import REPOSITORY, copied, in_words, modules, python

from reportgen.checks import Question, check, questions

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


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that has the two files besides, and nothing else."""
    root = tmp_path_factory.mktemp("checkout")
    folders, files = ("examples/mnist",), ("tests/checks/conftest.py",)
    return copied(root, folders, files, in_words(2))


@pytest.fixture(scope="module")
def said(checkout: Path) -> dict[str, tuple[int, str]]:
    """The exit codes and outputs of its test, and of a run with it."""
    (checkout / "examples/mnist/one.yaml").write_text(RECIPE, encoding="utf-8")
    run = (
        "reportgen run examples/mnist/checkpoints/epoch-10.safetensors examples/mnist/digits"
        " --recipe examples/mnist/one.yaml --limit 30 --quiet --out out"
    )
    test = "pytest -q tests/checks/test_noise.py -p no:cacheprovider"
    return dict(zip(("test", "run"), modules(checkout, test.split(), run.split()), strict=True))


def test_it_is_two_files_a_check_and_its_test() -> None:
    assert [Path(name).parent.as_posix() for name in in_words(2)] == ["reportgen/checks", "tests/checks"]


def test_they_are_as_the_house_style_has_it(checkout: Path) -> None:
    assert "All checks passed" in python(checkout, "-m", "ruff", "check", "--no-cache", *in_words(2))


def test_it_is_on_the_page_in_the_results_and_in_the_gates(
    checkout: Path, said: dict[str, tuple[int, str]]
) -> None:
    code, output = said["run"]
    assert code == 0, output
    page = (checkout / "out" / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'<span class="nb">(.*?)</span>', r"\1", page)  # a per cent sign stays with its number
    results = json.loads((checkout / "out" / "results.json").read_text(encoding="utf-8"))
    (asked,) = results["checks"]
    assert (asked["name"], asked["sample"]) == ("noise", 30)
    assert asked["sentence"].startswith("Noise changes ") and asked["sentence"] in page
    assert 'id="check-noise"' in page and "Hendrycks &amp; Dietterich 2019" in page
    (gate,) = results["gates"]
    assert (gate["check"], gate["outcome"]) == ("noise", "passed")
    assert results["recipe"]["checks"]["only"] == [{"noise": {"noise_std": 0.02, "limit": 0.05}}]
    assert results["cost"]["check_forwards"] == 60


def test_its_test_passes(said: dict[str, tuple[int, str]]) -> None:
    code, output = said["test"]
    assert code == 0 and "1 passed" in output, output


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
