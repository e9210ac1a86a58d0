"""The first page of CONTRIBUTING, done as it says: two files, and all follows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.probes import Method, methods, probe

REPOSITORY = Path(__file__).resolve().parents[1]
TESTED_WITH = (
    "pyproject.toml",
    "tests/conftest.py",
    "tests/attending.py",
    "tests/left_out.py",
    "tests/matrix/networks.py",
    "tests/matrix_table.py",
    "tests/oracles.py",
    "tests/probes/conftest.py",
)


def adding() -> str:
    """The first part of CONTRIBUTING."""
    return (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[1]


def in_words() -> dict[str, str]:
    """The files that it has one add: each path in bold, and the block of code after it."""
    return dict(re.findall(r"^\*\*`(\S+)`\*\*.+?^```python\n(.*?)^```", adding(), re.M | re.S))


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
    for folder in ("reportgen", "templates", "themes", "examples/mnist", "examples/photos"):
        shutil.copytree(REPOSITORY / folder, root / folder)
    for name in (*TESTED_WITH, "tests/examples/test_photos.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for name, text in in_words().items():
        assert not (root / name).exists(), "the example is there already"
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def report(checkout: Path) -> Path:
    recipe = (checkout / "examples/mnist/recipe.yaml").read_text(encoding="utf-8")
    head = recipe[: recipe.index("visualizations:")]
    file = checkout / "examples/mnist/one.yaml"
    file.write_text(f"{head}visualizations: [hires-cam: {{layer: conv2}}]\n", encoding="utf-8")
    words = (
        "run examples/mnist/checkpoints/epoch-10.safetensors examples/mnist/digits"
        " --recipe examples/mnist/one.yaml --limit 2 --quiet --out out"
    )
    python(checkout, "-c", "from reportgen.cli import main; main()", *words.split())
    return checkout / "out"


def test_it_is_two_files_a_probe_and_its_test() -> None:
    assert [Path(name).parent.as_posix() for name in in_words()] == ["reportgen/probes", "tests/probes"]


def test_they_are_as_the_house_style_has_it(checkout: Path) -> None:
    assert "All checks passed" in python(checkout, "-m", "ruff", "check", "--no-cache", *in_words())


def test_it_is_in_both_documents_and_in_the_results(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "HiResCAM" in page and "Draelos &amp; Carin 2020" in page
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert results["recipe"]["visualizations"] == [{"hires-cam": {"layer": "conv2"}}]
    for image in results["images"]:
        assert "hires-cam" in image["findings"]
        assert f'id="i{image["id"]}-hires-cam' in page
    assert (report / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_its_test_passes_on_two_networks_by_the_command_that_is_given(checkout: Path) -> None:
    (words,) = re.findall(r"^`\.venv/bin/python (-m pytest \S+)`", adding(), re.M)
    said = python(checkout, *words.split(), "-p", "no:cacheprovider")
    assert "2 passed, 7 deselected" in said
    assert "7 tests of many or large networks (mark `matrix`) were left out: `make matrix` runs them" in said


def test_a_test_has_the_line_that_the_demo_lacks_last_in_its_group(checkout: Path) -> None:
    with pytest.raises(AssertionError, match=r"add `  - hires-cam` after guided-grad-cam"):
        python(checkout, "-m", "pytest", "-q", "tests/examples/test_photos.py", "-k", "usual_order")


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
