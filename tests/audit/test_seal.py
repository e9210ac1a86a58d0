"""A change anywhere in a report's folder is found; no change is found where there is none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from reportgen.audit.seal import seal, verify
from reportgen.errors import InputError
from reportgen.evidence import Writer, sha256_of
from reportgen.findings import Scalar


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
    assert done.stdout.count(": OK") == 6
