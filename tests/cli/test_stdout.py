"""Standard output holds the results alone, whatever a model, its file, C code or a child process prints."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reportgen.cli import stdout
from reportgen.cli.commands import app

REPOSITORY = Path(__file__).resolve().parents[2]
MNIST = REPOSITORY / "examples" / "mnist"
CHECKPOINT = MNIST / "checkpoints" / "epoch-10.safetensors"
MAIN = (sys.executable, "-c", "from reportgen.cli import main; main()")
WAYS = ("print", "raw", "C", "child", "at import", "dunder")
LOUD = f"""\
import atexit, ctypes, os, subprocess, sys
sys.path.insert(0, {str(MNIST)!r})
from network import DigitNet

print("NOISE at import", flush=True)
atexit.register(print, "NOISE at exit")

class Loud(DigitNet):
    def forward(self, x):
        print("NOISE print")
        sys.__stdout__.write("NOISE dunder\\n")
        os.write(1, b"NOISE raw\\n")
        ctypes.CDLL(None).puts(b"NOISE C")
        subprocess.run(["echo", "NOISE child"], check=True)
        return super().forward(x)
"""
RECIPE = """\
model: {source: loud.py:Loud, preprocessing: {crop: 28, mean: [0.1307], std: [0.3081]}}
run: {device: cpu}
trust: false
checks: false
visualizations: [predictions]
output: {pdf: false}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    file = tmp_path / "recipe.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return file


def commands(recipe: Path, out: Path) -> dict[str, list[object]]:
    run = ["run", CHECKPOINT, MNIST / "digits", "--recipe", recipe, "--limit", 2, "--json", "--out", out]
    return {
        "run": run,
        "second model": [*run, "--beside", MNIST / "checkpoints" / "epoch-01.safetensors"],
        "inspect": ["inspect", CHECKPOINT, "--recipe", recipe, "--json"],
    }


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_a_program_s_standard_output_is_its_results(command: str, recipe: Path, tmp_path: Path) -> None:
    arguments = map(str, commands(recipe, tmp_path / "out")[command])
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*MAIN, *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert "NOISE" not in done.stdout
    for way in (*WAYS, "at exit"):
        assert f"NOISE {way}\n" in done.stderr


@pytest.mark.parametrize("command", ["run", "second model", "inspect"])
def test_results_are_alone_where_the_command_runs_in_this_process(
    command: str, recipe: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = CliRunner().invoke(app, [str(part) for part in commands(recipe, tmp_path / "out")[command]])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)
    assert "NOISE print\n" in done.stderr and "NOISE at import\n" in done.stderr
    beneath = capfd.readouterr()
    assert "NOISE" not in beneath.out
    for way in ("raw", "C", "child"):
        assert f"NOISE {way}\n" in beneath.err
    os.write(1, b"afterwards\n")  # the descriptor is back
    ctypes.CDLL(None).puts(b"and C")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == "afterwards\nand C\n"


def test_help_and_short_results_are_on_standard_output() -> None:
    for arguments, words in ((["--help"], "Usage"), (["recipe", "new"], "visualizations:")):
        done = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, cwd=REPOSITORY)
        assert (done.returncode, words in done.stdout, done.stderr) == (0, True, "")


def test_a_reader_who_has_read_enough_is_no_fault() -> None:
    script = 'set -o pipefail; { "$@" checks map-clusters; echo "rc $?" >&2; } | :'
    line = ["bash", "-c", script, "bash", *MAIN]
    done = subprocess.run(line, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stderr == "rc 141\n"


def test_a_process_without_standard_output_or_error_still_works() -> None:
    for closed, words in ((">&-", ("--help",)), ("2>&-", ("--help",)), (">&- 2>&-", ("recipe", "new"))):
        script = f'"$@" {closed}'
        done = subprocess.run(["bash", "-c", script, "bash", *MAIN, *words], cwd=REPOSITORY)
        assert done.returncode == 0, closed


def test_a_stream_in_the_place_of_standard_output_is_reserved_and_given_back() -> None:
    own, other = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(own), contextlib.redirect_stderr(other):
        with pytest.raises(ZeroDivisionError), stdout.reserved():
            print("noise")
            print("result", file=stdout.results())
            raise ZeroDivisionError
        assert sys.stdout is own
        print("later", file=stdout.results())
    assert (own.getvalue(), other.getvalue()) == ("result\nlater\n", "noise\n")
