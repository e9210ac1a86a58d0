"""What is only listed is read from its source, and is what is found by importing it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reportgen import checks, probes

HEAVY = ("torch", "torchvision", "scipy", "sklearn", "matplotlib")


def test_visualizations_are_listed_as_they_are():
    every = probes.methods().values()
    assert probes.listed() == [(each.name, each.summary, each.needs) for each in every]


def test_checks_are_listed_as_they_are():
    every = checks.questions().values()
    assert checks.listed() == [(each.group, each.name, each.question) for each in every]


@pytest.mark.parametrize("command", ["--help", "methods", "checks"])
def test_a_list_imports_nothing_heavy(command):
    code = (
        "import sys; from reportgen.cli.commands import main; sys.argv = ['reportgen', sys.argv[1]]\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stderr.strip() == "[]"
    assert len(run.stdout.splitlines()) > 10
