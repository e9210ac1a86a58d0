"""A small report with a requirement, a baseline and a check, and a real MLflow server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.pipeline import run

ASKED = """visualizations: [predictions]
gates:
  - {metric: images, min: 1}
  - {metric: accuracy, min: 1.1}
  - {diff: answers_changed, max: 0.9}
"""


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, two_at: Any) -> Path:
    """The second night's report; one of its requirements is not met."""
    folder = tmp_path_factory.mktemp("tracked")
    two = two_at(folder)

    def edit(text: str) -> str:
        head = text.partition("visualizations:\n")[0].replace("checks: false", "checks: [weights]")
        head = head.replace("trust: {images: 1, steps: 2, random_orders: 2}", "trust: false")
        return f"{head}{ASKED}output: {{pdf: false}}\n"

    recipe = two.recipe(at_most=2, own="", edit=edit)
    run(recipe, folder / "main.safetensors", two.images, folder / "first")
    run(recipe, folder / "main.safetensors", two.images, folder / "night", baseline=folder / "first")
    return folder / "night"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server of this machine that keeps its runs in SQLite."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    words = f"""server --host 127.0.0.1 --port {port} --workers 1
                --backend-store-uri sqlite:///{folder}/runs.db --artifacts-destination {folder}/files"""
    command = [sys.executable, "-m", "mlflow", *words.split()]
    quiet = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / "log").open("w") as log:
        served = subprocess.Popen(command, cwd=folder, env=quiet, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        await_health(address, served, folder / "log")
        yield address
    finally:
        served.terminate()
        try:
            served.wait(60)
        except subprocess.TimeoutExpired:
            served.kill()


def await_health(address: str, served: subprocess.Popen[bytes], log: Path) -> None:
    while served.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server ended: {log.read_text()[-2000:]}")
