"""`reportgen diff`: its exit codes, its files, and what it does not write over."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app


@pytest.fixture
def command() -> Callable[..., Any]:
    """Runs a command in this process."""
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def reports(nights: Any) -> list[Path]:
    return [nights.report("first"), nights.report("second")]


def test_past_a_limit_the_code_is_1_and_both_files_are_there(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "diff"
    done = command("diff", *reports, "--out", out)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == str(out / "diff.html")
    assert done.stderr.splitlines()[-1].startswith("gate failed: diff.filters_zeroed ≤ 0")
    page = (out / "diff.html").read_text(encoding="utf-8")
    found = json.loads((out / "diff.json").read_bytes())
    assert found["network"]["zeroed"] == [{"layer": "conv.weight", "channel": 1}]
    first, later = page.index("Filter 1 of conv is all zero"), page.index("Changed answers")
    assert first < later
    assert 'src="http' not in page
    assert "<script" not in page
    assert command("diff", *reports, "--out", out).exit_code == 1  # in place of its own


def test_every_link_of_the_page_leads_somewhere_on_it(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    command("diff", *reports, "--out", tmp_path)
    page = (tmp_path / "diff.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="#([^"]+)"', page))
    assert linked
    assert linked <= set(re.findall(r'\bid="([^"]+)"', page))


def test_within_all_limits_the_code_is_0(command: Callable[..., Any], reports: list[Path]) -> None:
    done = command("diff", reports[1], reports[0])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "filters: Filter 1 of conv is no longer zero." in done.stdout


def test_as_json_it_is_what_the_file_has(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    done = command("diff", *reports, "--json", "--out", tmp_path)
    assert json.loads(done.stdout) == json.loads((tmp_path / "diff.json").read_bytes())


def test_a_file_of_somebody_else_is_not_written_over(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "diff.html").write_text("mine")
    done = command("diff", *reports, "--out", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 2
    assert (tmp_path / "diff.html").read_text() == "mine"
    assert not (tmp_path / "diff.json").exists()


def test_reports_of_one_name_are_told_apart(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    copy = shutil.copytree(reports[1], tmp_path / "night" / "first")
    done = command("diff", reports[0], copy, "--json")
    found = json.loads(done.stdout)
    assert found["new"]["name"] == "night/first"
    assert found["old"]["name"] != found["new"]["name"]


def test_what_is_no_report_is_refused(
    command: Callable[..., Any], reports: list[Path], tmp_path: Path
) -> None:
    done = command("diff", reports[0], tmp_path)
    assert done.exit_code == 3
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 2


def test_the_schema_of_the_file_is_printed(command: Callable[..., Any]) -> None:
    assert json.loads(command("recipe", "schema", "--diff").stdout)["title"] == "diff.json"
