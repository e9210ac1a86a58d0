"""A change anywhere in a report's folder is found; no change is found where there is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.seal import added, seal, verify
from reportgen.errors import InputError
from reportgen.evidence import Writer, sha256_of
from reportgen.findings import Scalar
from reportgen.ownership import MARK, MARKER


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "report"
    checkpoint = tmp_path / "net.pt"
    checkpoint.write_bytes(b"weights")
    writer = Writer(folder / "evidence", "key")
    writer.write("batch-000000", {"predictions": [(Scalar("margin", "Margin", np.ones(2)),)]})
    writer.seal({"checkpoint": {"sha256": sha256_of(checkpoint)}}, {})
    for name in ("report.html", "report.pdf", "results.json", "junit.xml", "maps/000000.npz"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    seal(folder)
    return folder


FILES = [
    "report.html",
    "report.pdf",
    "results.json",
    "junit.xml",
    "maps/000000.npz",
    "evidence/batch-000000.json",
    "evidence/batch-000000.safetensors",
    "evidence/timing.json",
    "evidence/key",
]


def test_nothing_was_changed(sealed: Path) -> None:
    assert verify(sealed) == []
    assert verify(sealed, sealed.parent / "net.pt") == []


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_or_a_lost_file_is_named(sealed: Path, name: str) -> None:
    file = sealed / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert verify(sealed) == [name]
    file.unlink()
    assert verify(sealed) == [name]


def test_a_changed_manifest_is_named(sealed: Path) -> None:
    manifest = sealed / "evidence/manifest.json"
    manifest.write_text(manifest.read_text().replace('"checkpoint"', '"checkpoint" '))
    assert verify(sealed) == ["evidence/manifest.json"]


def test_an_added_file_of_the_report_is_named(sealed: Path) -> None:
    (sealed / "maps/000001.npz").write_bytes(b"x")
    assert verify(sealed) == ["maps/000001.npz"]


def test_another_checkpoint_is_named(sealed: Path) -> None:
    other = sealed.parent / "other.pt"
    other.write_bytes(b"other weights")
    assert verify(sealed, other) == [str(other)]
    assert verify(sealed, sealed.parent / "missing.pt") == [str(sealed.parent / "missing.pt")]


def test_a_folder_without_evidence_or_seal_is_an_input_error(sealed: Path) -> None:
    (sealed / "SHA256SUMS").unlink()
    with pytest.raises(InputError, match="SHA256SUMS"):
        verify(sealed)
    with pytest.raises(InputError, match="no complete evidence"):
        verify(sealed.parent)


def test_the_seal_is_what_sha256sum_reads(sealed: Path) -> None:
    done = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=sealed, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 8


def test_every_byte_of_the_folder_counts(sealed: Path) -> None:
    """A newline less or more at the end of a file, of whatever kind, is a change, and of its file alone."""
    for file in sorted(path for path in sealed.rglob("*") if path.is_file()):
        name, whole = file.relative_to(sealed).as_posix(), file.read_bytes()
        for changed in (whole[:-1], whole + b"\n"):
            file.write_bytes(changed)
            assert verify(sealed) == [name]
        file.write_bytes(whole)
    assert verify(sealed) == []


def test_a_seal_that_says_a_thing_twice_is_no_seal_of_ours(sealed: Path) -> None:
    seal_file = sealed / "SHA256SUMS"
    first = seal_file.read_text().splitlines(keepends=True)[0]
    seal_file.write_text(first.replace(first[:64], "0" * 64) + seal_file.read_text())
    assert verify(sealed) == ["SHA256SUMS"]


@pytest.mark.parametrize("name", ["/proc/kcore", "../net.pt", "evidence/../../net.pt", "notes.md"])
def test_a_name_that_no_file_of_a_report_has_is_altered_and_not_opened(
    sealed: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_file = sealed / "SHA256SUMS"
    (sealed / "notes.md").write_bytes(b"weights")
    digest = sha256_of(sealed.parent / "net.pt")
    seal_file.write_text(seal_file.read_text() + f"{digest}  {name}\n")
    opened: list[Path] = []
    monkeypatch.setattr("reportgen.audit.seal.sha256_of", lambda path: opened.append(path) or sha256_of(path))
    assert verify(sealed) == [name]
    assert sealed / name not in opened


@pytest.mark.parametrize("name", [FILES[0], *FILES[5:7]])
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_has_no_end_in_place_of_a_file_is_altered(sealed: Path, name: str, kind: str) -> None:
    (sealed / name).unlink()
    if kind == "pipe":
        os.mkfifo(sealed / name)
    else:
        (sealed / name).symlink_to(kind)
    assert verify(sealed) == [name]


STRANGERS = ("notes.md", ".hidden", "evidence/more.json", "evidence/beside/key", "maps/a/b.npz", "maps/x.npz")


@pytest.mark.parametrize("name", STRANGERS)
def test_what_else_lies_in_the_folder_is_named(sealed: Path, name: str) -> None:
    (sealed / name).parent.mkdir(parents=True, exist_ok=True)
    (sealed / name).write_text("not measured")
    assert sorted({*verify(sealed), *added(sealed)}) == [name]


def test_a_link_is_named_and_not_followed_and_an_unfinished_run_is_none_of_it(sealed: Path) -> None:
    (sealed / "more").symlink_to(sealed.parent)
    (sealed / "nothing").symlink_to("nowhere")
    work = sealed / ".reportgen-work"
    work.mkdir()
    (work / MARKER).write_bytes(MARK)
    (work / "report.html").write_text("half")
    assert (added(sealed), verify(sealed)) == (["more", "nothing"], [])
    (work / MARKER).unlink()
    assert added(sealed) == [".reportgen-work/report.html", "more", "nothing"]
