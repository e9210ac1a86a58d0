from __future__ import annotations

import pytest

from reportgen.errors import RecipeError
from reportgen.workspace import check, publish, workspace


def report(folder):
    (folder / "evidence").mkdir(parents=True)
    (folder / "evidence" / "manifest.json").write_text("{}")
    return folder


def test_a_folder_with_other_things_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RecipeError, match="would be lost"):
        check(tmp_path)
    with pytest.raises(RecipeError, match="is a file"):
        check(tmp_path / "thesis.tex")
    check(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check(tmp_path / "empty")
    check(report(tmp_path / "old"))


def test_an_old_report_stays_until_the_new_one_is_published(tmp_path):
    out = report(tmp_path / "out")
    with workspace(out) as folder:
        (folder / "report.html").write_text("new")
        assert not (out / "report.html").exists()
        publish(folder, out)
    assert (out / "report.html").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_what_an_interrupted_run_left_is_still_there(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), workspace(out) as folder:
        (folder / "shard").write_text("done")
        raise KeyboardInterrupt
    with workspace(out) as folder:
        assert (folder / "shard").read_text() == "done"
    assert not out.exists()


def test_two_runs_never_write_the_same_report(tmp_path):
    out = tmp_path / "out"
    with workspace(out), pytest.raises(RecipeError, match="another run"), workspace(out):
        pass
