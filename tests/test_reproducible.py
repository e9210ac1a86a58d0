"""Equal inputs give equal bytes: from another folder, time zone, locale, order of files and seed of hashes.
Each report is made by a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

# they hold durations, or hashes of files that do
TIMED = {"results.json", "statement.intoto.json", "SHA256SUMS", "evidence/timing.json"}
ASKED = """checks: [duplicates, weights]
trust: false
visualizations: [filters, saliency]
"""


def copied(source: Path, to: Path) -> None:
    """Copies files last name first: a folder that lists them as they came has another order."""
    for path in sorted(source.rglob("*"), reverse=True):
        place = to / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def audited(folder: Path, cwd: Path, images: str, **environment: str) -> Path:
    """The report of a process in `cwd`, where the files of `folder` are named from there."""
    checkpoint, pictures, recipe, out = (
        os.path.relpath(folder / name, cwd) for name in ("main.safetensors", images, "recipe.yaml", "out")
    )
    command = [*"-m reportgen run --quiet".split(), checkpoint, pictures, "--recipe", recipe, "--out", out]
    paths = os.pathsep.join(path for path in sys.path if path)
    fixed = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**fixed, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "out"


def files(report: Path) -> dict[str, bytes]:
    found = (path for path in report.rglob("*") if path.is_file())
    return {path.relative_to(report).as_posix(): path.read_bytes() for path in found}


def untimed(results: bytes) -> Any:
    read = json.loads(results)
    del read["cost"]["seconds"], read["cost"]["peak_memory_bytes"]
    return read


def test_another_folder_zone_locale_and_order_give_the_same_bytes(tmp_path: Path, two_at: Any) -> None:
    here, there = tmp_path / "here", tmp_path / "there" / "a folder, ünd"
    here.mkdir()
    two_at(here).recipe(at_most=2, own="", edit=lambda text: text.partition("trust:")[0] + ASKED)
    copied(here, there)
    first = audited(here, here, "images", TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1", COLUMNS="80")
    again = audited(
        there, tmp_path, "images", TZ="Pacific/Kiritimati", LC_ALL="C.utf8", PYTHONHASHSEED="2", COLUMNS="200"
    )
    one, two = files(first), files(again)
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} <= TIMED
    assert {"report.html", "report.pdf", "junit.xml", "summary.md", "evidence/manifest.json"} <= one.keys()
    assert untimed(one["results.json"]) == untimed(two["results.json"])
