"""The first page of CONTRIBUTING, done as it says: two files, and all follows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from checkout import REPOSITORY, copied, in_words, modules, page, python

from reportgen.probes import Method, methods, probe


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package that has the two files besides, and nothing else."""
    root = tmp_path_factory.mktemp("checkout")
    files = ("tests/probes/conftest.py", "tests/examples/test_photos.py")
    return copied(root, ("examples/mnist", "examples/photos"), files, in_words(1))


@pytest.fixture(scope="module")
def said(checkout: Path) -> dict[str, tuple[int, str]]:
    """The exit codes and outputs of its test by the command that is given, of the demo's, and of a run."""
    recipe = (checkout / "examples/mnist/recipe.yaml").read_text(encoding="utf-8")
    head = recipe[: recipe.index("visualizations:")]
    file = checkout / "examples/mnist/one.yaml"
    shown = "checks: false\ntrust: false\nvisualizations: [hires-cam: {layer: conv2}]\n"
    file.write_text(head + shown, encoding="utf-8")
    (test,) = re.findall(r"^`\.venv/bin/python -m (pytest \S+)`", page(1), re.M)
    lacks = "pytest -q tests/examples/test_photos.py -k usual_order -p no:cacheprovider"
    run = (
        "reportgen run examples/mnist/checkpoints/epoch-10.safetensors examples/mnist/digits"
        " --recipe examples/mnist/one.yaml --limit 2 --quiet --out out"
    )
    commands = [f"{test} -p no:cacheprovider", lacks, run]
    return dict(zip(("test", "lacks", "run"), modules(checkout, *map(str.split, commands)), strict=True))


def test_it_is_two_files_a_probe_and_its_test() -> None:
    assert [Path(name).parent.as_posix() for name in in_words(1)] == ["reportgen/probes", "tests/probes"]


def test_they_are_as_the_house_style_has_it(checkout: Path) -> None:
    assert "All checks passed" in python(checkout, "-m", "ruff", "check", "--no-cache", *in_words(1))


def test_it_is_in_both_documents_and_in_the_results(
    checkout: Path, said: dict[str, tuple[int, str]]
) -> None:
    code, output = said["run"]
    assert code == 0, output
    report = checkout / "out"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "HiResCAM" in page and "Draelos &amp; Carin 2020" in page
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert results["recipe"]["visualizations"] == [{"hires-cam": {"layer": "conv2"}}]
    for image in results["images"]:
        assert "hires-cam" in image["findings"]
        assert f'id="i{image["id"]}-hires-cam' in page
    assert (report / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_its_test_passes_on_two_networks_by_the_command_that_is_given(
    said: dict[str, tuple[int, str]],
) -> None:
    code, output = said["test"]
    assert code == 0 and "2 passed, 7 deselected" in output, output
    left_out = "7 tests of many or large networks (mark `matrix`) were left out: `make matrix` runs them"
    assert left_out in output


def test_a_test_has_the_line_that_the_demo_lacks_last_in_its_group(said: dict[str, tuple[int, str]]) -> None:
    code, output = said["lacks"]
    assert code == 1 and "add `  - hires-cam` after guided-grad-cam" in output


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
