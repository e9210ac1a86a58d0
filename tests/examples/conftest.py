"""The commands that the examples' READMEs give."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app

MNIST = Path(__file__).resolve().parents[2] / "examples" / "mnist" / "network.py"


@pytest.fixture(scope="session")
def command() -> Callable[..., Any]:
    """Runs a command in this process, where torch is loaded already: command("run", checkpoint, …)."""

    def run(*words: object) -> Any:
        handler = signal.getsignal(signal.SIGTERM)  # `run` sets its own, and it must not stay
        try:
            allowed = ("--allow-code", MNIST) if words[0] == "run" else ()  # for recipes written elsewhere
            return CliRunner().invoke(app, [str(word) for word in (*words, *allowed)])
        finally:
            signal.signal(signal.SIGTERM, handler)

    return run
