"""What the doctor says of a machine that lacks something."""

from __future__ import annotations

import shutil
import sys

import pytest

from reportgen.cli import doctor


def states() -> dict[str, doctor.Row]:
    return {row.what: row for row in doctor.rows()}


def test_what_is_installed_is_found() -> None:
    found = states()
    for name in (*doctor.PACKAGES, "python", "cpu", "fonts"):
        assert found[name].state == "ok"
    assert all(row.remedy for row in found.values() if row.state == "missing")


def test_missing_pango_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)  # its import fails
    row = states()["PDF (Pango)"]
    assert row.state == "missing"
    assert "libpango" in row.remedy


def test_a_missing_package_and_a_full_disk_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package-anywhere",))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 9, 1))
    found = states()
    assert found["no-such-package-anywhere"].state == "missing"
    assert found["disk"].state == "note"
