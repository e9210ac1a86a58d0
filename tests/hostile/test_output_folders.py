"""Promises 6 and 7: whatever --out is, and whatever refuses a write, no report is lost and none is half; and
`verify` finds what was changed or added anywhere in the folder."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reportgen.audit.seal import added, seal, verify
from reportgen.cli.commands import app
from reportgen.errors import ReportgenError, Unwritable
from reportgen.evidence import Writer, files, sha256_of
from reportgen.workspace import check, publish, rendering, workspace
from reportgen.writing import kept_whole

LONGEST = 255


def report(folder: Path, text: str, shards: int = 2) -> Path:
    """A small whole report."""
    writer = Writer(folder / "evidence", text)
    for number in range(shards):
        writer.write(f"batch-{number:06d}", {}, [{"text": text}])
    writer.seal({"checkpoint": {"sha256": "0"}}, {})
    for name in ("report.html", "results.json", "maps/000000.npz"):
        (folder / name).parent.mkdir(exist_ok=True)
        files.write_whole(folder / name, text.encode())
    seal(folder)
    return folder


def again(out: Path, text: str = "new") -> None:
    """What a run does with its folder."""
    check(out)
    with workspace(out) as folder, kept_whole(out, folder):
        publish(report(folder, text), out)


def hashes(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): sha256_of(path) for path in found}
    return {name: digest for name, digest in named.items() if not name.startswith(".reportgen-work")}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return report(tmp_path / "out", "old")


def put(folder: Path) -> dict[str, tuple[str, int]]:
    """What --out may be, and the exit code: 2 where another name is asked for, 4 where the system refuses."""
    (folder / "file").write_text("mine")
    (folder / "theirs").mkdir()
    (folder / "theirs" / "thesis.tex").write_text("mine")
    (folder / "round").symlink_to("round")
    (folder / "there").symlink_to("back")
    (folder / "back").symlink_to("there")
    (folder / "to-file").symlink_to("file")
    (folder / "to-theirs").symlink_to("theirs")
    (folder / "up").symlink_to("..")
    os.mkfifo(folder / "pipe")
    return {
        **{name: (name, 4) for name in ("", " ", "\t", "\n", "a\0b")},
        **{f"{n} letters": ("x" * n, 4) for n in (256, 300, 5_000)},
        "300 letters deep": (f"a/b/{'x' * 300}/c", 4),
        "a path without end": ("/".join(["x" * 200] * 40), 4),
        "bytes": ("é" * 200, 4),
        "in /proc": ("/proc/none/out", 4),
        "in /sys": ("/sys/none", 4),
        "below a file": ("file/out", 4),
        "below a pipe": ("pipe/out", 4),
        "below a device": ("/dev/null/out", 4),
        "below a link to a file": ("to-file/out", 4),
        **{name: (name, 2) for name in ("file", "pipe", "to-file", "/dev/full", "/dev/null", "/dev/zero")},
        **{name: (name, 2) for name in ("round", "there", "theirs", "to-theirs", "up", "/", ".", "./", "..")},
        "theirs, the long way": ("new/../theirs", 2),
        "root's own": ("/etc", 2),
    }


def test_every_folder_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = put(tmp_path)
    before = hashes(tmp_path)
    for name, (out, code) in cases.items():
        with monkeypatch.context() as patch:
            patch.setattr("reportgen.pipeline.read_material", let_in)
            done = CliRunner().invoke(app, ["run", "net.pt", "images", "--model", "net.py:x", "--out", out])
        lines = done.stderr.splitlines()[-2:]
        assert (done.exit_code, [line[:7] for line in lines]) == (code, ["error: ", "remedy:"]), (name, lines)
        assert all(len(line) <= 500 and line.isprintable() for line in lines)
    assert hashes(tmp_path) == before
    assert len(cases) > 30


def let_in(*_: object) -> None:
    raise AssertionError("it was let in")


FINE = ("x" * LONGEST, "a/b/c/d", "dangling", "é" * 100, "\x1b[31m", "\u202e", "a\nb")


@pytest.mark.parametrize("out", FINE)
def test_folders_that_can_be_written_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere/yet")
    for text in ("first", "second"):
        again(Path(out), text)
        assert verify(tmp_path / out) == added(tmp_path / out) == []
        assert (tmp_path / out / "report.html").read_text() == text


def test_a_working_folder_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = CliRunner().invoke(app, ["run", "net.pt", "images", "--out", "out"])
    assert done.exit_code in (3, 4) and done.stderr.startswith("error: "), done.stderr
    monkeypatch.chdir(tmp_path)


NUMBERS = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def refusing(patch: pytest.MonkeyPatch, number: int, at: int) -> None:
    """The system refuses the `at`th write of a file, halfway through it."""
    calls = 0
    whole = files._write

    def write(partial: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls - 1 == at:
            partial.write_bytes(data[: len(data) // 2])
            raise OSError(number, os.strerror(number), str(partial))
        whole(partial, data)

    patch.setattr(files, "_write", write)


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_a_write_that_is_refused_at_any_point_leaves_the_old_report(
    old: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before, refused = hashes(old), 0
    for at in range(40):
        try:
            with monkeypatch.context() as patch:
                refusing(patch, number, at)
                again(old)
            break  # there were fewer writes
        except Unwritable as told:
            assert (told.exit_code, os.strerror(number) in told.cause) == (4, True)
        refused += 1
        assert hashes(old) == before
        assert (verify(old), added(old)) == ([], [])
        assert not list(old.rglob("*.tmp"))
    assert refused > 10
    assert (old / "report.html").read_text() == "new" and verify(old) == []


@pytest.mark.parametrize("step", ["rename", "mkdir", "unlink", "rmdir"])
def test_a_step_of_publishing_that_is_refused_is_told_and_taken_up_again(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    new = hashes(report(old.parent / "new", "new"))
    for at in range(40):
        shutil.rmtree(old)
        report(old, "old")
        calls, real = 0, getattr(Path, step)

        def refuse(self: Path, *given: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls - 1 == at:  # noqa: B023
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(self, *given, **more)  # noqa: B023

        try:
            with monkeypatch.context() as patch, workspace(old) as folder, kept_whole(old, folder):
                report(folder, "new")
                patch.setattr(Path, step, refuse)
                publish(folder, old)
            break  # there were fewer steps
        except ReportgenError as error:
            assert error.exit_code == 4
        again(old)
        assert hashes(old) == new
        assert (verify(old), added(old)) == ([], [])


def test_a_folder_that_goes_while_it_is_written_is_told(old: Path) -> None:
    check(old)
    with pytest.raises(Unwritable, match="gone"), workspace(old) as folder, kept_whole(old, folder):
        shutil.rmtree(old)
        files.write_whole(folder / "report.html", b"new")


def test_a_rendering_leaves_the_old_page_until_the_new_one_is_whole(old: Path) -> None:
    before = hashes(old)
    with pytest.raises(Unwritable), rendering(old) as folder:
        assert hashes(folder).keys() == {name for name in before if name.startswith("evidence/")}
        (folder / "report.html").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert hashes(old) == before and not (old / ".reportgen-work").exists()


def test_an_interrupted_run_is_still_there_after_a_rendering(old: Path) -> None:
    with pytest.raises(KeyboardInterrupt), workspace(old) as folder:
        Writer(folder / "evidence", "key").write("batch-000000", {})
        raise KeyboardInterrupt
    with rendering(old) as folder:
        (folder / "report.html").write_text("rendered")
        seal(folder)
        publish(folder, old)
    assert (old / "report.html").read_text() == "rendered"
    assert verify(old) == []
    with workspace(old) as folder:
        assert set(Writer(folder / "evidence", "key").finished) == {"batch-000000"}


def test_a_marker_that_was_cut_short_is_still_ours(old: Path) -> None:
    (old / ".reportgen-work").mkdir()
    (old / ".reportgen-work" / "reportgen-work").write_bytes(b"reportgen.wo")
    again(old)
    assert sorted(path.name for path in old.iterdir() if path.is_dir()) == ["evidence", "maps"]
