"""The output folder: what is replaced, what never is, and what a process that ends anywhere leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from reportgen import workspace as room
from reportgen.audit.seal import seal, verify
from reportgen.errors import RecipeError
from reportgen.evidence import Writer, sha256_of
from reportgen.ownership import owned, will_write
from reportgen.workspace import check, publish, recover, workspace

WORK = ".reportgen-work"


def report(folder: Path, text: str = "old", shards: int = 2, maps: tuple[int, ...] = (0,)) -> Path:
    """A small whole report: sealed evidence of some shards, documents, maps."""
    writer = Writer(folder / "evidence", text)
    for number in range(shards):
        writer.write(f"batch-{number:06d}", {}, [{"text": text}])
    writer.seal({"checkpoint": {"sha256": "0"}}, {})
    for name in ("report.html", "results.json", "junit.xml", *(f"maps/{number:06d}.npz" for number in maps)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    seal(folder)
    return folder


def files(folder: Path) -> dict[str, str]:
    """Everything below a folder by its relative name: hashes of files, targets of links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = os.readlink(path)
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = sha256_of(path)
    return found


def again(out: Path, text: str = "new", **more) -> None:
    """What a run does with its output folder."""
    check(out)
    with workspace(out) as folder:
        publish(report(folder, text, **more), out)


def test_a_folder_with_other_things_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RecipeError, match="other things in it"):
        check(tmp_path)
    with pytest.raises(RecipeError, match="is a file"):
        check(tmp_path / "thesis.tex")
    with pytest.raises(RecipeError, match="cannot write"):
        again(tmp_path / "thesis.tex" / "report")
    check(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check(tmp_path / "empty")
    check(report(tmp_path / "old"))
    (tmp_path / "theirs" / "evidence").mkdir(parents=True)
    (tmp_path / "theirs" / "evidence" / "manifest.json").write_text('{"schema": "court.case/1"}')
    with pytest.raises(RecipeError, match="no report of reportgen's"):
        check(tmp_path / "theirs")


def test_an_old_report_stays_until_the_new_one_is_published(tmp_path):
    out = report(tmp_path / "out", shards=3, maps=(0, 1))
    with workspace(out) as folder:
        report(folder, "new", maps=())
        assert (out / "report.html").read_text() == "old"
        assert verify(out) == []
        publish(folder, out)
    assert files(out) == files(report(tmp_path / "alone", "new", maps=()))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone", "out"]
    assert not (out / "maps").exists()


MINE = (
    *("notes.md", "weights/best.pt", "images/cat.png", "evidence/notes.json", "evidence/run.log"),
    *("maps/mine.npz", "maps/000007.npz", "report-files/cat.png", "report.pdf", "report.old/a", ".git/HEAD"),
)


def test_what_else_lies_in_the_folder_and_beside_it_survives_run_after_run(tmp_path):
    out = report(tmp_path / "report")
    for name in MINE:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(f"mine: {name}")
    (out / "latest").symlink_to("weights/best.pt")
    for beside in ("report.old", "report.partial"):
        (tmp_path / beside / "evidence").mkdir(parents=True)
        (tmp_path / beside / "evidence" / "thesis.txt").write_text("three years")
    kept = {name: held for name, held in files(tmp_path).items() if name.removeprefix("report/") in MINE}
    kept |= {name: held for name, held in files(tmp_path).items() if "thesis" in name or "latest" in name}
    for text in ("second", "third"):
        check(out, will_write(pdf=False, maps=False))
        with workspace(out) as folder:
            publish(report(folder, text, shards=1, maps=()), out)
        assert (out / "report.html").read_text() == text
        assert not (out / "maps" / "000000.npz").exists()
        assert kept.items() <= files(tmp_path).items()
        assert len(kept) == len(MINE) + 3


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("report.pdf", {"pdf": True}),
        ("maps/000003.npz", {"maps": True}),
        ("maps", {"maps": True}),
        ("report-files/report.css", {"page_files": True}),
        ("evidence/batch-000009.json", {}),
        ("evidence/set.safetensors", {}),
    ],
)
def test_a_stranger_in_the_way_is_refused_before_anything_is_measured(tmp_path, name, parts):
    out = report(tmp_path / "out", maps=())
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    before = files(out)
    none = {"pdf": False, "maps": False, "page_files": False}
    with pytest.raises(RecipeError, match="was not written by reportgen") as refused:
        check(out, will_write(**{**none, **parts}))
    assert name in refused.value.cause and "move it away" in refused.value.remedy
    assert files(out) == before
    if parts:  # a report that has no such part is not in its way
        check(out, will_write(**none))


@pytest.mark.parametrize("name", ["report.html", "evidence", "evidence/batch-000000.json"])
def test_links_and_folders_in_the_place_of_our_files_are_nobody_s_to_replace(tmp_path, name):
    out = report(tmp_path / "out")
    (out / name).rename(tmp_path / "elsewhere")
    (out / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecipeError, match="was not written by reportgen"):
        check(out)
    (out / name).unlink()
    (tmp_path / "elsewhere").rename(out / name)
    (out / "report.html").unlink()
    (out / "report.html").mkdir()
    with pytest.raises(RecipeError, match=r"report\.html was not written by reportgen"):
        check(out)


def test_a_stranger_that_comes_while_it_is_measured_is_not_overwritten(tmp_path):
    out = report(tmp_path / "out", maps=())
    check(out)
    with pytest.raises(RecipeError, match=r"000000\.npz"), workspace(out) as folder:
        report(folder, "new")
        (out / "maps").mkdir()
        (out / "maps" / "000000.npz").write_text("mine")
        publish(folder, out)
    assert (out / "maps" / "000000.npz").read_text() == "mine"
    assert (out / "report.html").read_text() == "old"
    (out / "maps" / "000000.npz").unlink()
    with workspace(out) as folder:  # what was measured is still there
        publish(folder, out)
    assert (out / "report.html").read_text() == "new"


def test_a_seal_that_names_strangers_gives_none_of_them_away(tmp_path):
    """Somebody ran `sha256sum *` into the file of the same name, or a folder comes from a stranger."""
    out = report(tmp_path / "out")
    (out / "best.pt").write_text("weights")
    (tmp_path / "outside").write_text("x")
    names = ("best.pt", "../outside", "/etc/passwd", "maps/../best.pt", "report.html")
    (out / "SHA256SUMS").write_text("".join(f"{'0' * 64}  {name}\n" for name in names))
    manifest = json.loads((out / "evidence" / "manifest.json").read_bytes())
    manifest["shards"].append({"name": "../../outside", "sha256": "0"})
    (out / "evidence" / "manifest.json").write_text(json.dumps(manifest))
    ours = owned(out)
    assert {name for name in ours if not name.startswith("evidence/")} == {"SHA256SUMS", "report.html"}
    assert not [name for name in ours if ".." in name]
    (out / "SHA256SUMS").unlink()  # without one, what could be ours by its name is
    assert {"maps/000000.npz", "results.json"} < owned(out)
    assert "best.pt" not in owned(out)


def test_what_an_interrupted_run_left_is_still_there(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), workspace(out) as folder:
        Writer(folder / "evidence", "key").write("batch-000000", {})
        raise KeyboardInterrupt
    (out / "notes.txt").write_text("mine")  # put there before the run is taken up again
    out.rename(tmp_path / "moved")
    out = tmp_path / "moved"
    check(out)
    with workspace(out) as folder:
        assert set(Writer(folder / "evidence", "key").finished) == {"batch-000000"}
    again(out)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["evidence", "maps"]
    assert (out / "notes.txt").read_text() == "mine"


def test_a_run_that_has_measured_nothing_leaves_nothing(tmp_path):
    for out in (tmp_path / "new", report(tmp_path / "old")):
        before = files(tmp_path)
        with pytest.raises(KeyboardInterrupt), workspace(out) as folder:
            Writer(folder / "evidence", "key")
            raise KeyboardInterrupt
        assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_of_the_work_folder_s_name_is_taken_over_only_with_our_marker(tmp_path):
    out = report(tmp_path / "out")
    (out / WORK / "evidence").mkdir(parents=True)
    (out / WORK / "evidence" / "key").write_text("mine")
    (out / WORK / "reportgen-work").write_text("mine too")
    (out / f"{WORK}-2").symlink_to(tmp_path)
    mine = {name: held for name, held in files(out).items() if name.startswith(WORK)}
    with workspace(out) as folder:
        assert folder.name == f"{WORK}-3"
        publish(report(folder, "new"), out)
    assert mine.items() <= files(out).items()
    assert not (out / f"{WORK}-3").exists()
    assert (out / "report.html").read_text() == "new"


def test_the_marker_is_whole_where_a_system_has_no_pwrite(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pwrite", raising=False)
    work = tmp_path / "out" / WORK
    for before in (b"", b"half a marker of a run that was ended", room.MARK):
        work.mkdir(parents=True, exist_ok=True)
        (work / room.MARKER).write_bytes(before[: len(room.MARK)])
        with workspace(tmp_path / "out") as folder:
            assert (folder / room.MARKER).read_bytes() == room.MARK


def test_two_runs_never_write_the_same_report(tmp_path):
    out = tmp_path / "out"
    (tmp_path / "link").symlink_to("out")
    for other in (out, tmp_path / "link"):
        with workspace(out), pytest.raises(RecipeError, match="another run"), workspace(other):
            pass
    with workspace(out) as folder:
        publish(report(folder), out)
        with workspace(out) as second:  # the first has published: the second's work folder is its own
            report(second, "new")
    assert (out / WORK / "report.html").read_text() == "new"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path):
    (tmp_path / "runs").mkdir()
    link = tmp_path / "latest"
    link.symlink_to("runs/monday")  # not there yet
    for text in ("first", "second"):
        again(link, text)
        assert os.readlink(link) == "runs/monday"
        assert (tmp_path / "runs" / "monday" / "report.html").read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "runs"]
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["monday"]


def test_links_that_lead_to_no_folder_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "to-file").symlink_to("file")
    with pytest.raises(RecipeError, match="is a file"):
        check(tmp_path / "to-file")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(RecipeError, match="back to itself"):
        check(tmp_path / "round")
    assert (tmp_path / "file").read_text() == "x"


def test_the_working_folder_itself_may_hold_the_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("first", "second"):
        again(Path("."), text)
        assert (tmp_path / "report.html").read_text() == text


def test_a_folder_that_may_not_be_written_is_told(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    out = report(tmp_path / "out")
    monkeypatch.setattr(room.os, "open", refuse)
    with pytest.raises(RecipeError, match=r"cannot write to .*Permission denied"), workspace(out):
        pass


class _Killed(BaseException):
    """The process ends here."""


def steps(tmp_path, monkeypatch, stop: int) -> int:
    """Publishes over an old report and ends after `stop` changes of the disk; how many there were."""
    out = report(tmp_path / "out", shards=3, maps=(0, 1))
    (out / "notes.md").write_text("mine")
    done = 0

    def counted(real):
        def call(*args, **options):
            nonlocal done
            if done == stop:
                raise _Killed
            done += 1
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch, workspace(out) as folder:
        report(folder, "new", shards=1, maps=(0, 5))
        for name in ("rename", "unlink", "rmdir", "mkdir", "replace"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        publish(folder, out)
    return done


def test_a_process_that_ends_anywhere_while_it_publishes_loses_neither_report(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of files
    whole = steps(tmp_path / "whole", monkeypatch, -1)
    expected = files(tmp_path / "whole" / "out")
    old = set(files(report(tmp_path / "old", shards=3, maps=(0, 1))).values())
    new = set(files(report(tmp_path / "new", "new", shards=1, maps=(0, 5))).values())
    assert whole > 20
    finished = 0
    for stop in range(whole):
        folder = tmp_path / str(stop)
        with pytest.raises(_Killed):
            steps(folder, monkeypatch, stop)
        out = folder / "out"
        left = set(files(out).values())
        assert new <= left
        is_publishing = (out / WORK / "publishing.json").exists()
        assert old <= left or not is_publishing
        check(out)
        if is_publishing:  # from here on there is no way back
            finished += 1
            assert files(out) == expected
        recover(out)
        again(out, "third", shards=1, maps=(0, 5))
        assert (out / "report.html").read_text() == "third"
        assert (out / "notes.md").read_text() == "mine"
        assert verify(out) == []
        assert not (out / WORK).exists()
    assert finished > 15
