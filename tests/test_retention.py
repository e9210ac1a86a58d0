"""A row of nights: the links, what is thinned, and what never is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reportgen.audit.seal import seal, verify
from reportgen.errors import RecipeError
from reportgen.evidence import Writer
from reportgen.pipeline.retention import link, nights, thinned
from reportgen.workspace import check, workspace


def night(folder: Path, name: str, good: bool = True, title: str = "mine", date: str = "") -> Path:
    """A small whole report of a night, with a file of the user's own beside it."""
    out = folder / name
    writer = Writer(out / "evidence", name)
    writer.write("batch-000000", {}, [{"night": name}])
    writer.seal({"checkpoint": {"sha256": "0"}}, {})
    results = {"title": title, "created": f"2026-11-{date or name}", "gates": [{"passed": good}]}
    (out / "results.json").write_text(json.dumps(results))
    for document in ("report.html", "report.pdf", "junit.xml", "summary.md"):
        (out / document).write_text(document)
    (out / "maps").mkdir()
    (out / "maps" / "000000.npz").write_bytes(b"map")
    seal(out)
    (out / "notes.txt").write_text("mine")
    return out


def whole(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/report.html") if not path.parent.is_symlink()}


def test_old_nights_are_thinned_and_can_still_be_verified(tmp_path: Path) -> None:
    made = [night(tmp_path, f"{n:02d}") for n in range(1, 6)]
    assert sorted(path.name for path in thinned(made[-1], 2)) == ["01", "02", "03"]
    assert whole(tmp_path) == {"04", "05"}
    left = sorted(path.relative_to(made[0]).as_posix() for path in made[0].rglob("*") if path.is_file())
    assert "results.json" in left
    assert "notes.txt" in left
    assert "evidence/batch-000000.safetensors" in left
    assert not {"report.html", "report.pdf", "junit.xml", "summary.md", "maps/000000.npz"} & set(left)
    assert all(verify(path) == [] for path in made)
    assert list(thinned(made[-1], 2)) == []  # once is enough


def test_the_latest_good_night_stays_whole_however_old(tmp_path: Path) -> None:
    made = [night(tmp_path, f"{n:02d}", good=n == 2) for n in range(1, 6)]
    list(thinned(made[-1], 1))
    assert whole(tmp_path) == {"02", "05"}


@pytest.mark.parametrize("date", ["05", "01"])
def test_the_report_just_written_is_never_thinned_whatever_its_date(tmp_path: Path, date: str) -> None:
    old = [night(tmp_path, name, date="05") for name in ("b", "c")]
    new = night(tmp_path, "a", good=False, date=date)
    assert list(thinned(new, 1)) == old[:1]  # the other is the latest good one
    assert whole(tmp_path) == {"a", "c"}


def test_other_titles_other_folders_and_links_are_left_alone(tmp_path: Path) -> None:
    night(tmp_path, "01", title="another")
    night(tmp_path, "02")
    (tmp_path / "03").mkdir()
    (tmp_path / "03" / "report.html").write_text("no report of ours")
    latest = night(tmp_path, "04")
    (tmp_path / "latest").symlink_to("02")
    assert [one.folder.name for one in nights(latest)] == ["04", "02"]
    list(thinned(latest, 1))
    assert whole(tmp_path) == {"01", "03", "04"} | {"02"} - {"02"}


def test_a_change_before_the_thinning_is_still_found_after_it(tmp_path: Path) -> None:
    old, new = night(tmp_path, "01"), night(tmp_path, "02")
    (old / "results.json").write_text((old / "results.json").read_text() + " ")
    list(thinned(new, 1))
    assert verify(old) == ["results.json"]


def test_a_night_that_a_run_is_writing_is_not_thinned(tmp_path: Path) -> None:
    old, new = night(tmp_path, "01"), night(tmp_path, "02")
    with workspace(old):
        assert list(thinned(new, 1)) == []
    assert (old / "report.html").exists()


def test_links_lead_to_the_latest_and_to_the_latest_good_one(tmp_path: Path) -> None:
    good = night(tmp_path, "01")
    assert link(good, True) == []
    bad = night(tmp_path, "02", good=False)
    assert link(bad, False) == []
    assert (os.readlink(tmp_path / "latest"), os.readlink(tmp_path / "latest-good")) == ("02", "01")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01", "02", "latest", "latest-good"]


def test_what_is_no_link_is_not_replaced(tmp_path: Path) -> None:
    out = night(tmp_path, "01")
    (tmp_path / "latest").mkdir()
    (said,) = link(out, False)
    assert "is no link" in said
    assert (tmp_path / "latest").is_dir()


def test_a_second_run_into_a_folder_stops_at_once_and_names_the_first(tmp_path: Path) -> None:
    out = night(tmp_path, "01")
    with (
        workspace(out),
        pytest.raises(RecipeError, match=rf"another run is writing .*process {os.getpid()} on "),
    ):
        check(out)
    check(out)  # it has ended
