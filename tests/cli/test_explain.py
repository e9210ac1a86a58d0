"""`explain`: text for people, JSON for programs, and an error that proposes what was meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app
from reportgen.evidence import canonical_json

IMAGE = {
    "id": "000000",
    "path": "cats/one.png",
    "sha256": "ab" * 32,
    "status": "ok",
    "reason": None,
    "label": "cat",
    "label_index": 0,
    "correct": True,
    "loss": 0.125,
    "answered": True,
    "predictions": [
        {"class_index": 0, "class_name": "cat", "logit": 2.0, "probability": 0.875},
        {"class_index": 1, "class_name": "dog", "logit": 0.0, "probability": 0.125},
    ],
    "findings": {"occlusion": {"target": "cat", "lowest-probability": 0.25, "flags": ["The mask is empty."]}},
}
REJECTED = {**IMAGE, "id": "000001", "path": "broken.png", "status": "rejected", "reason": "it is cut short"}
REJECTED |= {"sha256": None, "label": None, "correct": None, "loss": None, "predictions": [], "findings": {}}
RESULTS = {
    "schema": "reportgen.results/1",
    "images": [IMAGE, REJECTED],
    "checks": [],
    "beside": None,
    "trust": {"methods": {"occlusion": {"relies": False}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_bytes(canonical_json(RESULTS))
    return tmp_path


def explain(folder: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["explain", str(folder), *words])
    return done.exit_code, done.stdout, done.stderr


def test_text_says_answer_label_and_findings(folder: Path) -> None:
    code, said, _ = explain(folder, "one.png")
    assert code == 0
    assert "Answered cat at 0.875, 0.750 above the next; label cat: right" in said
    assert "occlusion: do not rely on its maps; The mask is empty.; lowest-probability 0.250" in said
    assert "report.html#i000000" in said


def test_json_is_json_and_nothing_else(folder: Path) -> None:
    code, said, _ = explain(folder, "0", "--json")
    read = json.loads(said)
    assert (code, read["id"], read["margin"], read["card"]) == (0, "000000", 0.75, "report.html#i000000")
    assert read["predictions"] == IMAGE["predictions"]


def test_an_image_without_an_answer_says_why(folder: Path) -> None:
    code, said, _ = explain(folder, "broken.png")
    assert code == 0 and "No answer: it is cut short" in said and "report.html#" not in said


@pytest.mark.parametrize(("name", "remedy"), [("cats/on.png", "'cats/one.png'"), ("zzzz", "000000")])
def test_an_image_that_is_not_there_is_two_lines_and_exit_3(folder: Path, name: str, remedy: str) -> None:
    code, said, told = explain(folder, name)
    assert (code, said) == (3, "")
    cause, mend = told.splitlines()
    assert cause == f"error: no image is called {name!r}"
    assert mend.startswith("remedy: ") and remedy in mend


def test_a_folder_that_is_no_report_is_two_lines_and_exit_3(tmp_path: Path) -> None:
    code, said, told = explain(tmp_path, "0")
    assert (code, said, len(told.splitlines())) == (3, "", 2)
