"""Promise 8: a fault of reportgen's own is said once, as one; too little memory is none of them; nothing that
numpy, torch or Pillow remark reaches the terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from reportgen.cli.failures import Command
from reportgen.engine import device
from reportgen.errors import InputError, asked_for


def told(work: Callable[[], object], *options: str) -> Any:
    """What a command that does this work ends with."""
    app = typer.Typer()

    @app.command(cls=Command)
    def run(verbose: bool = False) -> None:
        work()

    return CliRunner().invoke(app, list(options))


def raises(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


FAULTS = [
    KeyError("x"),
    AssertionError(),
    RecursionError("deep"),
    OSError(5, "bad"),
    ZeroDivisionError("a\nb"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
]


@pytest.mark.parametrize("error", FAULTS)
def test_promise_8_a_fault_is_ours_and_said_once(error: BaseException) -> None:
    done = told(raises(error))
    assert done.exit_code == 70 and done.stdout == ""
    cause, remedy = done.stderr.splitlines()
    assert cause.startswith(f"error: {type(error).__name__}") and len(cause) < 500
    assert remedy.startswith("remedy: ") and "report it" in remedy and "--verbose" in remedy
    assert "Traceback" in told(raises(error), "--verbose").stderr


@pytest.mark.parametrize(
    ("work", "figure"),
    [
        (lambda: torch.empty(10**15), "4,000,000,000 MB"),
        (lambda: np.empty(10**15), "7.11 PiB"),
        (raises(MemoryError()), ""),
        (
            raises(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")),
            "2.00 GiB",
        ),
    ],
)
def test_promise_8_too_little_memory_is_no_fault(work: Callable[[], object], figure: str) -> None:
    done = told(work)
    assert done.exit_code == 3
    cause, remedy = done.stderr.splitlines()
    assert cause.startswith("error: too little memory") and figure in cause
    assert "batch_size" in remedy


def test_promise_8_batches_are_halved_for_the_host_as_for_a_device() -> None:
    tried: list[int] = []

    def work(size: int) -> int:
        return size if size <= 3 else torch.empty(10**15).numel()

    assert device.fitting(work, 16, tried.append) == 2
    assert tried == [8, 4, 2]
    with (
        pytest.raises(InputError, match=r"too little memory.*4,000,000,000 MB more were asked for"),
        device.enough_memory(torch.device("cpu")),
    ):
        device.fitting(lambda _size: torch.empty(10**15), 2, tried.append)
    with pytest.raises(RuntimeError, match="another"):
        device.fitting(raises_one(RuntimeError("another")), 4, tried.append)


def raises_one(error: Exception) -> Callable[[int], None]:
    def work(_size: int) -> None:
        raise error

    return work


def test_promise_8_no_remark_of_another_package_reaches_the_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In a process of its own: pytest listens to warnings."""
    code = """
import logging, warnings, sys
import typer
from reportgen.cli.failures import Command
app = typer.Typer()
@app.command(cls=Command)
def run() -> None:
    import numpy as np
    warnings.warn("heard"); np.array([1.0]) / 0; np.array([-1.0]) ** 0.5
    logging.getLogger("torch.somewhere").warning("heard")
app()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_figures_are_those_of_the_messages() -> None:
    assert asked_for(RuntimeError("x")) == ""
    assert (
        asked_for(RuntimeError("you tried to allocate 2000000 bytes. Error")) == " (2 MB more were asked for)"
    )
