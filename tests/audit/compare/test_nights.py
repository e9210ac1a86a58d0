"""The gate inside a team's own tests, and the statement of what was tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reportgen.audit.compare.sides import read_side
from reportgen.errors import RecipeError
from reportgen.evidence import sha256_of
from reportgen.pipeline import run
from reportgen.testing import assert_audit


def test_a_model_within_its_limits_passes_and_its_results_are_returned(nights: Any) -> None:
    found = assert_audit(nights.recipe, nights.good, nights.images, baseline=nights.report("first"))
    assert found["baseline"]["answers"]["changed"] == 0
    assert all(gate["passed"] for gate in found["gates"])


def test_a_model_past_its_limits_fails_with_each_of_them(nights: Any, tmp_path: Path) -> None:
    out = tmp_path / "report"
    with pytest.raises(
        AssertionError, match=r"1 of 3 requirements are not met; the report is in .*report"
    ) as told:
        assert_audit(nights.recipe, nights.bad, nights.images, baseline=nights.report("first"), out=out)
    assert "failed: diff.filters_zeroed ≤ 0" in str(told.value)
    assert (out / "report.html").exists()


def test_an_assertion_that_could_not_fail_is_refused(nights: Any) -> None:
    with pytest.raises(RecipeError, match="nothing would be asserted"):
        assert_audit(nights.recipe, nights.good, nights.images)


def test_the_statement_has_the_digests_of_what_was_tested_and_written(nights: Any) -> None:
    folder = nights.report("second")
    made = json.loads((folder / "statement.intoto.json").read_bytes())
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["subject"] == [{"name": "bad.safetensors", "digest": {"sha256": sha256_of(nights.bad)}}]
    assert made["predicate"]["result"] == "FAILED"
    assert made["predicate"]["failedTests"] == ["diff.filters_zeroed ≤ 0"]
    written = {one["name"]: one["digest"]["sha256"] for one in made["predicate"]["byproducts"]}
    assert {
        "report.html",
        "results.json",
        "junit.xml",
        "summary.md",
        "evidence/manifest.json",
    } == written.keys()
    assert all(sha256_of(folder / name) == digest for name, digest in written.items())
    named = {one["name"]: one for one in made["predicate"]["configuration"]}
    assert named["baseline: main.safetensors"]["digest"]["sha256"] == sha256_of(nights.good)


def test_a_baseline_that_goes_while_the_run_lasts_costs_its_maps_and_nothing_else(
    nights: Any, tmp_path: Path
) -> None:
    first = shutil.copytree(nights.report("first"), tmp_path / "nights" / "first")
    (tmp_path / "latest-good").symlink_to(first)

    def progress(stage: str, *_: Any) -> None:
        if stage == "plan":  # the link moves on, and the old night is thrown away
            (tmp_path / "latest-good").unlink(missing_ok=True)
            (tmp_path / "latest-good").symlink_to(nights.report("second"))
            shutil.rmtree(first, ignore_errors=True)

    out = tmp_path / "first"  # by the name of its baseline
    link = tmp_path / "latest-good"
    found = run(nights.recipe, nights.bad, nights.images, out, baseline=link, progress=progress)
    told = found.results["baseline"]
    assert (told["old"]["name"], told["new"]["name"]) == ("nights/first", f"{tmp_path.name}/first")
    assert "evidence" in [one["what"] for one in told["obstacles"]]
    assert told["maps"] == {}
    kept = json.loads((nights.report("second") / "results.json").read_bytes())["baseline"]
    assert told["answers"] == kept["answers"]


def test_a_baseline_with_a_broken_file_of_evidence_is_compared_by_its_results(
    nights: Any, tmp_path: Path
) -> None:
    first = shutil.copytree(nights.report("first"), tmp_path / "first")
    next((first / "evidence").glob("batch-*.safetensors")).unlink()
    side = read_side(first)
    assert side.evidence is None
    assert len(side.records) == len(side.results["images"])
