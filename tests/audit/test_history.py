"""The history: since when something fails, and jumps beyond the spread, of rows that are written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reportgen.audit.history import FEWEST, history, read_history
from reportgen.errors import RecipeError


def night(
    name: str, accuracy: float = 0.9, passed: bool = True, weights: str = "clear", seconds: float = 10
) -> Any:
    return {
        "name": name,
        "created": f"2026-11-{name}T03:00:00+00:00",
        "checkpoint_sha256": "0" * 64,
        "met": passed,
        "accuracy": accuracy,
        "low": accuracy - 0.02,
        "high": accuracy + 0.02,
        "gates": [{"name": "loss ≤ 1", "metric": "loss", "value": 0.5, "limit": 1.0, "passed": passed}],
        "checks": {"weights": weights},
        "seconds": seconds,
    }


def found(before: list[Any], now: Any, kind: str) -> dict[str, Any]:
    return {one["what"]: one for one in history(before, now)["findings"] if one["kind"] == kind}


def test_what_fails_is_followed_back_to_the_audit_in_which_it_began() -> None:
    before = [night("01", passed=False), night("02"), night("03", passed=False), night("04", passed=False)]
    since = found(before, night("05", passed=False), "since")["loss ≤ 1"]
    assert (since["since"], since["audits"]) == ("03", 3)


def test_what_fails_for_the_first_time_says_so_and_what_is_fine_says_nothing() -> None:
    before = [night("01"), night("02")]
    since = found(before, night("03", weights="fault"), "since")
    assert list(since) == ["check.weights"]
    assert (since["check.weights"]["since"], since["check.weights"]["audits"]) == ("03", 1)


def test_a_check_that_earlier_audits_did_not_ask_begins_with_the_first_that_did() -> None:
    old = night("01", weights="fault")
    del old["checks"]["weights"]
    since = found([old, night("02", weights="fault")], night("03", weights="fault"), "since")
    assert (since["check.weights"]["since"], since["check.weights"]["audits"]) == ("02", 2)


def test_what_failed_until_the_audit_before_is_mended() -> None:
    before = [night("01"), night("02", passed=False, weights="fault"), night("03", passed=False)]
    mended = found(before, night("04"), "mended")
    assert list(mended) == ["loss ≤ 1"]  # the check was mended by 03, and is no news
    assert (mended["loss ≤ 1"]["since"], mended["loss ≤ 1"]["audits"]) == ("02", 2)
    again = found([night("01", weights="fault")], night("02"), "mended")
    assert (again["check.weights"]["since"], again["check.weights"]["audits"]) == ("01", 1)


def test_what_is_not_asked_any_more_is_not_mended() -> None:
    now = night("02", weights="untested")
    now["gates"] = []
    assert found([night("01", passed=False, weights="fault")], now, "mended") == {}


SPREAD = [night(f"{n:02d}", 0.9 + 0.002 * (n % 3), seconds=10 + n % 3) for n in range(1, 8)]


@pytest.mark.parametrize(("accuracy", "jumps"), [(0.902, False), (0.906, False), (0.85, True), (0.95, True)])
def test_an_accuracy_beyond_the_spread_is_a_jump(accuracy: float, jumps: bool) -> None:
    assert ("accuracy" in found(SPREAD, night("09", accuracy, seconds=11), "jump")) == jumps


def test_a_time_jumps_where_it_is_half_as_long_again() -> None:
    assert found(SPREAD, night("09", 0.902, seconds=14), "jump") == {}
    jump = found(SPREAD, night("09", 0.902, seconds=40), "jump")["seconds"]
    assert (jump["value"], jump["median"], jump["audits"]) == (40, 11, len(SPREAD))


def test_of_few_audits_there_is_no_spread() -> None:
    few = SPREAD[: FEWEST - 1]
    assert found(few, night("09", 0.1, seconds=99), "jump") == {}


def results(title: str, created: str) -> dict[str, Any]:
    return {
        "schema": "reportgen.results/1",
        "title": title,
        "created": created,
        "model": {"checkpoint_sha256": "0" * 64},
        "metrics": {"accuracy": None, "accuracy_low": None, "accuracy_high": None},
        "gates": [],
        "checks": [],
        "cost": {"seconds": {"total": 5.0, "render": 1.5}},
    }


def test_reports_and_lone_files_of_one_title_are_read_oldest_first(tmp_path: Path) -> None:
    for name, title, created in (
        ("b", "mine", "2026-01-02"),
        ("a", "mine", "2026-01-03"),
        ("c", "other", "2026-01-01"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results(title, created)))
    (tmp_path / "kept.json").write_text(json.dumps(results("mine", "2026-01-01")))
    (tmp_path / "notes.json").write_text("[1]")
    (tmp_path / "latest").symlink_to("a")  # the same report again
    read = read_history(tmp_path, "mine", tmp_path / "new")
    assert [past["name"] for past in read] == ["kept", "b", "a"]
    assert read[0]["seconds"] == 3.5
    assert [past["name"] for past in read_history(tmp_path, "mine", tmp_path / "a")] == ["kept", "b"]
    assert read_history(tmp_path / "nowhere", "mine", tmp_path / "new") == []
    with pytest.raises(RecipeError, match="is a file"):
        read_history(tmp_path / "kept.json", "mine", tmp_path)
