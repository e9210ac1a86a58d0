"""The commands that the examples' READMEs give."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from reportgen.cli.commands import app


@pytest.fixture(scope="session")
def command() -> Callable[..., Any]:
    """Runs a command in this process, where torch is loaded already: command("run", checkpoint, …)."""

    def run(*words: object) -> Any:
        handler = signal.getsignal(signal.SIGTERM)  # `run` sets its own, and it must not stay
        try:
            return CliRunner().invoke(app, [str(word) for word in words])
        finally:
            signal.signal(signal.SIGTERM, handler)

    return run
