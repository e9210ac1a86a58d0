"""Through the command: the training's pictures, columns of the labels' file, failing checks and --strict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reportgen.checks.balance import Balance
from reportgen.cli.commands import app

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist"


def audited(folder: Path, images: str, checks: str, *options: str) -> tuple[int, str, dict]:
    """The exit code, what was said on stderr, and the verdicts by name, if there are any."""
    (folder / "recipe.yaml").write_text(
        f"""\
model:
  source: {MNIST / "network.py"}:DigitNet
  classes: {MNIST / "classes.txt"}
  preprocessing: {{crop: 28, mean: [0.1307], std: [0.3081]}}
images: {{{images}}}
run: {{device: cpu}}
visualizations: []
trust: false
checks: {{sample: 4, only: {checks}}}
output: {{pdf: false}}
""",
        encoding="utf-8",
    )
    checkpoint = MNIST / "checkpoints" / "epoch-10.safetensors"
    words = ["run", checkpoint, folder / "set", "--recipe", folder / "recipe.yaml", "--out", folder / "out"]
    words += ["--allow-code", MNIST / "network.py"]
    done = CliRunner().invoke(app, [*map(str, words), "--quiet", *options])
    results = folder / "out" / "results.json"
    found = json.loads(results.read_text(encoding="utf-8"))["checks"] if results.exists() else []
    return done.exit_code, done.stderr, {verdict["name"]: verdict for verdict in found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of twenty digits, with a file of labels, and a training with three of them among others."""
    lines = ["path,label,camera"]
    for number, source in enumerate(sorted((MNIST / "digits").glob("*/*.png"))[::25]):
        target = tmp_path / "set" / f"{number:02d}.png"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)
        lines.append(f"{target.name},{source.parent.name},{'left' if number % 3 else 'right'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "training").mkdir()
    for number, source in enumerate(sorted((MNIST / "digits").glob("*/*.png"))[10::50]):
        shutil.copy(source, tmp_path / "training" / f"t{number}.png")
    for number in (1, 5, 9):
        shutil.copy(tmp_path / "set" / f"{number:02d}.png", tmp_path / "training" / f"copy-{number}.png")
    return tmp_path


def test_the_training_and_the_groups(folder: Path) -> None:
    images = "labels: labels.csv, training: training, groups: [camera]"
    code, _, said = audited(folder, images, "[leakage, groups: {fewest: 5}]")
    assert code == 0
    assert said["leakage"]["status"] == "fault"
    assert (
        "3 of 20 images (15.0 %) are in the training folder (3 with equal pixels)"
        in said["leakage"]["sentence"]
    )
    assert len(said["leakage"]["exhibits"]["images"]) == 3
    assert said["groups"]["n"] == 20 and "camera" in said["groups"]["sentence"]
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "copy-5.png" in page and "Accuracy and calibration by group" in page


def test_what_is_not_given_is_untested_and_names_its_key(folder: Path) -> None:
    code, _, said = audited(
        folder, "labels: none", "[leakage, groups, properties, abstention, slices]", "--strict"
    )
    assert code == 0, "untested for want of input is no failure"
    assert {verdict["status"] for verdict in said.values()} == {"untested"}
    assert "images.training" in said["leakage"]["remedy"] and "images.groups" in said["groups"]["remedy"]


@pytest.mark.parametrize(
    "images, said",
    [
        ("labels: labels.csv, groups: [lens]", "labels.csv has no column 'lens'"),
        ("labels: labels.csv, training: empty", "images.training"),
        ("labels: labels.csv, training: nowhere", "images.training"),
    ],
)
def test_what_is_not_there_is_one_clear_line(folder: Path, images: str, said: str) -> None:
    (folder / "empty").mkdir()
    code, stderr, _ = audited(folder, images, "[leakage, groups]")
    assert code == 2 and said in stderr and "Traceback" not in stderr


@pytest.mark.parametrize("options, code", [((), 0), (("--strict",), 70)])
def test_a_check_that_fails_costs_the_exit_code_only_where_that_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int
) -> None:
    def judge(self: Balance, case: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr(Balance, "judge", judge)
    found, _, said = audited(folder, "labels: labels.csv", "[balance, duplicates]", *options)
    assert found == code
    assert said["balance"]["status"] == "untested" and "ZeroDivisionError: odd" in said["balance"]["error"]
    assert said["duplicates"]["status"] == "clear"
