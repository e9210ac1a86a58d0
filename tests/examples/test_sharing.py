"""examples/sharing: whatever schedules them, the parts are all of the set, each once, and are merged."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from reportgen.cli.commands import app

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sharing"
SAYS = '#!/bin/sh\necho "$(basename "$0") $*" >> "$SAID"\n'


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What the scripts call, in order: the commands only say how they were called."""
    (tmp_path / "bin").mkdir()
    for name in ("reportgen", "sbatch"):
        (tmp_path / "bin" / name).write_text(SAYS)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "parts").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    return lambda: (tmp_path / "said").read_text().splitlines()


def parts_of(lines: list[str]) -> list[str]:
    """K/N of every call, all of which the program itself can read."""
    command = typer.main.get_command(app)
    calls = [line.split()[1:] for line in lines if line.startswith("reportgen shard ")]
    for call in calls:
        name, _, rest = command.resolve_command(typer.Context(command), call)  # type: ignore[attr-defined]
        assert name == "shard"
        command.commands["shard"].make_context("shard", rest)  # type: ignore[attr-defined]
    return [call[1] for call in calls]


def test_a_job_array_of_slurm(said):
    for task in (3, 1, 2):
        array = {"ARRAY_TASK_ID": task, "ARRAY_TASK_MIN": 1, "ARRAY_TASK_COUNT": 3, "ARRAY_JOB_ID": 77}
        given = {f"SLURM_{name}": str(value) for name, value in array.items()} | {"SLURM_CPUS_PER_TASK": "2"}
        subprocess.run(["sh", EXAMPLE / "slurm.sh"], env=os.environ | given, check=True)
    assert sorted(parts_of(said())) == ["1/3", "2/3", "3/3"]
    (merge,) = (line for line in said() if line.startswith("sbatch"))
    assert "--dependency=afterok:77" in merge and "reportgen merge parts/* --out report" in merge


def test_torchrun(said):
    several = []
    for rank in (1, 2, 0):
        given = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "3"}
        several.append(subprocess.Popen(["sh", EXAMPLE / "torchrun.sh"], env=os.environ | given))
    assert [process.wait(timeout=30) for process in several] == [0, 0, 0]
    assert sorted(parts_of(said())) == ["1/3", "2/3", "3/3"]
    assert said()[-1].startswith("reportgen merge ")


def test_an_indexed_job_of_kubernetes(said):
    job = yaml.safe_load((EXAMPLE / "kubernetes.yml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert job["completionMode"] == "Indexed"
    count = job["completions"]
    for index in range(count):
        call = [*container["command"], *container["args"]]
        subprocess.run(call, env=os.environ | {"JOB_COMPLETION_INDEX": str(index)}, check=True)
    assert parts_of(said()) == [f"{number}/{count}" for number in range(1, count + 1)]
